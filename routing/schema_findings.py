"""What is found of a schema, and of how much of one anything is looked for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from routing.message import Json, JsonObject

MAX_VALUES = 20_100
"""JSON values in all schemas of a request that are walked: four for each of the 5,000 properties that
OpenAI takes, which is the most, and the object they are in. They are walked once for each dialect, in 10 to 40 ms,
and meanwhile nobody else is served."""

MAX_COMPLAINTS = 5
"""Enough to see what is wrong; a schema of another dialect would fill a page."""

# Characters of a place, or of what is wrong there: the names in both are the caller's.
_SAID_MAX = 200

Path: TypeAlias = "tuple[Path, str] | None"
"""The way to a schema, written out only where there is something to say."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong, at a JSON pointer into the schema; the empty pointer is all of it."""

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer[:_SAID_MAX] or '/'}: {self.message[:_SAID_MAX]}"


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a schema, and how much of what Anthropic rations it uses.

    There are at most `MAX_COMPLAINTS`; with any, the counts may fall short.
    """

    complaints: tuple[Complaint, ...] = ()
    optionals: int = 0
    unions: int = 0


TOO_LARGE = Findings((Complaint("", f"over {MAX_VALUES} values in all schemas together"),))
"""Of schemas that nobody walks."""


def are_too_large(schemas: Iterable[JsonObject]) -> bool:
    """Whether there are more than `MAX_VALUES` in them; whatever they are, no more are counted."""
    count = 0
    waiting: list[Json] = list(schemas)
    while waiting and count <= MAX_VALUES:
        one = waiting.pop()
        if isinstance(one, str) or not isinstance(one, Mapping | list | tuple):
            continue
        count += len(one)
        if count <= MAX_VALUES:
            waiting += one.values() if isinstance(one, Mapping) else one
    return count > MAX_VALUES


def written(path: Path) -> str:
    """`path` as a JSON pointer."""
    steps: list[str] = []
    while path is not None:
        path, step = path
        steps.append(step)
    return "".join(reversed(steps))
