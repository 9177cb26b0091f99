"""What a reader makes of a file: drafts of documents, before anybody has decided who may read them."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

from actors.knowledge.document import Audience
from routing.errors import ConfigError

MIB = 1024 * 1024
# The longest book in print is 3 million characters: a document beyond two is a dump of something.
DOCUMENT_CHARACTERS_MAX = 2_000_000
TITLE_MAX = 300
ID_MAX = 300

# PostgreSQL keeps no NUL, terminals obey the others, and half a surrogate pair is no text at all.
_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029\ud800-\udfff\ufeff]")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source. `where` names it to people, `path` in its source, with slashes.

    `suffix` says what it is (".md"); `charset` is what a server said of its text, if one did.
    """

    where: str
    path: str
    suffix: str
    open: Callable[[], BinaryIO]
    url: str | None = None
    charset: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Text and the headings it stands under, outermost first, as `A > B`; empty at the top."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A document as its author wrote it; None where the author said nothing.

    `line` is where it begins in its file, `key` what distinguishes it from others of the file.
    """

    title: str
    sections: tuple[Section, ...]
    id: str | None = None
    key: str = ""
    audience: Audience | None = None
    category: str = ""
    tags: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    url: str | None = None
    updated: str | None = None
    line: int | None = None


Read: TypeAlias = Iterator[Draft | ConfigError]
"""What a reader yields: documents, and what is wrong with those that cannot be meant."""

Columns: TypeAlias = tuple[tuple[str, str], ...]
"""Which column of a table is what of a document: `("title", "Question")`."""


def content_of(file: SourceFile, at_most: int) -> bytes:
    """Everything in the file.

    Raises:
        ConfigError: it is larger than `at_most` bytes.
        OSError: it cannot be read.
    """
    with file.open() as stream:
        content = stream.read(at_most + 1)
    if len(content) > at_most:
        raise ConfigError(file.where, None, "", f"is larger than {at_most // MIB} MiB")
    return content


def text_of(file: SourceFile, at_most: int) -> str:
    """Everything in the file, as text.

    Raises:
        ConfigError: it is larger than `at_most` bytes, or not text.
        OSError: it cannot be read.
    """
    content = content_of(file, at_most)
    charset = file.charset or "utf-8-sig"
    try:
        return content.decode(charset)
    except LookupError as error:
        raise ConfigError(file.where, None, "", f"is in an unknown charset, {charset}") from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        name = "UTF-8" if charset == "utf-8-sig" else charset
        raise ConfigError(file.where, line, "", f"is not {name}; save it as UTF-8") from error


def clean(text: str) -> str:
    """`text` with plain line ends and without characters that no text has."""
    return _UNFIT.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def clean_line(text: str) -> str:
    """The same in one line, each gap one space."""
    return " ".join(clean(text).split())
