"""A YAML file as plain values which remember their lines.

A small YAML on purpose: scalars as YAML 1.2's core schema reads them (so `no` is a word and
`12:30` is not 750), no tags, no anchors, every key once, and bounds on size and depth.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml

from routing.errors import ConfigError

Value: TypeAlias = "bool | int | float | str | list[Value] | dict[str, Value] | None"
Loc: TypeAlias = tuple[str | int, ...]

# Our shipped files are under 20 KB; a file of 256 KiB is not a configuration.
_MAX_BYTES = 262_144
# The deepest setting has six levels; PyYAML composes by recursion, so depth must be bounded.
_MAX_DEPTH = 20

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,40}|[0-9]{1,40}(\.[0-9]{0,40})?)([eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, Value] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written; `line` is 1-based."""

    path: str
    line: int


@dataclass(slots=True)
class Document:
    """What the files say so far: values, where each is written, its text, and what is wrong."""

    data: dict[str, Value] = field(default_factory=dict)
    places: dict[Loc, Place] = field(default_factory=dict)
    texts: dict[Loc, str] = field(default_factory=dict)
    errors: list[ConfigError] = field(default_factory=list)

    def place(self, loc: Loc) -> Place | None:
        """Where `loc` is written, or the nearest thing around it."""
        while loc:
            if loc in self.places:
                return self.places[loc]
            loc = loc[:-1]
        return self.places.get(())

    def written(self, loc: Loc) -> Loc:
        """`loc` without what validation added.

        That is the place in a list that is written as its one block, and the mark of a key
        that is wrong itself.
        """
        written: Loc = ()
        for part in loc:
            if (isinstance(part, str) and part != "[key]") or (*written, part) in self.places:
                written = (*written, part)
        return written

    def error(self, loc: Loc, message: str) -> ConfigError:
        """An error at `loc`."""
        place = self.place(loc)
        if place is None:
            return ConfigError("configuration", None, dotted(loc), message)
        return ConfigError(place.path, place.line, dotted(loc), message)


def dotted(loc: Loc) -> str:
    """A location as people write it: platforms.openai.regions[0]."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


def undotted(key: str) -> Loc:
    """The location that `dotted` wrote."""
    parts = re.findall(r"([^.\[\]]+)|\[([0-9]{1,9})\]", key)
    return tuple(name or int(number) for name, number in parts)


def read_document(*files: Path) -> Document:
    """Everything the files say, each top-level section in one place only; never raises."""
    document = Document()
    for path in files:
        try:
            text = _text(path)
            for node in _nodes(str(path), text):
                _add(document, str(path), node)
        except ConfigError as error:
            document.errors.append(error)
    return document


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            str(path),
            None,
            "",
            f"cannot be read: {error.strerror or type(error).__name__}; correct the path",
        ) from None
    if len(content) > _MAX_BYTES:
        raise ConfigError(
            str(path), None, "", f"is larger than {_MAX_BYTES // 1024} KiB; is it the right file?"
        )
    try:
        # -sig: editors on Windows start a file with a byte order mark.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError(str(path), line, "", "is not UTF-8 text; save it as UTF-8") from None


def _nodes(path: str, text: str) -> Iterator[yaml.MappingNode]:
    try:
        _check_bounds(path, text)
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            if isinstance(node, yaml.MappingNode):
                yield node
            elif not (isinstance(node, yaml.ScalarNode) and node.value == ""):
                raise ConfigError(
                    path,
                    _line(node),
                    "",
                    "holds no settings; write `key: value` lines, for example `platforms:`",
                )
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # Only the problem: PyYAML's full text quotes the file, and secrets may be in it.
        problem = error.problem or error.context or "cannot be read"
        raise ConfigError(
            path,
            None if mark is None else mark.line + 1,
            "",
            f"is not YAML here: {problem}; check the indentation, the colons and the quotes",
        ) from None
    except yaml.YAMLError:
        raise ConfigError(
            path, None, "", "holds a control character YAML does not allow; retype that line"
        ) from None


def _check_bounds(path: str, text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        mark = event.start_mark
        line = None if mark is None else mark.line + 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise ConfigError(path, line, "", f"is nested deeper than {_MAX_DEPTH} levels")
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise ConfigError(
                path, line, "", "uses a YAML anchor or alias (& or *); write the value out"
            )
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag:
            raise ConfigError(path, line, "", "uses a YAML tag (!); leave it out")


def _add(document: Document, path: str, node: yaml.MappingNode) -> None:
    document.places.setdefault((), Place(path, _line(node)))
    for key, line, child in _pairs(document, path, node, ()):
        # `_pairs` knows this one mapping; the section may be in another document or file.
        if key in document.data:
            first = document.places[(key,)]
            message = f"this section is already in {first.path}:{first.line}; put both into one"
            document.errors.append(ConfigError(path, line, key, message))
            continue
        document.places[(key,)] = Place(path, line)
        document.data[key] = _value(document, path, child, (key,))


def _pairs(
    document: Document, path: str, node: yaml.MappingNode, loc: Loc
) -> Iterator[tuple[str, int, yaml.Node]]:
    """Each key once, with its line and its value."""
    seen: dict[str, int] = {}
    for key_node, child in node.value:
        line = _line(key_node)
        if not isinstance(key_node, yaml.ScalarNode) or not key_node.value:
            message = "a key here is not a word; write `name: value`"
            document.errors.append(ConfigError(path, line, dotted(loc), message))
            continue
        key: str = key_node.value
        if key in seen:
            message = f"is written twice, first in line {seen[key]}; delete one of them"
            document.errors.append(ConfigError(path, line, dotted((*loc, key)), message))
            continue
        seen[key] = line
        yield key, line, child


def _value(document: Document, path: str, node: yaml.Node, loc: Loc) -> Value:
    if isinstance(node, yaml.MappingNode):
        block: dict[str, Value] = {}
        for key, line, child in _pairs(document, path, node, loc):
            document.places[(*loc, key)] = Place(path, line)
            block[key] = _value(document, path, child, (*loc, key))
        return block
    if isinstance(node, yaml.SequenceNode):
        items: list[Value] = []
        for index, child in enumerate(node.value):
            document.places[(*loc, index)] = Place(path, _line(child))
            items.append(_value(document, path, child, (*loc, index)))
        return items
    if not isinstance(node, yaml.ScalarNode):
        raise TypeError(f"{type(node).__name__} is no node of YAML")
    text: str = node.value
    document.texts[loc] = text
    # A style is a quotation mark or | or >: only plain scalars can be other than text.
    return text if node.style else _plain(text)


def _plain(text: str) -> Value:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
