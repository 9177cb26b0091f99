"""The YAML between two `---` lines at the top of an article: who wrote it for whom, and about what."""

from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

import yaml

from actors.knowledge.document import AUDIENCES, Audience
from routing.errors import ConfigError

_FENCE = "---"
TEXTS = ("id", "title", "category", "audience", "updated", "url")
LISTS = ("related", "tags")
# What names and dates need is a few hundred bytes; PyYAML takes a second for a megabyte.
_BYTES_MAX = 16_384


@dataclass(frozen=True, slots=True)
class Field:
    """A key's text or texts, and the line it stands on."""

    texts: tuple[str, ...]
    line: int


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What an article says of itself. `strange` are keys that mean nothing here, by line."""

    where: str
    fields: dict[str, Field]
    strange: dict[str, int]
    body: str
    body_line: int

    def text(self, name: str) -> str | None:
        """What a key says; None if it is not there."""
        return self.fields[name].texts[0] if name in self.fields else None

    def texts(self, name: str) -> tuple[str, ...]:
        """What a key lists; nothing if it is not there."""
        return self.fields[name].texts if name in self.fields else ()

    def audience(self) -> Audience | None:
        """Whom it is for; None if it does not say.

        Raises:
            ConfigError: it says something else than one of the audiences.
        """
        if "audience" not in self.fields:
            return None
        for audience in AUDIENCES:
            if self.fields["audience"].texts[0] == audience:
                return audience
        # No default: an article whose audience is misspelt must not become public.
        raise self.error("audience", f"must be one of {', '.join(AUDIENCES)}")

    def updated(self) -> date | None:
        """When its author changed it last; raises ConfigError where that is no date."""
        text = self.text("updated")
        if text is None:
            return None
        try:
            return date.fromisoformat(text)
        except ValueError as error:
            raise self.error("updated", "must be a date: YYYY-MM-DD") from error

    def error(self, name: str, message: str) -> ConfigError:
        """An error at a key, or at the top if it is not there."""
        line = self.fields[name].line if name in self.fields else 1
        return ConfigError(self.where, line, name, message)

    def refuse_misspelt(self) -> None:
        """Raise ConfigError if a key is nearly one of ours.

        Other programs' keys are let pass; a misspelt `audience` would show to customers what
        was not written for them.
        """
        for name, line in self.strange.items():
            if near := get_close_matches(name.lower(), (*TEXTS, *LISTS), 1, 0.75):
                message = f"is not a key of an article; is {near[0]} meant?"
                raise ConfigError(self.where, line, name, message)


def read_front_matter(where: str, text: str) -> FrontMatter:
    """The article's front matter and its body; without a `---` in the first line it has none.

    Raises:
        ConfigError: it is never closed, is no YAML, or a key of ours says something else
            than a text or a list.
    """
    lines = text.splitlines()
    if not lines or lines[0].rstrip() != _FENCE:
        return FrontMatter(where, {}, {}, text, 1)
    ends = (number for number, line in enumerate(lines[1:], 1) if line.rstrip() == _FENCE)
    end = next(ends, None)
    if end is None:
        raise ConfigError(where, 1, "", f"front matter must end with a line of {_FENCE}")
    fields, strange = _fields(where, "\n".join(lines[1:end]))
    return FrontMatter(where, fields, strange, "\n".join(lines[end + 1 :]).strip(), end + 2)


def _fields(where: str, front_matter: str) -> tuple[dict[str, Field], dict[str, int]]:
    root = _compose(where, front_matter)
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(where, 2, "", "front matter must be `key: value` lines")
    fields: dict[str, Field] = {}
    strange: dict[str, int] = {}
    for key, value in root.value:
        name, line = str(key.value), key.start_mark.line + 2
        if name not in TEXTS and name not in LISTS:
            strange[name] = line
            continue
        if name in fields:
            raise ConfigError(where, line, name, "is said twice")
        fields[name] = Field(_texts(where, name, value, line), line)
    return fields, strange


def _compose(where: str, front_matter: str) -> yaml.Node | None:
    if len(front_matter.encode()) > _BYTES_MAX:
        raise ConfigError(where, 1, "", f"front matter is larger than {_BYTES_MAX // 1024} KiB")
    try:
        # Nodes, not values: they know their lines, and leave 2026-11-10 and "no" alone.
        return yaml.compose(front_matter, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        # Lines count from 0 and the opening fence is one more.
        line = error.problem_mark.line + 2 if error.problem_mark else 1
        raise ConfigError(where, line, "", str(error.problem)) from error
    except yaml.YAMLError as error:
        raise ConfigError(where, 1, "", "front matter holds a control character") from error
    except RecursionError as error:
        raise ConfigError(where, 1, "", "front matter is nested too deep") from error


def _texts(where: str, name: str, node: yaml.Node, line: int) -> tuple[str, ...]:
    if name in LISTS:
        if isinstance(node, yaml.SequenceNode) and all(
            isinstance(item, yaml.ScalarNode) for item in node.value
        ):
            return tuple(str(item.value) for item in node.value)
        raise ConfigError(where, line, name, "must be a list of words: [a, b]")
    if isinstance(node, yaml.ScalarNode) and node.value:
        return (str(node.value),)
    raise ConfigError(where, line, name, "must be one text")
