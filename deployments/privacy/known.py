"""What is known of one customer: their own record's names, addresses and account, found to the letter."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple
from unicodedata import is_normalized, normalize

from config.privacy import Kind
from deployments.privacy.find import Span
from deployments.privacy.spelling import UNSPACED, WORD, is_unspaced, pattern_of, plain

# A whole word, where its script has spaces; in JSON a line's end or a letter before it looks like one of it.
_LEFT = rf"(?:(?<!{WORD})|(?=[{UNSPACED}])|(?<=\\[nrt])|(?<=\\u[0-9A-Fa-f]{{4}}))"
_RIGHT = rf"(?:(?!{WORD})|(?<=[{UNSPACED}]))"
VALUE_MIN = 3
"""Characters of a value that is looked for; shorter ones stand in half of all words."""
UNSPACED_MIN = 2
"""The same of a value in Chinese or Japanese, where two are a whole name."""
VALUES_MAX = 64
"""Values of one record: more is no record of one customer."""
NAME_WORDS = range(2, 4)
"""Words of a name that is looked for by each of them: more are a company's."""

_CHUNK = re.compile(r"[^\W_]+")
_PART = re.compile(r"[^\W\d_]+(?:['\u2019\u02bc\u2010\u2011-][^\W\d_]+)*")


class Fact(NamedTuple):
    """One value of the customer's record."""

    kind: Kind
    value: str


class Known:
    """Finds a customer's own values: whole words, in capitals or not, however they are spelled.

    A name of two or three words is found by each of them as well, written with a capital: so people
    sign. Initials and titles with a dot are not counted.
    """

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        told = [fact for fact in facts if _is_long(fact.value.strip())][:VALUES_MAX]
        self.facts: Sequence[Fact] = told
        self._kinds: dict[str, Kind] = {}
        patterns: list[str] = []
        # The longest first: a part of a value is not to be found before the whole.
        for kind, value in sorted(told, key=lambda fact: -len(fact.value)):
            self._kinds.setdefault(_key(value), kind)
            patterns.append(f"(?i:{_spaced(value.split())})")
        parts = {part for fact in told for part in _parts(fact)}
        for part in sorted(parts, key=lambda part: (-len(part), part)):
            self._kinds.setdefault(_key(part), "name")
            patterns.append(pattern_of(part))
        self._firsts = {_chunk(value) for value in (*(fact.value for fact in told), *parts)}
        self._pattern = re.compile(f"{_LEFT}(?:{'|'.join(patterns)}){_RIGHT}") if patterns else None

    def find(self, text: str) -> Sequence[Span]:
        """Where they stand, in the text's order and without an overlap."""
        if self._pattern is None:
            return ()
        # Most texts have none of them, and this tells in a tenth of the time.
        if "\\u" not in text and is_normalized("NFC", text):
            folded = text.casefold()
            if not any(first in folded for first in self._firsts):
                return ()
        return [
            Span(*found.span(), self._kinds.get(_key(found[0]), "name"))
            for found in self._pattern.finditer(text)
        ]


NOBODY = Known()
"""Of whom nothing is known."""


def _is_long(value: str) -> bool:
    return len(value) >= (UNSPACED_MIN if is_unspaced(value) else VALUE_MIN)


def _spaced(words: Sequence[str]) -> str:
    """A pattern of words with whatever space is between them; none, where their script has none."""
    out = pattern_of(words[0])
    for before, word in pairwise(words):
        has_spaces = not (is_unspaced(before) and is_unspaced(word))
        out += (r"\s+" if has_spaces else r"\s*") + pattern_of(word)
    return out


def _parts(fact: Fact) -> Sequence[str]:
    words = [word.strip(',;()"') for word in normalize("NFC", fact.value).split()]
    words = [word for word in words if not word.endswith(".")]
    if fact.kind != "name" or len(words) not in NAME_WORDS:
        return ()
    named = [word for word in words if _PART.fullmatch(word) is not None]
    # Of `Anna-Lena` each half is a name as well.
    halves = [half for word in named for half in re.split("[-\u2010\u2011]", word)]
    return [word[0].upper() + word[1:] for word in (*named, *halves) if _is_long(word)]


def _chunk(value: str) -> str:
    """Something that stands in every text with the value, however its signs are typed."""
    first = value.split(maxsplit=1)[0]
    if first.isascii() and not {"'", "-"} & set(first):
        return first.casefold()
    chunks = _CHUNK.findall(normalize("NFC", first))
    return max(chunks, key=len).casefold() if chunks else ""


def _key(text: str) -> str:
    folded = plain(text).replace(" ", "")
    return re.sub("[\u2019\u02bc`]", "'", re.sub("[\u2010\u2011]", "-", folded))
