"""A platform's connection is changed while it answers: nothing is cut, and the old one is closed when it is idle."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest

from deployments.platforms.generations import GENERATIONS_MAX, Generations, TooManyGenerations
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

PLAN_S = 120.0


class Connection:
    """Answers with its name, when it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.may_answer = asyncio.Event()
        self.closed = asyncio.Event()

    def reply(self, request: ChatRequest) -> ChatReply:
        assert not self.closed.is_set()
        return ChatReply(self.name, FinishReason.STOP, Usage(1, 1), request.model)

    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        await self.may_answer.wait()
        return self.reply(request)

    async def stream(
        self, request: ChatRequest, deadline_s: float
    ) -> AsyncGenerator[ChatChunk, None]:
        yield TextDelta(self.name)
        await self.may_answer.wait()
        yield ReplyDone(self.reply(request))

    async def models(self) -> tuple[()]:
        return ()

    async def aclose(self) -> None:
        self.closed.set()


def asked(model: str) -> ChatRequest:
    return ChatRequest(model=model, messages=(Message("user", "hello"),), max_tokens=10)


async def test_what_is_under_way_ends_on_the_old_connection_and_then_it_is_closed() -> None:
    """A stream in mid-sentence and a plan's later call both find what they were made for."""
    old, new = Connection("old"), Connection("new")
    both = Generations(old, frozenset({"a", "b"}), PLAN_S)
    stream = both.stream(asked("a"), 60.0)
    first = await anext(stream)
    assert first == TextDelta("old")
    both.change(new, frozenset({"b", "c"}))
    new.may_answer.set()
    old.may_answer.set()
    for model, expected in (("a", "old"), ("b", "new"), ("c", "new"), ("unheard", "new")):
        assert (await both.complete(asked(model), 60.0)).text == expected
    await asyncio.sleep(PLAN_S - 1)
    assert not old.closed.is_set()
    await asyncio.sleep(2)
    # No plan needs it any more, and one answer still does.
    assert not old.closed.is_set()
    assert (await both.complete(asked("a"), 60.0)).text == "new"
    rest = [chunk async for chunk in stream]
    assert isinstance(rest[0], ReplyDone)
    await asyncio.sleep(1)
    assert old.closed.is_set()
    await both.aclose()
    assert new.closed.is_set()


async def test_more_changes_than_are_kept_wait_until_one_has_ended() -> None:
    connections = [Connection(str(n)) for n in range(GENERATIONS_MAX + 1)]
    all_of_them = Generations(connections[0], frozenset(), PLAN_S)
    for connection in connections[1:-1]:
        all_of_them.change(connection, frozenset())
    with pytest.raises(TooManyGenerations):
        all_of_them.change(connections[-1], frozenset())
    await asyncio.sleep(PLAN_S + 1)
    all_of_them.change(connections[-1], frozenset())
    await all_of_them.aclose()
    assert all(connection.closed.is_set() for connection in connections)


async def test_an_answer_nobody_waits_for_any_more_leaves_its_connection_idle() -> None:
    old = Connection("old")
    both = Generations(old, frozenset({"a"}), PLAN_S)
    task = asyncio.create_task(both.complete(asked("a"), 60.0))
    await asyncio.sleep(0)
    both.change(Connection("new"), frozenset({"a"}))
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await asyncio.sleep(PLAN_S + 1)
    assert old.closed.is_set()
    await both.aclose()
