"""Both halves of the multiplexer together, over a line that delays and breaks, against any script."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from deployments.platforms.base import Platform
from deployments.platforms.batch import BatchRunner
from deployments.platforms.multiplex import (
    Event,
    Item,
    Multiplexer,
)
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
from tests.unit.virtual_time import VirtualTimeLoop

# Zero often, so that things happen in one tick of the loop; then around the tick, the pace, a deadline.
PAUSES = st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.002, 0.005, 0.02, 1.0, 3.0])
End = Literal["reply", "fails", "bug", "truncated", "hangs"]


@dataclass(frozen=True)
class Caller:
    """One request: when it comes, how the platform answers it, and when its caller leaves."""

    after_s: float
    stream: bool
    pauses: tuple[float, ...]
    end: End
    deadline_s: float
    leaves_after_s: float | None


@dataclass
class Heard:
    """What a caller heard; `ends` counts, so that a second one would show."""

    text: list[str] = field(default_factory=list)
    replies: list[ChatReply] = field(default_factory=list)
    errors: list[PlatformError] = field(default_factory=list)
    left: bool = False


CALLERS = st.builds(
    Caller,
    after_s=PAUSES,
    stream=st.booleans(),
    pauses=st.lists(PAUSES, max_size=4).map(tuple),
    end=st.sampled_from(get_args(End)),
    deadline_s=st.sampled_from([2.0, 10.0]),
    leaves_after_s=st.none() | PAUSES,
)


class Scripted(Platform):
    """Answers request number n as the n-th caller's script says; every piece of text is unique."""

    def __init__(self, callers: Sequence[Caller]) -> None:
        self._callers = callers
        self.open = 0

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        async with contextlib.aclosing(self.stream(request, deadline_s)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, ReplyDone):
                    return chunk.reply
        raise PlatformError("p", ErrorKind.STREAM_TRUNCATED, "no end")

    @override
    async def stream(
        self, request: ChatRequest, deadline_s: float
    ) -> AsyncGenerator[ChatChunk, None]:
        number = int(request.messages[0].text)
        caller = self._callers[number]
        self.open += 1
        try:
            async with asyncio.timeout(deadline_s):
                for piece in pieces(number, caller):
                    await asyncio.sleep(caller.pauses[int(piece.rpartition(":")[2][:-1])])
                    yield TextDelta(piece)
                match caller.end:
                    case "reply":
                        yield ReplyDone(reply(number, caller))
                    case "fails":
                        raise PlatformError("p", ErrorKind.OVERLOADED, f"{number}")
                    case "bug":
                        raise KeyError(number)
                    case "truncated":
                        pass
                    case "hangs":
                        await asyncio.sleep(1000.0)
        except TimeoutError:
            raise PlatformError("p", ErrorKind.TIMEOUT, "too late") from None
        finally:
            self.open -= 1

    @override
    async def aclose(self) -> None:
        pass


def pieces(number: int, caller: Caller) -> list[str]:
    return [f"{number}:{index};" for index in range(len(caller.pauses))]


def reply(number: int, caller: Caller) -> ChatReply:
    return ChatReply("".join(pieces(number, caller)), FinishReason.STOP, Usage(), f"m{number}")


async def listen(mux: Multiplexer, number: int, caller: Caller, heard: Heard) -> None:
    request = ChatRequest(model="m", messages=(Message("user", str(number)),))
    try:
        if not caller.stream:
            heard.replies.append(await mux.complete(request, caller.deadline_s))
            return
        async with contextlib.aclosing(mux.stream(request, caller.deadline_s)) as chunks:
            async for chunk in chunks:
                assert not heard.replies, "something came after the end"
                match chunk:
                    case TextDelta(text):
                        heard.text.append(text)
                    case ReplyDone(whole):
                        heard.replies.append(whole)
    except PlatformError as error:
        heard.errors.append(error)


async def call(mux: Multiplexer, number: int, caller: Caller, heard: Heard) -> None:
    await asyncio.sleep(caller.after_s)
    listening = asyncio.create_task(listen(mux, number, caller, heard))
    if caller.leaves_after_s is not None:
        await asyncio.wait((listening,), timeout=caller.leaves_after_s)
        heard.left = listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening


async def play(
    callers: Sequence[Caller], there_s: float, back_s: float, lost_after_s: float | None
) -> list[Heard]:
    """Let the callers call over a line with these delays, whose replica is lost at that time."""
    platform = Scripted(callers)
    replica = BatchRunner("p", platform, in_flight_max=100, timeout_s=60.0)
    lost = asyncio.Event()

    async def send(items: Sequence[Item]) -> AsyncGenerator[list[Event], None]:
        await asyncio.sleep(there_s)
        async with contextlib.aclosing(replica.run(items)) as batches:
            while True:
                following = asyncio.ensure_future(anext(batches, None))
                breaking = asyncio.ensure_future(lost.wait())
                try:
                    await asyncio.wait((following, breaking), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    breaking.cancel()
                    if not following.done():
                        following.cancel()
                        await asyncio.gather(following, return_exceptions=True)
                if following.cancelled():
                    raise PlatformError("p", ErrorKind.CONNECTION, "lost")
                events = following.result()
                if events is None:
                    return
                await asyncio.sleep(back_s)
                yield events

    async def cancel(ids: Sequence[str]) -> None:
        await asyncio.sleep(there_s)
        await replica.cancel(ids)

    mux = Multiplexer("p", send, cancel)
    heard = [Heard() for _ in callers]
    calls = [
        asyncio.create_task(call(mux, number, caller, heard[number]))
        for number, caller in enumerate(callers)
    ]
    if lost_after_s is not None:
        await asyncio.sleep(lost_after_s)
        lost.set()
    # More than any deadline and its grace: a caller who still waits then would wait for ever.
    async with asyncio.timeout(60.0):
        await asyncio.gather(*calls)
    # Soon after the last caller has gone nothing of theirs runs anywhere.
    await asyncio.sleep(0.1)
    assert (replica.in_flight, platform.open, len(mux._background)) == (0, 0, 0)
    return heard


@settings(max_examples=300, deadline=None)
@given(
    callers=st.lists(CALLERS, min_size=1, max_size=6),
    there_s=st.sampled_from([0.0, 0.0, 0.001, 0.003]),
    back_s=st.sampled_from([0.0, 0.001]),
    lost_after_s=st.none() | PAUSES,
)
def test_under_any_interleaving_every_caller_hears_exactly_his_own_and_one_end(
    callers: list[Caller], there_s: float, back_s: float, lost_after_s: float | None
) -> None:
    """Deltas, ends, failures, departures and losses never mix, double, vanish or hang."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        heard = runner.run(play(callers, there_s, back_s, lost_after_s))
    for number, (caller, ear) in enumerate(zip(callers, heard, strict=True)):
        whole, text = reply(number, caller), "".join(ear.text)
        assert len(ear.replies) + len(ear.errors) == 1 or (
            ear.left and not ear.replies and not ear.errors
        )
        assert whole.text.startswith(text)
        for said in ear.replies:
            assert said == whole
            assert caller.end == "reply"
            assert not caller.stream or text == whole.text
        for error in ear.errors:
            assert error.kind in possible_kinds(caller, lost=lost_after_s is not None)
            assert error.kind is not ErrorKind.OVERLOADED or error.detail == str(number)


def possible_kinds(caller: Caller, *, lost: bool) -> set[ErrorKind]:
    own = {
        "reply": set[ErrorKind](),
        "fails": {ErrorKind.OVERLOADED},
        "bug": {ErrorKind.BAD_REPLY},
        "truncated": {ErrorKind.STREAM_TRUNCATED},
        "hangs": set[ErrorKind](),
    }[caller.end]
    if caller.end == "hangs" or sum(caller.pauses) >= caller.deadline_s:
        own.add(ErrorKind.TIMEOUT)
    if lost:
        own.add(ErrorKind.CONNECTION)
    return own
