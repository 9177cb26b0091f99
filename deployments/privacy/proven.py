"""Numbers that prove themselves: payment cards, IBANs and national ids, however their digits are grouped."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from deployments.privacy.checksums import (
    IBAN_LENGTHS,
    is_aadhaar,
    is_card,
    is_cpf,
    is_dni,
    is_iban,
    is_nir,
    is_ssn,
    is_steuer_id,
)
from deployments.privacy.runs import BETWEEN, Run, is_joined
from deployments.privacy.spelling import INVISIBLE, WORD, is_word

Number: TypeAlias = Literal["card", "iban", "national_id"]

CARD_MIN, CARD_MAX = 13, 19
"""Digits of the shortest card and of the longest."""
_LEAST = 9  # digits of the shortest number here, of the social security
# By their length, how the digits of national ids are grouped by those who have one.
_NATIONAL: Mapping[int, frozenset[tuple[int, ...]]] = {
    9: frozenset({(3, 2, 4), (9,)}),
    11: frozenset({(3, 3, 3, 2), (11,), (2, 3, 3, 3)}),
    12: frozenset({(4, 4, 4)}),
    15: frozenset({(1, 2, 2, 2, 3, 3, 2), (15,), (13, 2)}),
}

_CHECKS = {11: is_steuer_id, 12: is_aadhaar, 15: is_nir}
# The same in short, because it is asked of every group: how many digits in how many groups.
_SHAPES = frozenset(
    {(length, len(sizes)) for length, known in _NATIONAL.items() for sizes in known}
)
# How cards of fifteen and fourteen digits are printed; the others have groups of four.
_AMERICAN = frozenset({(4, 6, 5), (4, 6, 4)})
# At every place one may begin, so that none hides behind what looks like the beginning of another.
_IBAN = re.compile(
    rf"(?<=[A-Za-z]{{2}})[0-9](?=([0-9](?:[{BETWEEN}]{{0,3}}+[A-Za-z0-9]){{11,30}}+))"
)
_IBAN_SAID = re.compile(r"iban\Z", re.IGNORECASE)
_GROUPS = re.compile(r"[A-Za-z0-9]+")
_DNI = re.compile(rf"[\dXYZxyz]-?\d{{7}}-?[A-Za-z](?!{WORD})")
# Between groups only where they are those of a card or an account.
_WIDE = "\t\r\n,_*"
_UNSEEN = re.compile(f"[{INVISIBLE}]+")
_GAP_MAX = 3
"""Characters between groups, those that nobody sees not counted; a line's end in JSON is two."""
_GAP_ALL_MAX = 24
# Where a number of the social security is written without hyphens, somebody says what it is.
_SSN_SAID = re.compile(r"ssn|social.security", re.IGNORECASE)
_SAID_WITHIN = 32


def numbers(text: str, found_runs: Sequence[Run]) -> Iterator[tuple[int, int, Number]]:
    """Where they stand, in the text's order and without an overlap."""
    found = [*_ibans(text), *_dnis(text), *_digits(text, found_runs)]
    # Ibans first: what is inside of one is none of the others.
    found.sort(key=lambda one: (one[0], -one[1]))
    last = 0
    for start, end, kind in found:
        if start >= last:
            yield start, end, kind
            last = end


def _ibans(text: str) -> Iterator[tuple[int, int, Number]]:
    for found in _IBAN.finditer(text):
        start = found.start() - 2
        written = text[start : found.end(1)]
        length = IBAN_LENGTHS.get(written[:2].upper())
        if length is None:
            continue
        left = length
        for offset, character in enumerate(written):
            left -= character.isascii() and character.isalnum()
            if left == 0:
                end = start + offset + 1
                if _is_iban(text, start, end):
                    yield start, end, "iban"
                break


def _is_iban(text: str, start: int, end: int) -> bool:
    groups = _GROUPS.findall(text, start, end)
    letters = "".join(groups).upper()
    if not is_iban(letters):
        return False
    is_wide = end - start - len(letters) >= len(groups) or any(c in _WIDE for c in text[start:end])
    if is_wide and any(len(group) != 4 for group in groups[:-1]):
        return False
    after = text[end : end + 1]
    begins = not (start and text[start - 1].isascii() and text[start - 1].isalnum())
    begins = begins or (text[start - 1] in "nrt" and text[start - 2 : start - 1] == "\\")
    begins = begins or _IBAN_SAID.search(text, max(start - 4, 0), start) is not None
    if begins and not (after != "_" and is_word(after)):
        return True
    # Within a longer word only digits prove themselves, and none beside them.
    return letters[4:].isdigit() and not text[start - 1 : start].isdigit() and not after.isdigit()


def _dnis(text: str) -> Iterator[tuple[int, int, Number]]:
    for found in _DNI.finditer(text):
        start, end = found.span()
        is_whole = not is_joined(text, start) and text[start - 1 : start] != "-"
        if is_whole and found[0].isascii() and is_dni(found[0].replace("-", "").upper()):
            yield start, end, "national_id"


def _digits(text: str, found_runs: Sequence[Run]) -> Iterator[tuple[int, int, Number]]:
    for run in found_runs:
        last = 0
        for first, (start, _) in enumerate(run.groups):
            if start >= last:
                best = _longest(text, run, first)
                if best is not None:
                    yield best
                    last = best[1]


def _longest(text: str, run: Run, first: int) -> tuple[int, int, Number] | None:
    """The longest number that begins with this group."""
    digits, groups, offsets = run
    start = groups[first][0]
    best: tuple[int, int, Number] | None = None
    offset, before = offsets[first], groups[first][0]
    is_glued, is_wide = is_joined(text, start), False
    for index in range(first, min(first + CARD_MAX, len(groups))):
        begin, end = groups[index]
        length = offsets[index + 1] - offset
        if length > CARD_MAX or begin - before > _GAP_ALL_MAX:
            break
        if index > first and not is_wide:
            is_wide = begin - before > 1 or text[before] in _WIDE
        if is_wide and len(_UNSEEN.sub("", text[before:begin])) > _GAP_MAX:
            break
        before = end
        if length < _LEAST:
            continue
        is_within = is_glued or is_word(text[end : end + 1])
        if (
            length >= CARD_MIN
            and digits[offset] in "23456"
            and (not (is_within or is_wide) or _is_printed(text, groups, first, index))
            and is_card(digits[offset : offset + length])
        ):
            best = start, end, "card"
        elif is_within or is_wide:
            continue
        elif (length, index - first + 1) in _SHAPES and _is_national(
            text, groups[first : index + 1], digits[offset : offset + length]
        ):
            best = start, end, "national_id"
    return best


def _is_national(text: str, groups: Sequence[tuple[int, int]], digits: str) -> bool:
    sizes = tuple([end - start for start, end in groups])
    if sizes not in _NATIONAL[len(digits)]:
        return False
    between = {text[end] for _, end in groups[:-1]}
    start, end = groups[0][0], groups[-1][1]
    # A part of a longer number that is written in the same way is not a number of its own.
    if between and (text[start - 1 : start] in between or _goes_on(text, end, between)):
        return False
    match len(digits):
        case 9:
            said = _SSN_SAID.search(text, max(start - _SAID_WITHIN, 0), start) is not None
            return (said or between == {"-"}) and is_ssn(digits[:3], digits[3:5], digits[5:])
        case 11 if sizes == (3, 3, 3, 2):
            return between == {".", "-"} and is_cpf(digits)
        case length:
            return _CHECKS[length](digits)


def _goes_on(text: str, end: int, between: set[str]) -> bool:
    return text[end : end + 1] in between and text[end + 1 : end + 2].isdigit()


def _is_printed(text: str, groups: Sequence[tuple[int, int]], first: int, last: int) -> bool:
    """Whether these groups are a card's, and no part of a longer list of such groups."""
    sizes = tuple([end - start for start, end in groups[first : last + 1]])
    if len(sizes) == 1:
        return True
    if sizes[:-1] != (4,) * (len(sizes) - 1) and sizes not in _AMERICAN:
        return False
    if sizes[-1] > 4 and sizes not in _AMERICAN:
        return False
    gap = text[groups[first][1] : groups[first + 1][0]]
    for one, next_ in ((first - 1, first), (last, last + 1)):
        if one >= 0 and next_ < len(groups):
            other = groups[one] if one < first else groups[next_]
            is_same = text[groups[one][1] : groups[next_][0]] == gap
            if is_same and other[1] - other[0] == 4:
                return False
    return True
