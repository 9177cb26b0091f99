"""Markdown, with our front matter or without any. Headings in code are code."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from actors.knowledge.draft import MIB, Draft, Read, Section, SourceFile, text_of
from actors.knowledge.front_matter import read_front_matter
from routing.errors import ConfigError

# What people write by hand: the longest page of any documentation is below 1 MiB.
BYTES_MAX = 4 * MIB

# Deliberately simple: a space after the marks, up to three before them, closing marks dropped.
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(\S.*?)[ \t]*#*[ \t]*")
_CODE = re.compile(r" {0,3}(`{3,}|~{3,})")
_MARKS = re.compile(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")


def read(file: SourceFile) -> Read:
    """The article in the file, or what is wrong with it."""
    try:
        front = read_front_matter(file.where, text_of(file, BYTES_MAX))
        front.refuse_misspelt()
        name, sections = sections_of(front.body)
        title = front.text("title") or name or PurePosixPath(file.path).stem.replace("-", " ")
        updated = front.updated()
        yield Draft(
            title=title,
            sections=sections,
            id=front.text("id"),
            audience=front.audience(),
            category=front.text("category") or "",
            tags=front.texts("tags"),
            related=front.texts("related"),
            url=front.text("url") or file.url,
            updated=None if updated is None else updated.isoformat(),
            line=front.body_line,
        )
    except ConfigError as error:
        yield error


def sections_of(text: str) -> tuple[str | None, tuple[Section, ...]]:
    """The document's only heading of the first level, and its text by headings."""
    sections = list(_sections(text.splitlines()))
    top = {trail[0] for trail, _ in sections if trail[0]}
    name = top.pop() if len(top) == 1 else None
    return name, tuple(
        Section(" > ".join(heading for heading in trail[name is not None :] if heading), body)
        for trail, body in sections
    )


def _sections(lines: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Text with the headings it stands under, one of each level, empty where there is none."""
    trail = [""] * 6
    body: list[str] = []
    fence = ""
    for line in lines:
        code = _CODE.match(line)
        if code and (not fence or _closes(line, fence)):
            fence = "" if fence else code[1]
        heading = None if fence else _HEADING.fullmatch(line)
        if heading is None:
            body.append(line)
            continue
        yield tuple(trail), "\n".join(body).strip()
        level = len(heading[1])
        trail[level - 1 :] = [_MARKS.sub("", heading[2]), *[""] * (6 - level)]
        body = []
    yield tuple(trail), "\n".join(body).strip()


def _closes(line: str, fence: str) -> bool:
    marks = line.strip()
    return marks.startswith(fence) and not marks.strip(fence[0])
