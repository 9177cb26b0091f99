"""Cuts long texts where no name is likely to stand, and what a language model found to what a name is."""

import re
from collections.abc import Iterator

PIECE_MAX = 2_000
"""Characters that are read at once: 40 ms of a small pipeline, so that texts can be read by turns. It is
more than most messages have, and three times what tells a pipeline whether a word is a name."""

_ENDS = (re.compile(r"\n\s*\n"), re.compile(r"[.!?]\s|\n"), re.compile(r"\s"))
_LINE = re.compile(r"[^\r\n\t]+")
_LETTER = re.compile(r"[^\W\d_]")
# A number, an order, an account's id: our own finders know those that are anybody's.
_DIGIT = re.compile(r"\d")


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """Where each piece begins, and the piece: at a paragraph's end if there is one, or a sentence's, or a word's."""
    begin = 0
    while len(text) - begin > PIECE_MAX:
        end = _end(text, begin)
        yield begin, text[begin:end]
        begin = end
    yield begin, text[begin:]


def is_prose(text: str) -> bool:
    """Whether a name may stand in it: not in one word in small letters, or with a digit, or of signs.

    Those are keys, states and numbers, and a tool's answer has hundreds of them.
    """
    word = text.strip()
    if not word.isascii() or len(word.split(maxsplit=1)) > 1:
        return True
    return word != word.lower() and _DIGIT.search(word) is None


def trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Of what was taken for a name, the names: line by line, without the signs around them."""
    for line in _LINE.finditer(text, start, end):
        letters = [found.start() for found in _LETTER.finditer(text, *line.span())]
        if len(letters) > 1 and _DIGIT.search(text, *line.span()) is None:
            first, last = letters[0], letters[-1] + 1
            # Marks that stand behind their letter are of it.
            while last < line.end() and not text[last].isspace() and _is_mark(text[last]):
                last += 1
            yield first, last


def _end(text: str, begin: int) -> int:
    most = begin + PIECE_MAX
    for pattern in _ENDS:
        ends = [found.end() for found in pattern.finditer(text, begin + PIECE_MAX // 2, most)]
        if ends:
            return ends[-1]
    return most


def _is_mark(character: str) -> bool:
    return "\u0300" <= character <= "\u036f"
