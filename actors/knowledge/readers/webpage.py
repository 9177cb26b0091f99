"""HTML: what a person would read of a page, by its headings. Nothing it links to is fetched."""

import re
from pathlib import PurePosixPath

from inscriptis import Inscriptis  # type: ignore[import-untyped]
from lxml import etree, html  # type: ignore[import-untyped]

from actors.knowledge.draft import MIB, Draft, Read, Section, SourceFile, clean_line, content_of
from routing.errors import ConfigError

# The largest pages of manuals are some MiB; libxml2 needs ten times that in memory.
BYTES_MAX = 16 * MIB

# What is on every page of a site and says nothing about this one.
_FURNITURE = ("script", "style", "template", "noscript", "nav", "footer", "svg", "iframe")
# No page holds it: it marks a heading on its way through the renderer.
_MARK = "\u2063"
_LEVEL = re.compile(rf"\s*{_MARK}([1-6])(.*)")


def read(file: SourceFile) -> Read:
    """The page in the file, or what is wrong with it."""
    try:
        yield _page(file)
    except ConfigError as error:
        yield error


def _page(file: SourceFile) -> Draft:
    root = parse(file.where, content_of(file, BYTES_MAX), file.charset)
    title = clean_line(root.findtext(".//title") or "")
    for element in list(root.iter(*_FURNITURE)):
        element.drop_tree()
    for level in range(1, 7):
        for heading in list(root.iter(f"h{level}")):
            words = clean_line(str(heading.text_content())).replace(_MARK, "")
            tail = heading.tail
            heading.clear()
            heading.tail = tail
            heading.text = f"{_MARK}{level}{words}" if words else ""
    name, sections = _sections(rendered(root))
    stem = PurePosixPath(file.path).stem.replace("-", " ")
    return Draft(title=name or title or stem, sections=sections, url=file.url)


def parse(where: str, content: bytes, charset: str | None) -> html.HtmlElement:
    """The page's tree.

    Raises:
        ConfigError: it is empty, or nested deeper than libxml2 follows (255 elements).
    """
    try:
        parser = html.HTMLParser(encoding=charset, remove_comments=True, remove_pis=True)
        root: html.HtmlElement = html.document_fromstring(content, parser=parser)
    except LookupError as error:
        raise ConfigError(where, None, "", f"is in an unknown charset, {charset}") from error
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise ConfigError(where, None, "", "holds no page") from error
    # What is deeper is left out without a word, so a page of which that is true is refused.
    for entry in parser.error_log:
        if entry.type == etree.ErrorTypes.ERR_RESOURCE_LIMIT or "depth" in entry.message:
            raise ConfigError(where, entry.line, "", "is nested too deep for a page")
    return root


def rendered(root: html.HtmlElement) -> str:
    """The tree as plain text."""
    return str(Inscriptis(root).get_text())


def _sections(text: str) -> tuple[str | None, tuple[Section, ...]]:
    """The first heading of the first level, and the text by headings."""
    name: str | None = None
    trail = [""] * 6
    sections: list[Section] = []
    body: list[str] = []

    def close() -> None:
        said = "\n".join(body).strip()
        body.clear()
        if said:
            sections.append(Section(" > ".join(filter(None, trail)), said))

    for line in text.splitlines():
        found = _LEVEL.fullmatch(line)
        if found is None:
            body.append(line.rstrip().replace(_MARK, ""))
            continue
        close()
        level, words = int(found[1]), found[2].strip()
        if level == 1 and name is None:
            # The page's own name: it would stand before every other heading.
            name, words = words, ""
        trail[level - 1 :] = [words, *[""] * (6 - level)]
    close()
    return name, tuple(sections)
