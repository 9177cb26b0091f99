"""Cut a document into passages: by its structure first, then by size.

A passage is what is found, quoted and paid for. A short document is one passage, because
its second section answers little without the first; a long one is cut at its headings, and
what is still too long at its paragraphs, then at its sentences.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from actors.database.knowledge_rows import NewPassage
from actors.knowledge.document import WHOLE_MAX
from actors.knowledge.draft import Section

# 2 million characters of 1,600 each; a table of contents of one-line sections has more.
PASSAGES_MAX = 5_000

_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")


def chunk(sections: Sequence[Section]) -> tuple[NewPassage, ...]:
    """The passages of a document, in its order, none of them empty or over `WHOLE_MAX` characters."""
    full = [section for section in sections if section.text]
    whole = "\n\n".join(
        f"{_own(section)}\n\n{section.text}" if section.heading else section.text
        for section in full
    )
    if len(whole) <= WHOLE_MAX:
        return (NewPassage("", whole),) if whole else ()
    return tuple(
        NewPassage(section.heading, text) for section in full for text in _pieces(section.text)
    )


def _own(section: Section) -> str:
    return section.heading.rpartition(" > ")[2]


def _pieces(text: str) -> Iterator[str]:
    if len(text) <= WHOLE_MAX:
        yield text
        return
    paragraphs = _PARAGRAPH.split(text)
    yield from _packed(
        (
            piece
            for paragraph in paragraphs
            for piece in ([paragraph] if len(paragraph) <= WHOLE_MAX else _cut(paragraph))
        ),
        "\n\n",
    )


def _cut(paragraph: str) -> Iterator[str]:
    """Sentences together up to the size; one that is longer is cut at spaces, or anywhere."""
    yield from _packed(
        (
            piece
            for sentence in _SENTENCE.split(paragraph)
            for piece in ([sentence] if len(sentence) <= WHOLE_MAX else _slices(sentence))
        ),
        " ",
    )


def _slices(text: str) -> Iterator[str]:
    while len(text) > WHOLE_MAX:
        space = text.rfind(" ", WHOLE_MAX // 2, WHOLE_MAX)
        end = space if space > 0 else WHOLE_MAX
        yield text[:end].strip()
        text = text[end:].strip()
    yield text


def _packed(pieces: Iterable[str], between: str) -> Iterator[str]:
    held = ""
    for piece in pieces:
        if not piece:
            continue
        if held and len(held) + len(between) + len(piece) > WHOLE_MAX:
            yield held
            held = piece
        else:
            held = f"{held}{between}{piece}" if held else piece
    if held:
        yield held
