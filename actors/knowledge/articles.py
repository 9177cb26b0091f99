"""Read a directory of Markdown articles whose front matter says what they are.

Front matter is the YAML between two `---` lines at the top; the format is described in
`config/northwind/articles`. A mistake is refused with the file and line of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from actors.knowledge.document import AUDIENCES, Article, Audience
from routing.errors import ConfigError

_FENCE = "---"
_REQUIRED = ("id", "title", "category", "audience", "updated")
_LISTS = ("related", "tags")


@dataclass(frozen=True, slots=True)
class _Field:
    """A key's text or texts, and the line it stands on."""

    texts: tuple[str, ...]
    line: int


def read_articles(directory: Path) -> tuple[Article, ...]:
    """Every `*.md` under `directory`, in order of id.

    Raises:
        ConfigError: The directory is missing or empty, an article says something that
            cannot be meant, two have the same id, or one is related to an unknown one.
    """
    paths = sorted(directory.rglob("*.md"))
    if not paths:
        raise ConfigError(str(directory), None, "", "holds no articles (*.md)")
    read = [_read(path) for path in paths]
    _check_ids(read)
    return tuple(sorted((article for _, article, _ in read), key=lambda article: article.id))


def _read(path: Path) -> tuple[Path, Article, dict[str, _Field]]:
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), None, "", "is not UTF-8") from error
    if not lines or lines[0].rstrip() != _FENCE or _FENCE not in lines[1:]:
        raise ConfigError(str(path), 1, "", f"must begin with front matter between {_FENCE} lines")
    end = lines.index(_FENCE, 1)
    fields = _fields(path, "\n".join(lines[1:end]))
    article = _article(path, fields, "\n".join(lines[end + 1 :]).strip())
    if not article.body:
        raise ConfigError(str(path), end + 1, "", "has no text below its front matter")
    return path, article, fields


def _fields(path: Path, front_matter: str) -> dict[str, _Field]:
    try:
        # Nodes, not values: they know their lines, and leave 2026-11-10 and "no" alone.
        root = yaml.compose(front_matter, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        # Lines count from 0 and the opening fence is one more.
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise ConfigError(str(path), line, "", str(error.problem)) from error
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(str(path), 2, "", "front matter must be `key: value` lines")
    fields: dict[str, _Field] = {}
    for key, value in root.value:
        name, line = str(key.value), key.start_mark.line + 2
        if name not in _REQUIRED and name not in _LISTS:
            raise ConfigError(str(path), line, name, "is not a key of an article")
        if name in fields:
            raise ConfigError(str(path), line, name, "is said twice")
        fields[name] = _Field(_texts(path, name, value, line), line)
    for name in _REQUIRED:
        if name not in fields:
            raise ConfigError(str(path), 1, name, "is missing from the front matter")
    return fields


def _texts(path: Path, name: str, node: yaml.Node, line: int) -> tuple[str, ...]:
    if name in _LISTS:
        if isinstance(node, yaml.SequenceNode) and all(
            isinstance(item, yaml.ScalarNode) for item in node.value
        ):
            return tuple(str(item.value) for item in node.value)
        raise ConfigError(str(path), line, name, "must be a list of words: [a, b]")
    if isinstance(node, yaml.ScalarNode) and node.value:
        return (str(node.value),)
    raise ConfigError(str(path), line, name, "must be one text")


def _article(path: Path, fields: dict[str, _Field], body: str) -> Article:
    text = {name: field.texts[0] for name, field in fields.items() if name in _REQUIRED}
    try:
        updated = date.fromisoformat(text["updated"])
    except ValueError as error:
        line = fields["updated"].line
        raise ConfigError(str(path), line, "updated", "must be a date: YYYY-MM-DD") from error
    return Article(
        id=text["id"],
        title=text["title"],
        category=text["category"],
        audience=_audience(path, fields["audience"]),
        updated=updated,
        body=body,
        related=fields["related"].texts if "related" in fields else (),
        tags=fields["tags"].texts if "tags" in fields else (),
    )


def _audience(path: Path, field: _Field) -> Audience:
    for audience in AUDIENCES:
        if field.texts[0] == audience:
            return audience
    # No default: an article whose audience is misspelt must not become public.
    raise ConfigError(str(path), field.line, "audience", f"must be one of {', '.join(AUDIENCES)}")


def _check_ids(read: Iterable[tuple[Path, Article, dict[str, _Field]]]) -> None:
    paths: dict[str, Path] = {}
    for path, article, fields in read:
        if article.id in paths:
            line = fields["id"].line
            raise ConfigError(str(path), line, "id", f"is used by {paths[article.id]} too")
        paths[article.id] = path
    for path, article, fields in read:
        for other in article.related:
            if other not in paths:
                line = fields["related"].line
                raise ConfigError(str(path), line, "related", f"no article has the id {other}")
