"""The caller's half: what leaves together, who hears what, and what one caller's trouble is to others."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

import pytest

from deployments.platforms.multiplex import (
    BATCH_IMAGES_MAX,
    BATCH_MAX,
    TICK_S,
    WAITING_MAX,
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
from routing.message import Image, Message

LOST = PlatformError("openai", ErrorKind.CONNECTION, "its replica was lost")


@dataclass
class Call:
    """One call that left, and the end of it that a test holds."""

    items: Sequence[Item]
    at: float
    answers: asyncio.Queue[list[Event] | Exception | None] = field(default_factory=asyncio.Queue)
    closed: bool = False

    def say(self, *events: Event) -> None:
        self.answers.put_nowait(list(events))


class Line:
    """The way to a replica: notes what left and when, brings back what a test puts on it."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.cancelled: list[str] = []
        self._left = asyncio.Event()

    async def send(self, items: Sequence[Item]) -> AsyncGenerator[list[Event], None]:
        call = Call(items, asyncio.get_running_loop().time())
        self.calls.append(call)
        self._left.set()
        try:
            while (events := await call.answers.get()) is not None:
                if isinstance(events, Exception):
                    raise events
                yield events
        finally:
            call.closed = True

    async def cancel(self, ids: Sequence[str]) -> None:
        self.cancelled += ids

    async def next_call(self) -> Call:
        await self._left.wait()
        self._left.clear()
        return self.calls[-1]


def ask(text: str = "hello") -> ChatRequest:
    return ChatRequest(model="m", messages=(Message("user", text),))


def reply(text: str = "hi") -> ChatReply:
    return ChatReply(text, FinishReason.STOP, Usage(), "m")


def asked(call: Call) -> list[str]:
    return [item.request.messages[0].text for item in call.items]


async def read(mux: Multiplexer, deadline_s: float = 30.0) -> list[ChatChunk]:
    return [chunk async for chunk in mux.stream(ask(), deadline_s)]


async def kind_of(call: "asyncio.Task[object]") -> ErrorKind:
    with pytest.raises(PlatformError) as caught:
        await call
    return caught.value.kind


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def mux(line: Line) -> Multiplexer:
    return Multiplexer("openai", line.send, line.cancel)


async def test_the_first_request_after_a_pause_leaves_at_once(mux: Multiplexer, line: Line) -> None:
    """Batching costs a lone caller no time."""
    began = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(mux.complete(ask(), 30.0))
        call = await line.next_call()
        assert call.at == began
        call.say((0, reply()))
    assert answer.result() == reply()


async def test_requests_of_one_tick_leave_in_one_call_and_each_gets_its_own_answer(
    mux: Multiplexer, line: Line
) -> None:
    """Those that follow within two milliseconds share a call; answers come in any order."""
    async with asyncio.TaskGroup() as group:
        first = group.create_task(mux.complete(ask("first"), 30.0))
        alone = await line.next_call()
        followers = [group.create_task(mux.complete(ask(name), 30.0)) for name in ("b", "c", "d")]
        together = await line.next_call()
        assert asked(alone) == ["first"]
        assert asked(together) == ["b", "c", "d"]
        assert together.at == pytest.approx(alone.at + TICK_S)
        together.say((2, reply("D")), (0, reply("B")))
        together.say((1, reply("C")))
        alone.say((0, reply("FIRST")))
    assert [f.result().text for f in (first, *followers)] == ["FIRST", "B", "C", "D"]


async def test_no_call_carries_more_than_its_bound(mux: Multiplexer, line: Line) -> None:
    """A burst is split, so that a call stays below what gRPC carries."""
    async with asyncio.TaskGroup() as group:
        for _ in range(2 * BATCH_MAX + 2):
            group.create_task(mux.complete(ask(), 30.0))
        while sum(len(call.items) for call in line.calls) < 2 * BATCH_MAX + 2:
            await line.next_call()
        assert [len(call.items) for call in line.calls] == [BATCH_MAX, BATCH_MAX, 2]
        for call in line.calls:
            call.say(*((index, reply()) for index in range(len(call.items))))


async def test_each_item_has_a_deadline_of_its_own(mux: Multiplexer, line: Line) -> None:
    """A silent replica is believed for the deadline and a second, not for a neighbour's."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    ends: dict[float, float] = {}

    async def wait(deadline_s: float) -> None:
        with pytest.raises(PlatformError, match="no answer within") as caught:
            await mux.complete(ask(), deadline_s)
        assert caught.value.kind is ErrorKind.TIMEOUT
        ends[deadline_s] = loop.time() - began

    await asyncio.gather(*(wait(deadline_s) for deadline_s in (1.0, 5.0, 2.0)))
    assert ends == {d: pytest.approx(d) for d in (1.0, 2.0, 5.0)}
    assert line.calls[0].closed


async def test_a_stream_read_by_another_task_each_time_still_has_its_deadline(
    mux: Multiplexer, line: Line
) -> None:
    """The heartbeat reads every event in a task of its own; a hung replica must not hang it."""
    chunks = mux.stream(ask(), 5.0)

    async def following() -> ChatChunk:
        return await anext(chunks)

    first = asyncio.create_task(following())
    (await line.next_call()).say((0, "half an "))
    assert await first == TextDelta("half an ")
    assert await kind_of(asyncio.create_task(following())) is ErrorKind.TIMEOUT


async def test_the_deadline_never_interrupts_what_the_reader_does_between_two_events(
    mux: Multiplexer, line: Line
) -> None:
    """A slow reader is late; its own work is not cancelled under it."""
    chunks = mux.stream(ask(), 1.0)
    first = asyncio.ensure_future(anext(chunks))
    (await line.next_call()).say((0, "text"), (0, reply("text")))
    assert await first == TextDelta("text")
    await asyncio.sleep(60.0)  # virtual
    assert [chunk async for chunk in chunks] == [ReplyDone(reply("text"))]


async def test_a_caller_who_leaves_alone_ends_the_call(mux: Multiplexer, line: Line) -> None:
    """Nobody waits for the batch any more, so the batch itself is closed."""
    leaving = asyncio.create_task(mux.complete(ask(), 30.0))
    call = await line.next_call()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await asyncio.sleep(0.001)
    assert call.closed
    assert line.cancelled == []


async def test_a_caller_who_leaves_in_company_takes_only_his_own_item_along(
    mux: Multiplexer, line: Line
) -> None:
    """The replica is told the one id; the neighbour's answer still comes."""
    leaving = asyncio.create_task(mux.complete(ask("leaving"), 30.0))
    staying = asyncio.create_task(mux.complete(ask("staying"), 30.0))
    call = await line.next_call()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    await asyncio.sleep(0.001)
    assert line.cancelled == [call.items[0].id]
    assert not call.closed
    call.say((0, LOST), (1, reply("still here")))
    assert (await staying).text == "still here"


async def test_a_caller_who_leaves_before_the_tick_is_over_is_never_sent(
    mux: Multiplexer, line: Line
) -> None:
    """What nobody waits for costs nobody anything."""
    first = asyncio.create_task(mux.complete(ask("first"), 30.0))
    (await line.next_call()).say((0, reply()))
    await first
    leaving = asyncio.create_task(mux.complete(ask("leaving"), 30.0))
    await asyncio.sleep(0)
    leaving.cancel()
    staying = asyncio.create_task(mux.complete(ask("staying"), 30.0))
    call = await line.next_call()
    assert asked(call) == ["staying"]
    call.say((0, reply()))
    await staying


async def test_a_lost_replica_fails_exactly_the_items_that_had_not_ended(
    mux: Multiplexer, line: Line
) -> None:
    """Whoever has an answer keeps it; everybody else hears `connection`, once."""
    done = asyncio.create_task(mux.complete(ask(), 30.0))
    waiting = asyncio.create_task(mux.complete(ask(), 30.0))
    half = asyncio.create_task(read(mux))
    call = await line.next_call()
    call.say((0, reply("whole")), (2, "half"))
    call.answers.put_nowait(LOST)
    assert (await done).text == "whole"
    assert await kind_of(waiting) is ErrorKind.CONNECTION
    assert await kind_of(half) is ErrorKind.CONNECTION


async def test_a_call_that_ends_early_is_no_answer(mux: Multiplexer, line: Line) -> None:
    """A clean end without the item's own end is a loss, not an empty answer."""
    waiting = asyncio.create_task(read(mux))
    call = await line.next_call()
    call.say((0, "half"))
    call.answers.put_nowait(None)
    assert await kind_of(waiting) is ErrorKind.CONNECTION


async def test_a_bug_on_the_way_reaches_the_caller_as_a_lost_connection_and_is_logged(
    mux: Multiplexer, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the transport does, no caller is left waiting for his deadline."""
    waiting = asyncio.create_task(mux.complete(ask(), 30.0))
    (await line.next_call()).answers.put_nowait(KeyError("a bug"))
    assert await kind_of(waiting) is ErrorKind.CONNECTION
    await asyncio.sleep(0.001)
    assert "failed unexpectedly" in caplog.text


async def test_beyond_its_bound_a_caller_is_told_at_once(mux: Multiplexer, line: Line) -> None:
    """`saturated` says nothing about the platform, and comes before anything is sent."""
    waiting = [asyncio.create_task(mux.complete(ask(), 30.0)) for _ in range(WAITING_MAX)]
    await line.next_call()
    assert await kind_of(asyncio.create_task(mux.complete(ask(), 30.0))) is ErrorKind.SATURATED
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    one_more = asyncio.create_task(mux.complete(ask("room again"), 30.0))
    call = await line.next_call()
    call.say((0, reply()))
    assert await one_more == reply()


async def test_text_arrives_in_its_order_and_the_reply_comes_last(
    mux: Multiplexer, line: Line
) -> None:
    """Two streams in one call never mix, and nothing follows an end."""
    one, two = asyncio.create_task(read(mux)), asyncio.create_task(read(mux))
    call = await line.next_call()
    call.say((0, "a"), (1, "x"))
    call.say((1, "y"), (0, "b"), (0, reply("ab")), (0, "late"))
    call.say((1, "z"), (1, reply("xyz")))
    assert await one == [TextDelta("a"), TextDelta("b"), ReplyDone(reply("ab"))]
    assert await two == [*map(TextDelta, "xyz"), ReplyDone(reply("xyz"))]


async def test_closing_gives_up_what_is_under_way(mux: Multiplexer, line: Line) -> None:
    """A replica that stops leaves no caller hanging."""
    waiting = asyncio.create_task(mux.complete(ask(), 30.0))
    call = await line.next_call()
    await mux.aclose()
    assert call.closed
    assert await kind_of(waiting) is ErrorKind.CONNECTION


async def test_a_batch_leaves_in_no_callers_context() -> None:
    """Serve cancels calls made in the context of a request that was cancelled: here, neighbours'."""
    whose = ContextVar[str]("whose")
    seen: list[str | None] = []

    async def send(items: Sequence[Item]) -> AsyncGenerator[list[Event], None]:
        seen.append(whose.get(None))
        yield [(index, reply()) for index in range(len(items))]

    mux = Multiplexer("openai", send, Line().cancel)
    whose.set("the first caller's")
    await mux.complete(ask(), 30.0)
    assert seen == [None]


async def test_images_leave_in_calls_that_a_replica_takes() -> None:
    """Eight of eight megabytes are two calls: one would be over a replica's gRPC message."""
    line = Line()
    mux = Multiplexer("openai", line.send, line.cancel)
    picture = Image("image/png", data="A" * (BATCH_IMAGES_MAX // 4))
    seen = ChatRequest("m", (Message("user", "look", images=(picture,)),))
    # The first of a tick would leave alone; these wait for one another.
    asks = [asyncio.create_task(mux.complete(seen, 30.0)) for _ in range(8)]
    while sum(len(call.items) for call in line.calls) < 8:
        await line.next_call()
    assert [len(call.items) for call in line.calls] == [4, 4]
    for call in line.calls:
        call.say(*((index, reply()) for index in range(len(call.items))))
    assert len(await asyncio.gather(*asks)) == 8
    await mux.aclose()
