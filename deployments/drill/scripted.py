"""A platform in this process: it answers as quickly as one was measured, and fails as it is told.

It speaks no wire; the adapters and the simulators are asked by `--wire`. Every chance in it
hangs on the question, so that a drill with faults and one without meet the same luck.
"""

import asyncio
import contextlib
import math
import random
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, assert_never

from typing_extensions import override

from deployments.drill.faults import (
    Calendar,
    Cut,
    Down,
    ErrorEvent,
    Errors,
    Fault,
    Malformed,
    OutOfCredit,
    RateLimited,
    Slow,
    Stall,
)
from deployments.drill.traffic import Asked, Latency
from deployments.platforms.base import Platform
from routing.continuation import INSTRUCTION
from routing.errors import ErrorKind, PlatformError
from routing.exchange import (
    ChatChunk,
    ChatReply,
    ChatRequest,
    FinishReason,
    ReplyDone,
    TextDelta,
    Usage,
)
from routing.message import Message

REFUSING_S = 0.05
"""What a vendor needs to say no."""

DELTAS = 8
"""Of a streamed answer: enough to be cut anywhere, few enough for a million questions."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# None begins with a letter twice: of "a" and "ab", cut off after the first letter, nobody can say
# whether the second half says the "a" again or means "aab".
_WORDS = " ".join(a + b + c for a in _LETTERS for b in _LETTERS if b != a for c in _LETTERS)
_TOKEN = 4
"""Characters a made-up word has, with the blank before it."""

LONGEST = len(_WORDS.split())
"""Words of the longest answer: no two of one answer are alike, so that a seam shows."""

_Ending: TypeAlias = Literal["whole", "cut", "silent"] | PlatformError


def question(number: int) -> Message:
    """The message that asks the drill's question of this number."""
    return Message("user", f"drill {number}")


def answer(output_tokens: int) -> str:
    """The whole of the right answer: one made-up word a token, at most `LONGEST`."""
    return _WORDS[: _TOKEN * output_tokens - 1]


@dataclass(frozen=True, slots=True)
class _Course:
    """How a call goes: its pace, the share of the text that is said, and how it ends."""

    first_byte_s: float
    per_token_s: float
    said: float = 1.0
    ending: _Ending = "whole"


class ScriptedPlatform(Platform):
    """One vendor's chat model, played from latencies and faults. `now` is the second of the drill."""

    def __init__(
        self,
        name: str,
        asked: Sequence[Asked],
        latencies: Sequence[Latency],
        calendar: Calendar,
        seed: int,
        now: Callable[[], float],
    ) -> None:
        self._name = name
        self._asked = asked
        self._latencies = latencies
        self._calendar = calendar
        self._seed = seed
        self._now = now
        # As many as there are questions, which are bounded.
        self._asked_before: Counter[int] = Counter()

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        async with contextlib.aclosing(self._play(request, deadline_s, deltas=1)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, ReplyDone):
                    return chunk.reply
        raise self._error(ErrorKind.STREAM_TRUNCATED, "the body ends in the middle of a value")

    @override
    def stream(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[ChatChunk, None]:
        return self._play(request, deadline_s, DELTAS)

    @override
    async def aclose(self) -> None:
        pass

    async def _play(
        self, request: ChatRequest, deadline_s: float, deltas: int
    ) -> AsyncGenerator[ChatChunk, None]:
        until = asyncio.get_running_loop().time() + deadline_s
        number = int(request.messages[0].text.removeprefix("drill "))
        asked = self._asked[number]
        rest = _rest(request, answer(asked.output_tokens))
        text = rest[: _TOKEN * request.max_tokens - 1]
        course = self._course(number)
        pieces = _pieces(text, deltas)
        pace_s = course.per_token_s * len(text) / _TOKEN / len(pieces)
        await self._wait(course.first_byte_s, until)
        for piece in pieces[: int(len(pieces) * course.said)]:
            yield TextDelta(piece)
            await self._wait(pace_s, until)
        match course.ending:
            case "whole":
                reason = FinishReason.STOP if text == rest else FinishReason.LENGTH
                usage = Usage(asked.input_tokens, output_tokens=len(text) // _TOKEN + 1)
                yield ReplyDone(ChatReply(text, reason, usage, request.model))
            case "silent":
                await self._wait(math.inf, until)
            case "cut":
                return  # cleanly: whoever listens has to notice that there was no end
            case error:
                raise error

    async def _wait(self, seconds: float, until: float) -> None:
        """Let time pass, as far as there is some, and break off if the platform then is down."""
        left_s = until - asyncio.get_running_loop().time()
        if seconds > left_s:
            # On the drill's own clock: the caller's deadline comes before the platform is done.
            await asyncio.sleep(max(left_s, 0.0))
            raise self._error(ErrorKind.TIMEOUT, "the deadline passed before the answer was whole")
        # The latency that is replayed.
        await asyncio.sleep(seconds)
        if isinstance(self._calendar.at(self._now()), Down):
            raise self._error(ErrorKind.CONNECTION, "the connection broke")

    def _course(self, number: int) -> _Course:
        self._asked_before[number] += 1
        luck = random.Random(  # noqa: S311  a drill is to be repeatable
            f"{self._seed}/{self._name}/{number}/{self._asked_before[number]}"
        )
        pace = self._latencies[luck.randrange(len(self._latencies))]
        fault = self._calendar.at(self._now())
        if isinstance(fault, Errors) and luck.random() >= fault.share:
            fault = None
        return self._spoiled(pace, fault)

    def _spoiled(self, pace: Latency, fault: Fault | None) -> _Course:
        course = _Course(pace.first_byte_s, pace.per_token_s)
        match fault:
            case None:
                return course
            case Slow(times=times):
                return _Course(pace.first_byte_s * times, pace.per_token_s * times)
            case Cut(after=said):
                return replace(course, said=said, ending="cut")
            case Stall(after=said):
                return replace(course, said=said, ending="silent")
            case refusing:
                return self._failing(course, refusing)

    def _failing(
        self,
        course: _Course,
        fault: Down | Errors | RateLimited | OutOfCredit | ErrorEvent | Malformed,
    ) -> _Course:
        refused = _Course(REFUSING_S, 0.0, 0.0)
        match fault:
            case ErrorEvent(after=said):
                error = self._error(ErrorKind.OVERLOADED, "an error in the stream")
                failing = replace(course, said=said, ending=error)
            case Errors():
                error = self._error(ErrorKind.OVERLOADED, "HTTP 500")
                failing = replace(course, said=0.0, ending=error)
            case Malformed():
                error = self._error(ErrorKind.BAD_REPLY, "what came is not JSON")
                failing = replace(course, said=0.0, ending=error)
            case Down():
                error = self._error(ErrorKind.CONNECTION, "nobody answers")
                failing = replace(refused, ending=error)
            case OutOfCredit():
                error = self._error(ErrorKind.QUOTA_EXHAUSTED, "HTTP 402")
                failing = replace(refused, ending=error)
            case RateLimited(retry_after_s=retry_after_s):
                error = self._error(ErrorKind.RATE_LIMITED, "HTTP 429", retry_after_s)
                failing = replace(refused, ending=error)
            case unknown:
                assert_never(unknown)
        return failing

    def _error(
        self, kind: ErrorKind, detail: str, retry_after_s: float | None = None
    ) -> PlatformError:
        return PlatformError(self._name, kind, detail, retry_after_s)


def _rest(request: ChatRequest, whole: str) -> str:
    """What is still to be said: all of it, unless the request asks to go on."""
    *_, before, last = (Message("assistant", ""), *request.messages)
    if last.text == INSTRUCTION and whole.startswith(before.text):
        return whole[len(before.text) :]
    return whole


def _pieces(text: str, deltas: int) -> list[str]:
    size = max(-(-len(text) // deltas), 1)
    return [text[start : start + size] for start in range(0, len(text), size)] or [""]
