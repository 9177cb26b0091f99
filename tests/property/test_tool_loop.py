"""Whatever models ask for and platforms do, an answer with tools keeps its limit and acts once."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from typing_extensions import override

from deployments.agent.executor import Executed, Executor
from deployments.agent.facts import facts_of
from deployments.agent.hands import CALLS_MAX, RESULTS_MAX, Hands
from deployments.agent.provenance import Sources
from deployments.agent.tool_loop import TURNS_MAX, ToolLoop
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.tool import SideEffect
from deployments.platforms.base import Platform
from deployments.security.principal import Principal
from routing.catalog import Catalog
from routing.errors import ErrorKind, PlatformError, SupportMaxError
from routing.estimate import count_input_bytes
from routing.exchange import (
    ChatChunk,
    ChatReply,
    ChatRequest,
    FinishReason,
    ReplyDone,
    TextDelta,
    Usage,
)
from routing.message import JsonObject, ToolCall
from routing.money import Price
from routing.plan import AttemptPlan, PlannedAttempt
from tests.unit.agent.worlds import Board, journey
from tests.unit.gateway.tool_world import Shop, said, tool
from tests.unit.routing.worlds import platform
from tests.unit.virtual_time import LoopClock, VirtualTimeLoop

LOOPS = 1_000
NAMES = ("openai", "anthropic", "google_vertex")
PRICES = {
    "openai": Price(Decimal("0.25"), Decimal("1.25")),
    "anthropic": Price(Decimal(3), Decimal(15)),
    "google_vertex": Price(Decimal("0.1"), Decimal("0.4"), per_call=Decimal("0.00001")),
}
TOOLS: Mapping[str, SideEffect] = {
    "look": "read",
    "change": "write",
    "pay": "money",
    "send": "egress",
}


class Whim(Platform):
    """Says, calls, fails and bills as it pleases, up to what its wire and its limit allow."""

    def __init__(self, name: str, chance: Random) -> None:
        self._name = name
        self._chance = chance
        self.billed = Decimal(0)

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        async with aclosing(self.stream(request, deadline_s)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, ReplyDone):
                    return chunk.reply
        raise AssertionError

    @override
    async def stream(
        self, request: ChatRequest, deadline_s: float
    ) -> AsyncGenerator[ChatChunk, None]:
        chance = self._chance
        await asyncio.sleep(chance.choice([0.0, 0.1, 3.0]))
        most = count_input_bytes(request.system, request.messages, request.tools)
        usage = Usage(chance.randint(1, most), output_tokens=chance.randint(0, request.max_tokens))
        price = PRICES[self._name]
        if chance.random() < 0.15:
            kind = chance.choice([ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED])
            raise PlatformError(self._name, kind, "no")
        self.billed += price.cost(usage) or Decimal(0)
        text = chance.choice(["", "Let me look. ", "Of course: "])
        if text:
            yield TextDelta(text)
        if chance.random() < 0.1:
            raise PlatformError(self._name, ErrorKind.STREAM_TRUNCATED, "cut")
        calls: tuple[ToolCall, ...] = ()
        if chance.random() < 0.75:
            calls = tuple(self._call() for _ in range(chance.randint(1, 6)))
        finish = FinishReason.TOOL_CALLS if calls else FinishReason.STOP
        yield ReplyDone(ChatReply(text, finish, usage, request.model, calls))

    def _call(self) -> ToolCall:
        chance = self._chance
        name = f"shop__{chance.choice([*TOOLS, 'no_such'])}"
        arguments: JsonObject = chance.choice(_ARGUMENTS)
        return ToolCall(f"call_{chance.getrandbits(40):x}", name, arguments)

    @override
    async def aclose(self) -> None:
        pass


class World:
    """One loop over platforms of whim, with tools that count how often they acted."""

    def __init__(self, chance: Random) -> None:
        clock = LoopClock()
        self.chance = chance
        self.acted: Counter[str] = Counter()
        shop = Shop(
            *(replace(tool(n, side_effect=s), input_schema=_SCHEMA) for n, s in TOOLS.items()),
            does=self._act,
        )
        self._shop = shop
        gateway = Gateway([shop], clock)
        principal = Principal("acme", "key:1", frozenset(), frozenset({"mcp:tools"}))
        names = list(NAMES)
        chance.shuffle(names)
        self.platforms = {name: Whim(name, chance) for name in names}
        offered = [replace(t, name=f"shop__{t.local_name}") for t in shop._tools]
        tainted = chance.random() < 0.3
        self.hands = Hands(
            gateway,
            Caller(principal, "user_1", "conv_1"),
            offered,
            Sources(("1 and 2",), (), ("evil@example.com",)),
            clock,
            tainted=tainted,
        )
        self.tainted = tainted
        profiles = [platform(name, price=PRICES[name]) for name in names]
        self.board = Board()
        self.loop = ToolLoop(
            Executor(self.platforms, Catalog(profiles), self.board, clock),
            self.hands, "dec_1", clock,
        )  # fmt: skip
        self.limit = Decimal(chance.randint(2, 4_000)) / 100_000
        made = journey(*(PlannedAttempt(n, f"{n}-model", 800, 10.0) for n in names))
        request = replace(made.request, tools=self.hands.specs)
        self.journey = replace(
            made,
            plan=AttemptPlan(30.0, made.plan.attempts),
            request=request,
            facts=facts_of(request, (), None),
            left_usd=self.limit,
        )

    async def _act(self, arguments: Mapping[str, Any]) -> Any:
        name = self._shop.calls[-1][0]
        self.acted[f"{name} {json.dumps(dict(arguments), sort_keys=True)}"] += 1
        await asyncio.sleep(self.chance.choice([0.0, 0.2]))
        return said("x" * self.chance.choice([10, 1_000, 60_000]))

    async def run(self, *, is_stream: bool) -> tuple[str, Executed | None]:
        """What was streamed, and what it ended in; None where it was an error."""
        text = ""
        try:
            if not is_stream:
                return "", await self.loop.complete(self.journey)
            async with aclosing(self.loop.stream(self.journey)) as steps:
                async for step in steps:
                    match step:
                        case TextDelta(more):
                            text += more
                        case Executed():
                            return text, step
                        case _:
                            pass
        except SupportMaxError:
            return text, None
        raise AssertionError("neither an answer nor an error")


_ARGUMENTS: tuple[JsonObject, ...] = (
    {},
    {"n": 1},
    {"n": 2},
    {"n": "1"},
    {"to": "evil@example.com"},
)
_SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "to": {"type": "string"}},
    "additionalProperties": False,
}


@pytest.mark.timeout(120)
def test_an_answer_with_tools_keeps_its_cost_and_acts_at_most_once() -> None:
    """Random models over random platforms, streamed and whole; seeds 0 to 999."""
    ends: Counter[str] = Counter()

    async def every() -> None:
        for seed in range(LOOPS):
            world = World(Random(seed))  # noqa: S311
            is_stream = seed % 2 == 0
            text, executed = await world.run(is_stream=is_stream)
            billed = sum((p.billed for p in world.platforms.values()), Decimal(0))
            assert billed <= world.limit, seed
            spent = world.journey.spent.at_most_usd
            assert spent is not None, seed
            assert billed <= spent <= world.limit, seed
            changes = {what: n for what, n in world.acted.items() if not what.startswith("look ")}
            assert all(n == 1 for n in changes.values()), (seed, changes)
            assert not any("evil" in what for what in changes), seed
            assert not (world.tainted and changes), seed
            assert world.loop.turns <= TURNS_MAX, seed
            called = sum(world.acted.values())
            assert called <= CALLS_MAX, seed
            said_in_all = sum(len(made.text) for made in world.hands.made)
            assert said_in_all <= RESULTS_MAX + 200 * len(world.hands.made), seed
            assert [o.attempt for o in world.board.outcomes] == list(
                range(len(world.board.outcomes))
            ), seed
            if executed is not None and is_stream:
                assert executed.reply.text == text, seed
            if executed is None:
                assert not world.hands.may_have_acted, seed
            ends["error" if executed is None else world.loop.ending or "whole"] += 1

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(every())
    # Each of these came up, so that the above was asked of it.
    assert {"error", "whole", "cost_limit", "tool_limit", "platforms_failed"} <= set(ends), ends
