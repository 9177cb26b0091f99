"""The replica's half: every item of a batch ends, by itself, whatever happens to the others."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise

import pytest
from typing_extensions import override

from deployments.platforms.base import Platform
from deployments.platforms.batch import PACE_S, BatchRunner
from deployments.platforms.multiplex import Event, Item
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

Told = str | float | ChatReply | Exception
"""More text, a pause in seconds, the whole answer, or what goes wrong."""


class Scripted(Platform):
    """Says of each request what its text asks for; notes its deadlines and who was cut off."""

    def __init__(self, **scripts: Sequence[Told]) -> None:
        self._scripts = scripts
        self.cut: list[str] = []
        self.deadlines: list[float] = []

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        async for chunk in self.stream(request, deadline_s):
            if isinstance(chunk, ReplyDone):
                return chunk.reply
        raise AssertionError("a script for `complete` has an end")

    @override
    async def stream(
        self, request: ChatRequest, deadline_s: float
    ) -> AsyncGenerator[ChatChunk, None]:
        self.deadlines.append(deadline_s)
        name = request.messages[0].text
        try:
            for told in self._scripts[name]:
                match told:
                    case str(text):
                        yield TextDelta(text)
                    case float(pause_s):
                        await asyncio.sleep(pause_s)
                    case ChatReply() as reply:
                        yield ReplyDone(reply)
                    case error:
                        raise error
        except (asyncio.CancelledError, GeneratorExit):
            self.cut.append(name)
            raise

    @override
    async def aclose(self) -> None:
        pass


def item(name: str, *, stream: bool = True, deadline_s: float = 30.0) -> Item:
    request = ChatRequest(model="m", messages=(Message("user", name),))
    return Item(f"id-{name}", stream, request, deadline_s)


def reply(text: str = "hi") -> ChatReply:
    return ChatReply(text, FinishReason.STOP, Usage(), "m")


def runner(platform: Platform, in_flight_max: int = 100, timeout_s: float = 60.0) -> BatchRunner:
    return BatchRunner("openai", platform, in_flight_max=in_flight_max, timeout_s=timeout_s)


async def collect(events: AsyncGenerator[list[Event], None]) -> list[Event]:
    return [event async for several in events for event in several]


def ends(events: Sequence[Event]) -> dict[int, object]:
    said = {index: payload for index, payload in events if not isinstance(payload, str)}
    assert len(said) == sum(not isinstance(payload, str) for _, payload in events)
    return {
        index: payload.kind if isinstance(payload, PlatformError) else payload
        for index, payload in said.items()
    }


def text_of(events: Sequence[Event], index: int) -> str:
    return "".join(p for i, p in events if i == index and isinstance(p, str))


async def test_every_item_of_a_batch_gets_its_own_text_and_its_own_end() -> None:
    """Streams and whole answers share a batch; failures stay where they happen."""
    limited = PlatformError("openai", ErrorKind.RATE_LIMITED, "slow down", 3.0, 429)
    platform = Scripted(one=["a", 0.1, "b", reply("ab")], two=[reply("two")], three=["x", limited])
    events = await collect(
        runner(platform).run([item("one"), item("two", stream=False), item("three")])
    )
    assert ends(events) == {0: reply("ab"), 1: reply("two"), 2: ErrorKind.RATE_LIMITED}
    assert [text_of(events, index) for index in range(3)] == ["ab", "", "x"]


async def test_the_first_text_is_passed_on_at_once_and_the_rest_at_a_steady_pace() -> None:
    """Coalescing costs a reader at most one pace, and the first word none."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    words: list[Told] = [told for word in "abcdefghij" for told in (word, 0.001)]
    seen: list[tuple[float, list[Event]]] = [
        (loop.time() - began, events)
        async for events in runner(Scripted(one=[*words, reply()])).run([item("one")])
    ]
    assert seen[0][0] == pytest.approx(0.0)
    assert text_of([event for _, events in seen for event in events], 0) == "abcdefghij"
    gaps = [b - a for (a, _), (b, _) in pairwise(seen)]
    assert min(gaps) >= PACE_S * 0.999
    assert len(seen) < len("abcdefghij")


async def test_beyond_its_bound_a_replica_refuses_items_and_keeps_the_others() -> None:
    """The refusal is `saturated`, which says nothing about the platform."""
    platform = Scripted(one=[1.0, reply("one")], two=[reply("two")], three=[reply("three")])
    events = await collect(
        runner(platform, in_flight_max=2).run([item("one"), item("two"), item("three")])
    )
    assert ends(events) == {0: reply("one"), 1: reply("two"), 2: ErrorKind.SATURATED}


async def test_an_adapters_bug_reaches_the_caller_as_an_error_that_names_no_internals(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The caller hears the kind of bug at once; its words stay in the log."""
    platform = Scripted(
        one=["a", KeyError("secret words")], two=[ValueError("secret words")], three=[reply()]
    )
    events = await collect(
        runner(platform).run([item("one"), item("two", stream=False), item("three")])
    )
    assert ends(events) == {0: ErrorKind.BAD_REPLY, 1: ErrorKind.BAD_REPLY, 2: reply()}
    failures = [payload for _, payload in events if isinstance(payload, PlatformError)]
    assert sorted(f.detail for f in failures) == ["our adapter failed"] * 2
    assert "secret words" in caplog.text


async def test_a_stream_without_an_end_is_truncated() -> None:
    """However much text came, an answer is whole only if the platform said so."""
    events = await collect(runner(Scripted(one=["half an answ"])).run([item("one")]))
    assert ends(events) == {0: ErrorKind.STREAM_TRUNCATED}


async def test_an_item_has_the_shorter_of_its_own_time_and_the_platforms() -> None:
    """What an operator allows one attempt bounds what a caller may have left."""
    platform = Scripted(one=[reply()], two=[reply()])
    replica = runner(platform, timeout_s=10.0)
    await collect(replica.run([item("one", deadline_s=30.0), item("two", deadline_s=5.0)]))
    assert platform.deadlines == [10.0, 5.0]


async def test_cancelling_one_item_cuts_its_call_and_leaves_the_others_alone() -> None:
    """The vendor's connection is given up for the one who left."""
    platform = Scripted(one=["a", 60.0, reply()], two=[2.0, reply("two")])
    replica = runner(platform)
    running = asyncio.create_task(collect(replica.run([item("one"), item("two")])))
    await asyncio.sleep(1.0)
    await replica.cancel(["id-one", "id-of-somebody-else"])
    assert platform.cut == ["one"]
    assert replica.in_flight == 1
    assert ends(await running) == {0: ErrorKind.CONNECTION, 1: reply("two")}
    assert replica.in_flight == 0


async def test_an_item_cancelled_before_its_first_step_still_ends() -> None:
    """A cancel may overtake the task's start; the batch must not wait for ever."""
    replica = runner(Scripted(one=[reply()], two=[reply("two")]))
    events = replica.run([item("one"), item("two")])
    first = asyncio.ensure_future(anext(events))
    asyncio.get_running_loop().call_soon(cancel_now, replica, "id-one")
    said = await first
    said += await collect(events)
    assert ends(said) == {0: ErrorKind.CONNECTION, 1: reply("two")}
    assert replica.in_flight == 0


def cancel_now(replica: BatchRunner, key: str) -> None:
    replica._tasks[key].cancel()


async def test_a_batch_nobody_reads_any_more_gives_up_all_its_calls() -> None:
    """A caller's process that died leaves nothing running at the vendor."""
    platform = Scripted(one=["a", 60.0, reply()], two=[60.0, reply()])
    replica = runner(platform)
    async with contextlib.aclosing(replica.run([item("one"), item("two")])) as events:
        await anext(events)
    assert sorted(platform.cut) == ["one", "two"]
    assert replica.in_flight == 0


@pytest.mark.parametrize("stream", [True, False])
async def test_a_cancelled_run_leaves_nothing_behind(*, stream: bool) -> None:
    """Serve cancels the task that reads the batch; the calls end with it."""
    platform = Scripted(one=[60.0, reply()])
    replica = runner(platform)
    running = asyncio.create_task(collect(replica.run([item("one", stream=stream)])))
    await asyncio.sleep(1.0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert platform.cut == ["one"]
    assert replica.in_flight == 0
