"""Where a call's arguments come from: pure.

A model that has read a poisoned page may be led to call a tool, but what it passes to one that
changes something must have been said by the customer or stand in the company's own records. What
nobody but an outsider has said is refused, whoever would confirm it; what points at something and
nobody has said at all, a human is asked about.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import islice
from typing import Literal

from deployments.agent.spelling import plain
from deployments.mcp_gateway.tool import SEPARATOR, Trust
from routing.message import Json, JsonObject

Origin = Literal["user", "own", "untrusted", "model"]
"""Who said it first; `model` is whatever nobody has said: a summary, a sum, a guess."""

VALUES_MAX = 64
"""Values of one call that are looked up: on the event loop, each in up to 96 KiB of what tools said."""
WORDS_MAX = 256
"""Words in them that are: a page of an incident names fewer that point at anything."""
HITS_MAX = 1_000
"""Places of one text, within longer words, at which a word is seen before it counts as not said there."""

_NUMBER = re.compile(r"\d+(?:[,_]\d{3})*(?:\.\d+)?")
# What points at something: an account, an address, a link. Plain words point at nothing.
_POINTS = re.compile(r"[@/\d]|[^\W\d_]{2}\.[^\W\d_]{2}")
# The same in a sentence of a model's own, which is full of small numbers that point at nothing.
_LEADS = re.compile(r"@|//|[^\W\d_]{2}\.[^\W\d_]{2}|\d(?:\D?\d){5}")
# A day or a time, which models write in their own way.
_WHEN = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:t[\d:.+-]*z?)?|\d{1,2}([./])\d{1,2}\1\d{2}(?:\d{2})?|\d{1,2}:\d{2}(?::\d{2})?"
)
# How many of something, where it is a whole number below this: models count, and it names nothing.
_FEW = 10
_RUN = re.compile(r"[^\W_]+")
_EDGES = ".,;:!?()[]{}<>\"'`"


@dataclass(frozen=True, slots=True)
class Sources:
    """The texts of a conversation by who wrote them.

    `answers` are a model's own before this one: what it had read for them is not known any more.
    """

    user: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    untrusted: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()

    def and_own(self, text: str) -> "Sources":
        """With one more text of our own records."""
        return replace(self, own=(*self.own, text))

    def and_untrusted(self, text: str) -> "Sources":
        """With one more text that others wrote."""
        return replace(self, untrusted=(*self.untrusted, text))


@dataclass(frozen=True, slots=True)
class Doubts:
    """Arguments of a call that must not simply be taken, by their JSON pointers.

    `strange` ones stand in text of others, or in an earlier answer, and nowhere else. `unsaid` ones
    point at something, and nobody has said them: a guess, a sum, or words of others in disguise.
    """

    strange: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()


def doubts(arguments: JsonObject, schema: JsonObject, sources: Sources) -> Doubts:
    """What is doubtful in a call where a model has read anything but the customer and our records.

    A choice among the words of the schema is not: the words are ours.
    Of more than VALUES_MAX values, or WORDS_MAX words, none is looked up, and all count as strange.
    """
    if not sources.untrusted and not sources.answers:
        return Doubts()
    leaves = list(islice(_leaves(arguments, schema, ""), VALUES_MAX + 1))
    if len(leaves) > VALUES_MAX:
        return Doubts(strange=(f"one of more than {VALUES_MAX} values",))
    if sum(len(_parts(value)) for _, value in leaves if isinstance(value, str)) > WORDS_MAX:
        return Doubts(strange=(f"one of more than {WORDS_MAX} words",))
    said = _Said(sources)
    strange: list[str] = []
    unsaid: list[str] = []
    for where, value in leaves:
        if said.origin(value) == "untrusted":
            strange.append(where)
        elif said.lacks(value):
            unsaid.append(where)
    return Doubts(tuple(strange), tuple(unsaid))


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
        self._answers = [_Text(text) for text in sources.answers]

    def origin(self, value: str | Decimal) -> Origin:
        parts = [value] if isinstance(value, Decimal) else _parts(value)
        found = [self._first(part) for part in parts]
        # One part of a sentence that only an outsider has said makes all of it theirs.
        for origin in ("untrusted", "model", "own", "user"):
            if origin in found:
                return origin
        return "model"

    def lacks(self, value: str | Decimal) -> bool:
        """Whether something in it points at what nobody has said."""
        if isinstance(value, Decimal):
            is_few = abs(value) < _FEW and value == value.to_integral_value()
            return not is_few and self._first(value) == "model"
        return any(self._first(part) == "model" for part in _leading(value))

    def _first(self, part: str | Decimal) -> Origin:
        for origin, texts in self._texts:
            if any(text.holds(part) for text in texts):
                return origin
        # A sum that was told may be agreed to with a yes; an account or an address is named.
        names = isinstance(part, str) and _POINTS.search(part) is not None
        if names and any(text.holds(part) for text in self._answers):
            return "untrusted"
        return "model"


class _Text:
    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _plain(self) -> str:
        """Read when it is looked into: most are found in the first texts."""
        return plain(self._text)

    @cached_property
    def _numbers(self) -> frozenset[Decimal]:
        """Read once, and not again for each number that is looked for."""
        return frozenset(_numbers(self._plain))

    @cached_property
    def _runs(self) -> frozenset[str]:
        """What stands between signs: a number that stands in it ten thousand times is found at once."""
        return frozenset(_RUN.findall(self._plain))

    def holds(self, part: str | Decimal) -> bool:
        if isinstance(part, Decimal):
            return part in self._numbers
        if part.isalnum():
            return part in self._runs
        text = self._plain
        start = text.find(part)
        for _ in range(HITS_MAX):
            if start < 0:
                break
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


def _parts(text: str) -> list[str]:
    """What is looked up: the words in it that point at something; a word or name also as a whole."""
    whole, words = plain(text), _words(text)
    pointing = list(dict.fromkeys(word for word in words if _POINTS.search(word)))
    if len(words) > 3:
        return pointing
    return [whole, *pointing] if whole else []


def _leading(text: str) -> list[str]:
    """What of it nobody makes up by the way. A single word with a digit is a number or a name of one."""
    words = _words(text)
    points = _POINTS if len(words) == 1 else _LEADS
    leading = (word for word in words if points.search(word) and not _WHEN.fullmatch(word))
    return list(dict.fromkeys(leading))


def _words(text: str) -> list[str]:
    return [word for word in (one.strip(_EDGES) for one in plain(text).split(" ")) if word]


def _joins(text: str, at: int) -> bool:
    return 0 <= at < len(text) and text[at].isalnum()


def _numbers(text: str) -> Iterator[Decimal]:
    for found in _NUMBER.finditer(text):
        try:
            yield Decimal(found.group().replace(",", "").replace("_", ""))
        except InvalidOperation:  # digits of a script that Decimal does not read
            continue
