"""Runs of digits: a text's numbers as they are written, in groups, with what stands between them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from deployments.privacy.spelling import INVISIBLE, is_word

BLANKS = " \u00a0\u2000-\u200a\u202f\u3000"
"""Blanks within a line, as the inside of a character class."""
BETWEEN = rf"{BLANKS}\t\r\n,_*.()/\u2010-\u2015\u2212{INVISIBLE}-"
"""What people put between groups of digits, as the inside of a character class."""
# In JSON a line's end is a backslash and a letter.
_RUN = re.compile(rf"\d(?:[\d{BETWEEN}]++|\\[nrt])*+")
_GROUP = re.compile(r"\d+")

LEAST = 7
"""Digits of the shortest number that is anybody's: a telephone number without its area."""


class Run(NamedTuple):
    """All digits of a run; where each group begins and ends in the text, and begins among the digits."""

    digits: str
    groups: Sequence[tuple[int, int]]
    offsets: Sequence[int]


def runs(text: str) -> list[Run]:
    """The runs that have digits enough for something."""
    found = []
    for run in _RUN.finditer(text):
        start, end = run.span()
        if end - start < LEAST:
            continue
        groups = [group.span() for group in _GROUP.finditer(text, start, end)]
        offsets = [0]
        for begin, stop in groups:
            offsets.append(offsets[-1] + stop - begin)
        if offsets[-1] >= LEAST:
            digits = "".join([text[begin:stop] for begin, stop in groups])
            if not digits.isascii():  # of another script: the same number
                digits = "".join(str(int(c)) for c in digits)
            found.append(Run(digits, groups, offsets))
    return found


def is_joined(text: str, at: int) -> bool:
    """Whether what begins at `at` is the end of a longer word."""
    if at == 0 or not is_word(text[at - 1]):
        return False
    # In JSON a line's end is written as a backslash and a letter, which is no letter of a word.
    return not (text[at - 1] in "nrt" and text[at - 2 : at - 1] == "\\")


def sizes_of(text: str) -> list[int]:
    """How many digits each group of a text has."""
    return [len(group) for group in _GROUP.findall(text)]
