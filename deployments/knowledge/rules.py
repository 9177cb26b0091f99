"""Rules of extraction in a YAML file: what the tenant's documents name, as `config/extraction.yaml` explains."""

from pathlib import Path

import config
from actors.knowledge.extraction import NAMES_MAX, RESERVED, Rule, Rules, problem_of
from config.document import Document, Loc, Value, read_document
from config.problems import ConfigErrors

SHIPPED = Path(config.__file__).parent / "extraction.yaml"
"""The rules for whoever has none of his own."""

_NAME_MAX = 100
_KINDS_MAX = 50


def read_rules(path: Path) -> Rules:
    """The rules in the file.

    Raises:
        ConfigErrors: with every error found, each with file, line and key.
    """
    document = read_document(path)
    rules = _Reader(document).rules()
    if document.errors:
        raise ConfigErrors(document.errors)
    return rules


class _Reader:
    """Turns plain values into rules, and notes what is wrong with them."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def rules(self) -> Rules:
        data = self._document.data
        for key in data.keys() - {"entities", "topics"}:
            self._wrong((key,), "is not a key here; there are entities and topics")
        entities = self._block(("entities",), data.get("entities") or {})
        if len(entities) > _KINDS_MAX:
            self._wrong(("entities",), f"holds more than {_KINDS_MAX} kinds")
        rules = tuple(self._rule(kind, value) for kind, value in entities.items())
        if sum(len(rule.names) for rule in rules) > NAMES_MAX:
            self._wrong(("entities",), f"holds more than {NAMES_MAX} names")
        topics = data.get("topics")
        if topics is None:
            return Rules(rules)
        self._only(("topics",), self._block(("topics",), topics), {"ignore"})
        ignored = self._texts(("topics", "ignore"), topics)
        words = sorted({" ".join(text.casefold().split()) for text in ignored})
        return Rules(rules, topics=True, ignored=tuple(words))

    def _rule(self, kind: str, value: Value) -> Rule:
        loc = ("entities", kind)
        if kind in RESERVED or not kind.isidentifier():
            self._wrong(loc, "is no name of a kind: letters, digits and _, not document or topic")
        block = self._block(loc, value)
        self._only(loc, block, {"names", "patterns"})
        names = self._texts((*loc, "names"), block)
        patterns = self._texts((*loc, "patterns"), block)
        for number, name in enumerate(names):
            if len(name) > _NAME_MAX or not name[:1].isalnum() or name != name.strip():
                message = f"begins with a letter or digit, and has {_NAME_MAX} characters at most"
                self._wrong((*loc, "names", number), message)
        for number, pattern in enumerate(patterns):
            if (problem := problem_of(pattern)) is not None:
                self._wrong((*loc, "patterns", number), problem)
        if not names and not patterns:
            self._wrong(loc, "needs names or patterns")
        return Rule(kind, names, patterns)

    def _texts(self, loc: Loc, block: Value) -> tuple[str, ...]:
        """The words as they are written: 502 is a name too."""
        value = block.get(str(loc[-1])) if isinstance(block, dict) else None
        if value is None:
            return ()
        if not isinstance(value, list):
            self._wrong(loc, "must be a list")
            return ()
        return tuple(self._document.texts.get((*loc, number), "") for number in range(len(value)))

    def _block(self, loc: Loc, value: Value) -> dict[str, Value]:
        if isinstance(value, dict):
            return value
        self._wrong(loc, "must be `key: value` lines")
        return {}

    def _only(self, loc: Loc, block: dict[str, Value], known: set[str]) -> None:
        for key in sorted(block.keys() - known):
            self._wrong((*loc, key), f"is not a key here; there are {', '.join(sorted(known))}")

    def _wrong(self, loc: Loc, message: str) -> None:
        self._document.errors.append(self._document.error(loc, message))
