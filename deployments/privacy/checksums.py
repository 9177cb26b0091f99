"""The check digits of cards, accounts and national ids: what fails them is some other number."""

import re
from itertools import pairwise

# Two digits at least are different in every card that was ever issued.
_LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
# First digits and lengths that the card networks have given out (ISO/IEC 7812); others are order numbers.
_NETWORKS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[689]\d)\d{11}"  # Diners Club
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}"  # Discover
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|62\d{14,17}"  # UnionPay
    r"|(?:5[06-8]|6[37])\d{11,17}"  # Maestro
)

# Lengths by country, from the registry that ISO 13616 names.
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27,
    "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22,
    "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32,
    "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24,
    "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31,
    "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23,
    "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip

_DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_FISCAL_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6,
         8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip
# Verhoeff's: multiplication in the dihedral group of order ten, and the permutation of each place.
_DIHEDRAL = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_PLACES = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def is_card(digits: str) -> bool:
    """Whether these digits are a payment card's: a network's first digits and length, and Luhn's sum."""
    return _NETWORKS.fullmatch(digits) is not None and _luhn(digits)


def is_iban(letters: str) -> bool:
    """Whether this is an IBAN, in capitals and without spaces: its country's length, and 97 divides it."""
    if IBAN_LENGTHS.get(letters[:2]) != len(letters):
        return False
    return int("".join(str(int(c, 36)) for c in letters[4:] + letters[:4])) % 97 == 1


def is_ssn(area: str, group: str, serial: str) -> bool:
    """Whether a number of the United States' social security can have been given out; it has no check digit."""
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000"


def is_nir(digits: str) -> bool:
    """Whether these 15 digits are a number of the French social security."""
    if digits[0] not in "12" or not 1 <= int(digits[3:5]) <= 42:
        return False
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def is_steuer_id(digits: str) -> bool:
    """Whether these 11 digits are a German tax id: one of the first ten twice or thrice, and ISO 7064."""
    counts = sorted(digits[:10].count(d) for d in set(digits[:10]))
    if digits[0] == "0" or counts[-1] not in {2, 3} or counts[-2] != 1:
        return False
    product = 10
    for digit in digits[:10]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def is_cpf(digits: str) -> bool:
    """Whether these 11 digits are a Brazilian taxpayer's."""
    if len(set(digits)) == 1:
        return False
    for length in (9, 10):
        total = sum(
            int(d) * w for d, w in zip(digits[:length], range(length + 1, 1, -1), strict=True)
        )
        if total * 10 % 11 % 10 != int(digits[length]):
            return False
    return True


def is_aadhaar(digits: str) -> bool:
    """Whether these 12 digits are an Indian resident's: Verhoeff's sum."""
    if digits[0] in "01":
        return False
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_DIHEDRAL[check][int(_PLACES[place % 8][int(digit)])])
    return check == 0


def is_dni(letters: str) -> bool:
    """Whether these nine are a Spanish DNI or NIE, in capitals and without hyphens."""
    number = letters[:8].translate(str.maketrans("XYZ", "012"))
    return _DNI_LETTERS[int(number) % 23] == letters[8]


def is_fiscal_code(letters: str) -> bool:
    """Whether these 16 are an Italian fiscal code, in capitals."""
    total = sum(
        _FISCAL_ODD[c] if place % 2 == 0 else int(c, 36) - (10 if c.isalpha() else 0)
        for place, c in enumerate(letters[:15])
    )
    return chr(ord("A") + total % 26) == letters[15]


def _luhn(digits: str) -> bool:
    if all(one == other for one, other in pairwise(digits)):
        return False
    total = sum(
        int(d) if place % 2 == 0 else _LUHN_DOUBLED[int(d)]
        for place, d in enumerate(reversed(digits))
    )
    return total % 10 == 0
