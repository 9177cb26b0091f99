"""Personal data of nobody: made by a seed, in ranges that are kept free for it, with right check digits."""

import random
from collections.abc import Callable, Mapping, Sequence

_DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
_WORDS = [
    "about",
    "again",
    "before",
    "between",
    "could",
    "every",
    "first",
    "friend",
    "great",
    "house",
]


def luhn(chance: random.Random, prefix: str, length: int) -> str:
    digits = prefix + "".join(str(chance.randrange(10)) for _ in range(length - len(prefix) - 1))
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


def card(chance: random.Random) -> str:
    number = luhn(
        chance, *chance.choice([("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16)])
    )
    if len(number) == 15:
        return chance.choice([number, f"{number[:4]} {number[4:10]} {number[10:]}"])
    sep = chance.choice(["", " ", "-"])
    return sep.join(number[n : n + 4] for n in range(0, 16, 4))


def iban(chance: random.Random) -> str:
    country, length = chance.choice([("DE", 22), ("NL", 18), ("FR", 27), ("GB", 22), ("NO", 15)])
    rest = "".join(str(chance.randrange(10)) for _ in range(length - 4))
    if country in {"NL", "GB"}:
        rest = "BANK" + rest[4:]
    letters = "".join(str(int(c, 36)) for c in f"{rest}{country}00")
    whole = f"{country}{98 - int(letters) % 97:02d}{rest}"
    return chance.choice(
        [whole, " ".join(whole[n : n + 4] for n in range(0, length, 4)), whole.lower()]
    )


def email(chance: random.Random) -> str:
    local = chance.choice([".", "_", "+", ""]).join(chance.sample(_WORDS, 2))
    domain = chance.choice(["example.com", "example.org", "mail.example.net", "shop.example.co.uk"])
    return f"{local}{chance.randrange(100)}@{domain}"


def phone(chance: random.Random) -> str:
    area, last = chance.choice(["202", "415", "312", "617"]), f"01{chance.randrange(100):02d}"
    shapes = [
        "({}) 555-{}", "{}-555-{}", "{}.555.{}", "+1 {} 555 {}", "+1{}555{}", "1-{}-555-{}", "{} 555 {}",
    ]  # fmt: skip
    other = f"+44 20 7946 0{chance.randrange(1000):03d}"
    return chance.choice([*(shape.format(area, last) for shape in shapes), other])


def ssn(chance: random.Random) -> str:
    return f"{chance.randrange(1, 600):03d}-{chance.randrange(1, 100):02d}-{chance.randrange(1, 9999):04d}".replace(
        "666-", "665-"
    )


def dni(chance: random.Random) -> str:
    number = chance.randrange(10**7, 10**8)
    return f"{number}{chance.choice(['', '-'])}{_DNI[number % 23]}"


def cpf(chance: random.Random) -> str:
    digits = [chance.randrange(10) for _ in range(9)]
    for length in (10, 11):
        total = sum(d * w for d, w in zip(digits, range(length, 1, -1), strict=True))
        digits.append(total * 10 % 11 % 10)
    d = "".join(map(str, digits))
    return f"{d[:3]}.{d[3:6]}.{d[6:9]}-{d[9:]}"


def ip(chance: random.Random) -> str:
    four = ".".join(str(part) for part in (192, 0, 2, chance.randrange(1, 255)))
    return chance.choice([four, f"2001:db8::{chance.randrange(1, 65_536):x}:1"])


def secret(chance: random.Random) -> str:
    body = "".join(
        chance.choice("abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789")
        for _ in range(36)
    )
    return chance.choice(
        [f"sk-{body}7", f"smk_{body}7", f"AKIA{body[:16].upper()}", f"ghp_{body}", f"eyJ{body}.eyJ{body}.{body}"]
    )  # fmt: skip


MAKERS: Mapping[str, Sequence[Callable[[random.Random], str]]] = {
    "card": [card],
    "iban": [iban],
    "email": [email],
    "phone": [phone],
    "national_id": [ssn, dni, cpf],
    "ip": [ip],
    "secret": [secret],
}

FRAMES = (
    "{}",
    "My details: {}.",
    "please use {} from now on, thanks",
    'They wrote "{}" on it',
    "({})",
    "order 1042 of 2026-11-22: {}; it cost $1,299.00",
    "a\n{}\nb",
    '{{"note":"first\\n{}\\nlast"}}',
    "<b>{}</b>",
)


def said(chance: random.Random, kind: str) -> tuple[str, str]:
    """A sentence with a value in it, and the value."""
    value = chance.choice(MAKERS[kind])(chance)
    return chance.choice(FRAMES).format(value), value


INNOCENT: Sequence[Callable[[random.Random], str]] = (
    lambda c: f"order ORD-{c.randrange(1000, 9999)}",
    lambda c: f"invoice INV-2026-{c.randrange(1, 9999):04d}",
    lambda c: f"#W{c.randrange(10**6, 10**7)}",
    lambda c: f"item {c.randrange(10**9, 10**10)}",
    lambda c: f"on 20{c.randrange(10, 40)}-{c.randrange(1, 13):02d}-{c.randrange(1, 29):02d}",
    lambda c: f"at 2026-08-01 {c.randrange(24):02d}:{c.randrange(60):02d}:{c.randrange(60):02d}",
    lambda c: f"${c.randrange(10**3, 10**6):,}.{c.randrange(100):02d}",
    lambda c: f"version 1.{c.randrange(20)}.{c.randrange(20)}.{c.randrange(99)}",
    lambda c: f"{c.randrange(1, 99)} of {c.randrange(100, 999)} parcels",
    lambda c: f"case-{c.getrandbits(64):016x}",
    lambda c: f"{c.randrange(10**11, 10**12)} (tracking)",
    lambda c: (
        f"the {c.randrange(1, 29)}.{c.randrange(1, 13)}.2026 at {c.randrange(1, 12)}:{c.randrange(10, 60)}"
    ),
)
