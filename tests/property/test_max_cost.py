"""Whatever platforms do and bill, an answer never costs more than its caller's limit."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from typing_extensions import override

from deployments.agent.attempt import Journey
from deployments.agent.executor import Executor
from deployments.platforms.base import Platform
from routing.catalog import Catalog
from routing.errors import ErrorKind, PlatformError, RequestError, SupportMaxError
from routing.estimate import TaskFacts
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
from routing.money import Price, Tier
from routing.platform_profile import PlatformProfile
from routing.policy import Strategy
from routing.requirement import Requirements
from routing.scorecard import Snapshot
from tests.unit.agent.worlds import Board
from tests.unit.routing.worlds import asked, platform
from tests.unit.virtual_time import LoopClock, VirtualTimeLoop

REQUESTS = 100_000
WORLDS = 200
HEDGE_AFTER_S = 1.0
# What was charged and did not arrive.
_LOST = (ErrorKind.TIMEOUT, ErrorKind.CONNECTION, ErrorKind.STREAM_TRUNCATED, ErrorKind.BAD_REPLY)
# Shorter and longer than what tells an answer that begins anew, and of more bytes than characters.
_TEXTS = (
    "",
    "some words ",
    "Your invoice was paid twice by mistake in November. ",
    "返金は五営業日以内に。" * 9,
)
NAMES = ("openai", "anthropic", "azure_openai", "google_vertex")


class Vendor(Platform):
    """Bills as much as the wire lets it, fails at any moment, and bills for that as well."""

    def __init__(self, profile: PlatformProfile, rng: Random) -> None:
        self.profile = profile
        self.billed = Decimal(0)
        self._rng = rng
        self.input_bound = 0

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        await self._think()
        self._fail(request)
        usage = self._usage(request)
        self._bill(usage)
        return self._told(ChatReply("", FinishReason.STOP, usage, request.model))

    @override
    async def stream(
        self, request: ChatRequest, deadline_s: float
    ) -> AsyncGenerator[ChatChunk, None]:
        await self._think()
        self._fail(request)
        usage = self._usage(request)
        self._bill(usage)  # before it says a word, so that nothing is missed when it is cut
        text = self._text(request)
        if text and self._rng.random() < 0.7:
            yield TextDelta(text)
            await self._think()
            if self._rng.random() < 0.5:
                raise self._error(self._rng.choice(_LOST))
        yield ReplyDone(self._told(ChatReply(text, FinishReason.STOP, usage, request.model)))

    @override
    async def aclose(self) -> None:
        pass

    def _fail(self, request: ChatRequest) -> None:
        if self._rng.random() < 0.3:
            kind = self._rng.choice(list(ErrorKind))
            usage = self._usage(request)
            if kind in _LOST:
                self._bill(usage)
            elif kind in {ErrorKind.CONTENT_FILTERED, ErrorKind.CONTEXT_TOO_LONG}:
                self._bill(replace(usage, output_tokens=0))  # as Azure may
            raise self._error(kind)

    async def _think(self) -> None:
        # Whole seconds, so that two may answer in one moment; seldom, or it would be a slow day.
        await asyncio.sleep(self._rng.choice((1.0, 2.0)) if self._rng.random() < 0.1 else 0.0)

    def _text(self, request: ChatRequest) -> str:
        """Some words; of a second half, now and then the first again, as models do that begin anew."""
        began = next((m.text for m in request.messages if m.role == "assistant"), "")
        if began and self._rng.random() < 0.5:
            return began[: self._rng.randint(1, 60)]
        return self._rng.choice(_TEXTS)

    def _told(self, reply: ChatReply) -> ChatReply:
        """The reply, its bill now and then not to be read from it."""
        match self._rng.randrange(20):
            case 0:
                return replace(reply, usage=Usage())
            case 1:
                return replace(reply, service_tier="of a name that no list has")
            case _:
                return reply

    def _usage(self, request: ChatRequest) -> Usage:
        # A continuation's input grows by what was said and by the demand to go on: bytes, at most.
        extra = sum(len(m.text.encode()) + 16 for m in request.messages[1:])
        most = self.input_bound + extra
        tokens = most if self._rng.random() < 0.3 else self._rng.randint(1, most)
        cached = self._rng.randint(0, tokens)
        written = self._rng.randint(0, tokens - cached)
        out = (
            request.max_tokens
            if self._rng.random() < 0.3
            else self._rng.randint(0, request.max_tokens)
        )
        return Usage(tokens, cached, written, out, 0)

    def _bill(self, usage: Usage) -> None:
        assert self.profile.price is not None
        self.billed += self.profile.price.cost(usage) or Decimal(0)

    def _error(self, kind: ErrorKind) -> PlatformError:
        refuses = kind in {ErrorKind.CONTENT_FILTERED, ErrorKind.CONTEXT_TOO_LONG}
        return PlatformError(
            self.profile.name, kind, "it does that", status=400 if refuses else None
        )


def price(rng: Random) -> Price:
    def rate() -> Decimal:
        return Decimal(rng.randint(0, 5_000_000)).scaleb(-5)

    dearer = Tier(rate() * 2, rate() * 2, above_input_tokens=rng.choice([500, 2_000, 100_000]))
    return Price(rate(), rate(), rate(), rate(), per_call=rate() / 1000, tiers=(dearer,))


def profiles(rng: Random) -> list[PlatformProfile]:
    return [
        replace(
            platform(name, price=price(rng), max_output_tokens=rng.randint(16, 4_000)),
            model=f"model-{n}",
        )
        for name in NAMES[: rng.randint(1, 4)]
        for n in range(rng.randint(1, 3))
    ]


def limit(rng: Random) -> Decimal:
    # From hopeless to ample, on a scale of its own for every request.
    return Decimal(str(round(10 ** rng.uniform(-6, 0.5), 12)))


async def one(
    executor: Executor, vendors: dict[str, list[Vendor]], catalog: Catalog, rng: Random
) -> Journey | None:
    facts = TaskFacts(
        input_bytes=rng.randint(1, 4_000), messages=2, max_tokens=rng.randint(1, 4_000)
    )
    most = limit(rng)
    try:
        decision = asked(
            catalog.profiles,
            Snapshot.empty("us"),
            Requirements(max_cost_usd=most),
            facts,
            strategy=rng.choice(list(Strategy)),
            seed=rng.getrandbits(40),
        )
    except RequestError:
        return None
    everyone = [vendor for of_platform in vendors.values() for vendor in of_platform]
    for vendor in everyone:
        vendor.billed, vendor.input_bound = Decimal(0), facts.input_tokens_bound
    plan = decision.plan
    if len({attempt.platform for attempt in plan.attempts[:2]}) == 2:
        plan = replace(plan, hedge_after_s=HEDGE_AFTER_S)
    journey = Journey(
        plan=plan,
        request=ChatRequest(model="", messages=(Message("user", ""),)),
        tenant="acme",
        answer_id="ans_1",
        began=asyncio.get_running_loop().time(),
        facts=facts,
        left_usd=most,
    )
    try:
        if rng.random() < 0.5:
            await executor.complete(journey)
        else:
            async for _ in executor.stream(journey):
                pass
    except SupportMaxError:
        pass
    at_most_usd = journey.spent.at_most_usd
    assert at_most_usd is not None
    assert sum(vendor.billed for vendor in everyone) <= at_most_usd <= most
    return journey


class ByModel(Platform):
    """The models of one platform behind one door, as in the product."""

    def __init__(self, vendors: list[Vendor]) -> None:
        self._by_model = {vendor.profile.model: vendor for vendor in vendors}

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        return await self._by_model[request.model].complete(request, deadline_s)

    @override
    def stream(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[ChatChunk, None]:
        return self._by_model[request.model].stream(request, deadline_s)

    @override
    async def aclose(self) -> None:
        pass


async def everything() -> Counter[str]:
    seen = Counter[str]()
    for seed in range(WORLDS):
        rng = Random(seed)  # noqa: S311  a seed, not a secret
        catalog = Catalog(profiles(rng))
        vendors = {
            name: [Vendor(profile, rng) for profile in catalog.of(name)]
            for name in catalog.platforms
        }
        doors = {name: ByModel(those) for name, those in vendors.items()}
        executor = Executor(doors, catalog, Board(), LoopClock())
        for _ in range(REQUESTS // WORLDS):
            journey = await one(executor, vendors, catalog, rng)
            if journey is not None:
                seen["accepted"] += 1
                seen["hedged"] += bool(journey.hedged)
                seen["continued"] += bool(journey.said) and len(journey.tried) > 1
    return seen


@pytest.mark.timeout(480)  # 40 s of CPU on an idle machine
def test_no_answer_of_a_hundred_thousand_costs_more_than_its_limit() -> None:
    """Retries, failures that are billed, continuations, hedges and dear tiers included."""
    loop = VirtualTimeLoop()
    try:
        seen = loop.run_until_complete(everything())
    finally:
        loop.close()
    # Limits from hopeless to ample: a good part must have been accepted, or nothing was tested.
    assert seen["accepted"] > REQUESTS // 4
    assert seen["hedged"] > REQUESTS // 1000
    assert seen["continued"] > REQUESTS // 50
