"""A world for journeys to go wrong in: vendors that fail, hang, cut, repeat, begin anew and bill.

Every vendor knows the one right answer and gives it as far as it lets itself; what reaches a caller
must therefore always be the beginning of that answer, whoever said which part.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal

from typing_extensions import override

from deployments.agent.attempt import Reporter
from deployments.drill.scripted import answer
from deployments.platforms.base import Platform
from routing.breaker import attempt_key
from routing.continuation import INSTRUCTION, RESTART_SURE
from routing.errors import ErrorKind, PlatformError
from routing.estimate import BOUND_TOKENS_PER_MESSAGE
from routing.exchange import (
    ChatChunk,
    ChatReply,
    ChatRequest,
    FinishReason,
    ReplyDone,
    TextDelta,
    Usage,
)
from routing.money import Price
from routing.outcome import Outcome

WORDS = 60
ANSWER = answer(WORDS)
PRICE = Price(Decimal(1), Decimal(10), per_call=Decimal("0.0001"))
OVERLAP = 20
"""Characters that a second half may say again: more than are an accident."""

LOST = (ErrorKind.TIMEOUT, ErrorKind.CONNECTION, ErrorKind.STREAM_TRUNCATED, ErrorKind.BAD_REPLY)
"""What is charged in full although nothing of it arrived."""

READ_AND_REFUSED = (ErrorKind.CONTENT_FILTERED, ErrorKind.CONTEXT_TOO_LONG)

Ending = ErrorKind | Literal["whole", "no end", "hangs"]


@dataclass(frozen=True, slots=True)
class Course:
    """How one call goes: its times, what is said of the answer, how it ends and how it is billed."""

    first_s: float = 0.0
    gap_s: float = 0.0
    pieces: int = 3
    said: float = 1.0
    voice: Literal["honest", "repeats", "begins anew"] = "honest"
    ending: Ending = "whole"
    bills: float = 1.0
    tells: Literal["usage", "nothing", "an unknown tier"] = "usage"


@dataclass(slots=True)
class World:
    """What happened, as the world sees it. Answers are told apart by the safety id of their requests."""

    input_bound: int
    courses: list[Course] = field(default_factory=list)
    billed: dict[str, Decimal] = field(default_factory=dict)
    under_way: Counter[tuple[str, str]] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)

    def course(self) -> Course:
        """How the next call goes, whoever makes it: well, if nothing is in store."""
        return self.courses.pop(0) if self.courses else Course()


class Vendor(Platform):
    """One platform of the world."""

    def __init__(self, name: str, world: World) -> None:
        self._name = name
        self._world = world

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        calls = self._counted(request, deadline_s, streams=False)
        async with contextlib.aclosing(calls) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, ReplyDone):
                    return chunk.reply
        raise self._error(ErrorKind.BAD_REPLY)

    @override
    def stream(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[ChatChunk, None]:
        return self._counted(request, deadline_s, streams=True)

    @override
    async def aclose(self) -> None:
        pass

    async def _counted(
        self, request: ChatRequest, deadline_s: float, *, streams: bool
    ) -> AsyncGenerator[ChatChunk, None]:
        world, of = self._world, request.safety_id or ""
        call = (of, f"{self._name}/{request.model}")
        world.calls[of] += 1
        world.under_way[call] += 1
        assert world.under_way[call] == 1, "one target is asked twice at once"
        try:
            played = self._play(request, of, deadline_s, streams=streams)
            async with contextlib.aclosing(played) as chunks:
                async for chunk in chunks:
                    yield chunk
        finally:
            world.under_way[call] -= 1

    async def _play(
        self, request: ChatRequest, of: str, deadline_s: float, *, streams: bool
    ) -> AsyncGenerator[ChatChunk, None]:
        course = self._world.course()
        until = asyncio.get_running_loop().time() + deadline_s
        text, is_whole = _text(request, course)
        pieces = _pieces(text, course.pieces)
        heard = pieces[: int(len(pieces) * course.said)]
        # An answer in one piece is refused before it is begun; a stream can be in the middle of it.
        usage = self._bill(request, of, course, is_silent=not heard or not streams)
        await self._wait(course.first_s, until)
        for piece in heard:
            yield TextDelta(piece)
            await self._wait(course.gap_s, until)
        match course.ending:
            case "whole":
                for piece in pieces[len(heard) :]:
                    yield TextDelta(piece)
                told = usage if course.tells == "usage" else Usage()
                reason = FinishReason.STOP if is_whole else FinishReason.LENGTH
                reply = ChatReply(text, reason, told, request.model)
                if course.tells == "an unknown tier":
                    reply = replace(reply, usage=usage, service_tier="of no list")
                yield ReplyDone(reply)
            case "no end":
                return
            case "hangs":
                await self._wait(1e9, until)
            case kind:
                raise self._error(kind)

    def _bill(self, request: ChatRequest, of: str, course: Course, *, is_silent: bool) -> Usage:
        """Charged at once, as far as such a call is charged: nobody sees how it goes on who leaves."""
        added = sum(len(m.text.encode()) + BOUND_TOKENS_PER_MESSAGE for m in request.messages[1:])
        most = self._world.input_bound + added
        usage = Usage(
            max(round(most * course.bills), 1), output_tokens=int(request.max_tokens * course.bills)
        )
        charged = usage
        if is_silent and course.ending in READ_AND_REFUSED:
            charged = replace(usage, output_tokens=0)
        is_refused = isinstance(course.ending, ErrorKind) and course.ending not in {
            *LOST,
            *READ_AND_REFUSED,
        }
        if not (is_silent and is_refused):
            usd = PRICE.cost(charged)
            assert usd is not None
            self._world.billed[of] = self._world.billed.get(of, Decimal(0)) + usd
        return usage

    async def _wait(self, seconds: float, until: float) -> None:
        left_s = until - asyncio.get_running_loop().time()
        # A vendor's time, in virtual seconds; an adapter keeps the deadline it was given.
        await asyncio.sleep(max(min(seconds, left_s), 0.0))
        if seconds > left_s:
            raise self._error(ErrorKind.TIMEOUT)

    def _error(self, kind: ErrorKind) -> PlatformError:
        status = 400 if kind in READ_AND_REFUSED else None
        return PlatformError(self._name, kind, "it does that", status=status)


class Watched(Reporter):
    """Notes what is reported, and grants probes as it is told, after a while."""

    def __init__(self) -> None:
        self.begun = Counter[str]()
        self.outcomes: list[Outcome] = []
        self.claimed = Counter[tuple[str, str]]()
        self.released = Counter[tuple[str, str]]()
        self.grants = True
        self.claiming_s = 0.0

    @override
    def begin(self, target: str) -> None:
        self.begun[target] += 1

    @override
    def end(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)

    @override
    async def claim_probe(self, target: str, key: str) -> bool:
        if self.grants:
            self.claimed[target, key] += 1
        grants = self.grants
        await asyncio.sleep(self.claiming_s)
        return grants

    @override
    def release_probe(self, target: str, key: str) -> None:
        # Who left before he heard whether he had it gives it back to be sure: a breaker goes by the name.
        if (target, key) in self.claimed:
            self.released[target, key] += 1

    @property
    def ended(self) -> Counter[str]:
        """How many attempts on each target came to an end."""
        return Counter(outcome.target for outcome in self.outcomes)

    def of(self, answer_id: str) -> list[Outcome]:
        """The outcomes of one answer."""
        return [outcome for outcome in self.outcomes if outcome.answer_id == answer_id]

    @property
    def given_back(self) -> Counter[tuple[str, str]]:
        """The probes that were claimed and are free again: by their outcome, or by a word."""
        told = Counter((o.target, attempt_key(o.answer_id, o.attempt)) for o in self.outcomes)
        return (told & self.claimed) + self.released


def _text(request: ChatRequest, course: Course) -> tuple[str, bool]:
    """What this call says, and whether that is all there is to say."""
    said = request.messages[-2].text if request.messages[-1].text == INSTRUCTION else ""
    room = 4 * request.max_tokens - 1
    rest = ANSWER[len(said) :]
    anew = ANSWER[: RESTART_SURE + 4] + " and then something else"
    if course.voice == "begins anew" and len(said) > len(anew) and room > len(anew):
        return anew, True
    if course.voice == "repeats" and len(said) > OVERLAP:
        rest = said[-OVERLAP:] + rest
    return rest[:room], len(rest) <= room


def _pieces(text: str, count: int) -> list[str]:
    size = max(-(-len(text) // count), 1)
    return [text[start : start + size] for start in range(0, len(text), size)]
