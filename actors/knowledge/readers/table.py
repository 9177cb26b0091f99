"""CSV: each row is a document, by a mapping of columns that the person ingesting states."""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping

from actors.knowledge.document import AUDIENCES, Audience
from actors.knowledge.draft import MIB, Columns, Draft, Read, Section, SourceFile, text_of
from routing.errors import ConfigError

BYTES_MAX = 64 * MIB
# With 64 MiB a row of it is 640 bytes: more rows than that are no articles.
ROWS_MAX = 100_000

PARTS = ("id", "title", "text", "audience", "category", "tags", "url", "updated")
"""What a column may be of a document; `text` may be several columns, each under its name."""

_DELIMITERS = (",", ";", "\t")


def read(file: SourceFile, columns: Columns) -> Read:
    """The documents of the rows, and what is wrong with those that cannot be meant."""
    try:
        text = text_of(file, BYTES_MAX)
        delimiter = _delimiter(file.where, text, columns)
    except ConfigError as error:
        yield error
        return
    for line, row in _rows(text, delimiter):
        if line > ROWS_MAX:
            yield ConfigError(file.where, line, "", f"holds more than {ROWS_MAX} rows; split it")
            return
        try:
            yield _draft(file, line, row, columns)
        except ConfigError as error:
            yield error


def _delimiter(where: str, text: str, columns: Columns) -> str:
    if "text" not in {part for part, _ in columns}:
        there = ", ".join(_header(text, ",")[:20])
        message = f"say which column is the text: --column text=NAME; the first line has {there}"
        raise ConfigError(where, 1, "", message)
    for delimiter in _DELIMITERS:
        header = _header(text, delimiter)
        if all(name in header for _, name in columns):
            if twice := [name for _, name in columns if header.count(name) > 1]:
                raise ConfigError(where, 1, twice[0], "is the name of two columns")
            return delimiter
    header = _header(text, ",")
    missing = next((name for _, name in columns if name not in header), "")
    raise ConfigError(where, 1, missing, f"is no column; there are {', '.join(header[:20])}")


def _header(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, Mapping[str, str] | str]]:
    """Each row by its columns' names, or why it is none, with the line it begins on."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = next(reader)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"is no row: {error}"
            continue
        if not any(cells):
            continue
        if len(cells) != len(header):
            yield line, f"has {len(cells)} cells, not {len(header)}"
            continue
        yield line, dict(zip(header, cells, strict=True))


def _draft(file: SourceFile, line: int, row: Mapping[str, str] | str, columns: Columns) -> Draft:
    if isinstance(row, str):
        raise ConfigError(file.where, line, "", row)
    said = {part: row[name].strip() for part, name in columns if part != "text"}
    texts = [(name, row[name].strip()) for part, name in columns if part == "text"]
    if not any(text for _, text in texts):
        raise ConfigError(file.where, line, texts[0][0], "is empty")
    alone = len(texts) == 1
    title = said.get("title") or texts[0][1].partition("\n")[0][:80]
    digest = hashlib.sha256(f"{title}\0{texts}".encode()).hexdigest()[:16]
    return Draft(
        title=title,
        sections=tuple(Section("" if alone else name, text) for name, text in texts),
        id=said.get("id") or None,
        key=digest,
        audience=_audience(file.where, line, said.get("audience", ""), columns),
        category=said.get("category", ""),
        tags=tuple(
            tag.strip() for tag in said.get("tags", "").replace(";", ",").split(",") if tag.strip()
        ),
        url=said.get("url") or None,
        updated=said.get("updated") or None,
        line=line,
    )


def _audience(where: str, line: int, word: str, columns: Columns) -> Audience | None:
    if not word:
        return None
    for audience in AUDIENCES:
        if word == audience:
            return audience
    name = dict(columns)["audience"]
    raise ConfigError(where, line, name, f"must be one of {', '.join(AUDIENCES)}")
