"""Where a call's arguments come from: pure.

A model that has read a poisoned page may be led to call a tool, but what it passes to one that
changes something must have been said by the customer or stand in the company's own records. What
nobody but an outsider has said is refused, whoever would confirm it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import islice
from typing import Literal

from deployments.mcp_gateway.tool import SEPARATOR, Trust
from routing.message import Json, JsonObject

Origin = Literal["user", "own", "untrusted", "model"]
"""Who said it first; `model` is whatever nobody has said: a summary, a sum, a guess."""

VALUES_MAX = 64
"""Values of one call that are looked up: on the event loop, each in up to 96 KiB of what tools said."""

_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"\d+(?:[,_]\d{3})*(?:\.\d+)?")
# What points at something: an account, an address, a link. Plain words point at nothing.
_POINTS = re.compile(r"[@/\d]")
_EDGES = ".,;:!?()[]{}<>\"'`"


@dataclass(frozen=True, slots=True)
class Sources:
    """The texts of a conversation by who wrote them."""

    user: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    untrusted: tuple[str, ...] = ()

    def and_own(self, text: str) -> "Sources":
        """With one more text of our own records."""
        return Sources(self.user, (*self.own, text), self.untrusted)

    def and_untrusted(self, text: str) -> "Sources":
        """With one more text that others wrote."""
        return Sources(self.user, self.own, (*self.untrusted, text))


def origins(arguments: JsonObject, schema: JsonObject, sources: Sources) -> dict[str, Origin]:
    """Where every argument comes from, by its JSON pointer.

    A choice among the words of the schema is the model's: the words are ours.
    """
    said = _Said(sources)
    return {where: said.origin(value) for where, value in _leaves(arguments, schema, "")}


def only_untrusted(arguments: JsonObject, schema: JsonObject, sources: Sources) -> tuple[str, ...]:
    """The pointers of arguments that stand in untrusted text and nowhere else.

    Of more than VALUES_MAX values none is looked up, and all count as one that does.
    """
    if not sources.untrusted:
        return ()
    if next(islice(_leaves(arguments, schema, ""), VALUES_MAX, None), None) is not None:
        return (f"one of more than {VALUES_MAX} values",)
    found = origins(arguments, schema, sources)
    return tuple(where for where, origin in found.items() if origin == "untrusted")


def voice_of(name: str, trust: Trust) -> Literal["own", "untrusted", "quoted"]:
    """Whose words a tool's result is: our records', an outsider's, or what we only pass on.

    Records vouch for arguments. What is passed on does not: a customer's remembered words. What
    knowledge holds may be a page of anybody's, and its results do not say which.
    """
    server = name.partition(SEPARATOR)[0]
    if trust == "untrusted" or server == "knowledge":
        return "untrusted"
    return "own" if server == "tools" else "quoted"


class _Said:
    def __init__(self, sources: Sources) -> None:
        self._texts: tuple[tuple[Origin, list[_Text]], ...] = (
            ("user", [_Text(text) for text in sources.user]),
            ("own", [_Text(text) for text in sources.own]),
            ("untrusted", [_Text(text) for text in sources.untrusted]),
        )

    def origin(self, value: str | Decimal) -> Origin:
        parts = [value] if isinstance(value, Decimal) else _pointing(value)
        found = [self._first(part) for part in parts]
        # One part of a sentence that only an outsider has said makes all of it theirs.
        for origin in ("untrusted", "model", "own", "user"):
            if origin in found:
                return origin
        return "model"

    def _first(self, part: str | Decimal) -> Origin:
        for origin, texts in self._texts:
            if any(text.holds(part) for text in texts):
                return origin
        return "model"


class _Text:
    def __init__(self, text: str) -> None:
        self._plain = _plain(text)

    @cached_property
    def _numbers(self) -> frozenset[Decimal]:
        """Read once, and not again for each number that is looked for."""
        return frozenset(_numbers(self._plain))

    def holds(self, part: str | Decimal) -> bool:
        if isinstance(part, Decimal):
            return part in self._numbers
        text = self._plain
        start = text.find(part)
        while start >= 0:
            end = start + len(part)
            if not (_joins(text, start - 1) and part[0].isalnum()) and not (
                _joins(text, end) and part[-1].isalnum()
            ):
                return True
            start = text.find(part, start + 1)
        return False


def _leaves(value: Json, schema: JsonObject, where: str) -> Iterator[tuple[str, str | Decimal]]:
    if _chosen(value, schema):
        return
    match value:
        case bool() | None:
            return
        case str():
            yield where, value
        case int() | float():
            yield where, Decimal(str(value))
        case Mapping():
            properties = schema.get("properties")
            for name, one in value.items():
                of = properties.get(name) if isinstance(properties, Mapping) else None
                below = f"{where}/{name.replace('~', '~0').replace('/', '~1')}"
                yield from _leaves(one, of if isinstance(of, Mapping) else {}, below)
                if not isinstance(properties, Mapping) or name not in properties:
                    yield below, name  # a name that the schema does not give was made up as well
        case Sequence():
            of = schema.get("items")
            for index, one in enumerate(value):
                yield from _leaves(one, of if isinstance(of, Mapping) else {}, f"{where}/{index}")


def _chosen(value: Json, schema: JsonObject) -> bool:
    choices = schema.get("enum")
    return isinstance(choices, Sequence) and not isinstance(choices, str) and value in choices


def _pointing(text: str) -> list[str]:
    """The whole where it is one word or name, else the words in it that point at something."""
    plain = _plain(text)
    words = [word.strip(_EDGES) for word in plain.split(" ")]
    if len(words) <= 3:
        return [plain] if plain else []
    return [word for word in words if _POINTS.search(word)]


def _joins(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at].isalnum()


def _numbers(text: str) -> Iterator[Decimal]:
    for found in _NUMBER.finditer(text):
        try:
            yield Decimal(found.group().replace(",", "").replace("_", ""))
        except InvalidOperation:  # digits of a script that Decimal does not read
            continue


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text).strip().casefold()
