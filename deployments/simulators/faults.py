"""What can go wrong, on request: the behaviours a test may script, and the queue they wait in.

Pure. `reply.py` reads the behaviours which change what is said, `delivery.py` those which change
how it arrives, and each wire the two it must put in its vendor's words (`status`, `error_event`).
"""

from collections import deque
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt

EVERY_PLATFORM = "*"
UNTIL_CLEARED = -1
MAX_QUEUED = 1_000  # a whole suite's worth; more is a test which forgot to clear
MAX_TEXT = 200_000  # characters of one scripted answer
MAX_STALL_S = 600.0  # the longest default timeout of an SDK (openai, anthropic)

Position: TypeAlias = Annotated[NonNegativeInt, Field(le=100_000)]
Milliseconds: TypeAlias = Annotated[NonNegativeFloat, Field(le=MAX_STALL_S * 1_000)]


class _Behaviour(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    times: int = Field(default=1, ge=UNTIL_CLEARED, le=1_000_000)


class Status(_Behaviour):
    """An HTTP error in the vendor's shape; what is left out is what that vendor says by default."""

    kind: Literal["status"]
    status: int = Field(ge=400, le=599)
    type: str | None = None
    code: str | None = None
    message: str | None = None
    retry_after_s: NonNegativeFloat | None = None


class Slow(_Behaviour):
    """A right answer, late: before its first byte, between its chunks, or both."""

    kind: Literal["slow"]
    delay_ms: Milliseconds = 0
    chunk_delay_ms: Milliseconds = 0


class Cut(_Behaviour):
    """The answer ends early with a clean HTTP end: no terminal event, half a JSON body."""

    kind: Literal["cut"]
    after_chunks: Position = 1


class Disconnect(_Behaviour):
    """The connection breaks in the middle of the answer."""

    kind: Literal["disconnect"]
    after_chunks: Position = 1


class Stall(_Behaviour):
    """The answer falls silent for a while, then goes on."""

    kind: Literal["stall"]
    after_chunks: Position = 1
    stall_s: float = Field(default=30.0, ge=0, le=MAX_STALL_S)


class Garbage(_Behaviour):
    """One chunk, or the JSON body, is not JSON."""

    kind: Literal["garbage"]
    after_chunks: Position = 1


class ErrorEvent(_Behaviour):
    """An error inside a stream which began with 200; `event` chooses between OpenAI's two."""

    kind: Literal["error_event"]
    after_chunks: Position = 1
    event: Literal["failed", "error"] = "failed"
    code: str | None = None
    message: str | None = None


class Text(_Behaviour):
    """This exact text, in this many chunks if given."""

    kind: Literal["text"]
    text: str = Field(max_length=MAX_TEXT)
    chunks: int | None = Field(default=None, ge=1, le=10_000)


class ScriptedCall(BaseModel):
    """One call the model is to make."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    arguments: dict[str, object] = Field(default_factory=dict)


class ToolCalls(_Behaviour):
    """These tool calls, in parallel when there are several."""

    kind: Literal["tool_calls"]
    calls: list[ScriptedCall] = Field(min_length=1, max_length=100)


class Obey(_Behaviour):
    """The model does what it reads: the first `CALL name {arguments}` that it has not called yet.

    It reads what stands above its question and the results of tools; without an order it answers.
    """

    kind: Literal["obey"]


class Refusal(_Behaviour):
    """The model declines."""

    kind: Literal["refusal"]
    text: str = Field(default="I cannot help with that.", max_length=MAX_TEXT)


class Length(_Behaviour):
    """The answer stops half-way, as if the token limit were reached."""

    kind: Literal["length"]


class ContentFilter(_Behaviour):
    """The vendor's content filter stops the answer half-way."""

    kind: Literal["content_filter"]


Behaviour: TypeAlias = (
    Status
    | Slow
    | Cut
    | Disconnect
    | Stall
    | Garbage
    | ErrorEvent
    | Text
    | ToolCalls
    | Obey
    | Refusal
    | Length
    | ContentFilter
)


class ScriptOrder(BaseModel):
    """The body of `POST /_simulator/script`."""

    model_config = ConfigDict(extra="forbid")

    behaviours: list[Annotated[Behaviour, Field(discriminator="kind")]] = Field(min_length=1)
    platform: str = EVERY_PLATFORM


class ScriptFullError(Exception):
    """The script holds `MAX_QUEUED` behaviours already."""


class Script:
    """The behaviours still to come, first in, first out for each platform.

    Without one (`take` returns None) a simulator answers as well as it can. A behaviour with
    `times=-1` stays in front until the script is cleared.
    """

    def __init__(self) -> None:
        self._queue: deque[tuple[str, Behaviour, int]] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def append(self, order: ScriptOrder) -> None:
        """Queue an order's behaviours.

        Raises:
            ScriptFullError: The queue has no room for all of them; none was queued.
        """
        if len(self._queue) + len(order.behaviours) > MAX_QUEUED:
            raise ScriptFullError(len(self._queue), MAX_QUEUED)
        self._queue.extend(
            (order.platform, behaviour, behaviour.times)
            for behaviour in order.behaviours
            if behaviour.times != 0
        )

    def take(self, platform: str) -> Behaviour | None:
        """Return what this platform does next and spend one of its times."""
        return self._take(frozenset({EVERY_PLATFORM, platform}))

    def take_exactly(self, name: str) -> Behaviour | None:
        """The same for a name that every platform does not include."""
        return self._take(frozenset({name}))

    def _take(self, names: frozenset[str]) -> Behaviour | None:
        for index, (meant_for, behaviour, left) in enumerate(self._queue):
            if meant_for in names:
                if left == 1:
                    del self._queue[index]
                elif left != UNTIL_CLEARED:
                    self._queue[index] = (meant_for, behaviour, left - 1)
                return behaviour
        return None

    def clear(self) -> None:
        """Forget everything queued."""
        self._queue.clear()
