"""Whenever prices change, and whichever of the two a vendor takes, no answer exceeds its limit."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from decimal import Decimal
from random import Random

from typing_extensions import override

from deployments.agent.attempt import Journey
from deployments.agent.executor import Executor
from deployments.platforms.base import Platform
from routing.catalog import Catalog, Catalogs
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
from routing.platform_profile import PlatformProfile
from routing.policy import Strategy
from routing.price_calendar import PriceCalendar
from routing.requirement import Requirements
from routing.scorecard import Snapshot
from tests.property.test_max_cost import NAMES, limit, price
from tests.unit.agent.worlds import Board
from tests.unit.routing.worlds import NOW, asked, platform
from tests.unit.virtual_time import VirtualTimeLoop

REQUESTS = 10_000
WORLDS = 100
DEADLINE_S = 60.0
MIDNIGHT = NOW


class WallClock:
    """The loop's time, set anew for every request."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> float:
        return self.monotonic() + self._ahead

    def set(self, now: float) -> None:
        self._ahead = now - self.monotonic()


class Vendor(Platform):
    """All models of a platform. It takes its time, up to the deadline, and bills as it likes:

    by the prices of the moment it was called, or of the moment it ends.
    """

    def __init__(self, prices: "Prices", name: str, clock: WallClock, rng: Random) -> None:
        self.billed, self.input_bound = Decimal(0), 0
        self._prices, self._name, self._clock, self._rng = prices, name, clock, rng

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        async with contextlib.aclosing(self.stream(request, deadline_s)) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, ReplyDone):
                    return chunk.reply
        raise AssertionError("it has an end")

    @override
    async def stream(
        self, request: ChatRequest, deadline_s: float
    ) -> AsyncGenerator[ChatChunk, None]:
        rng, called = self._rng, self._clock.now()
        if rng.random() < 0.2:
            raise PlatformError(self._name, ErrorKind.OVERLOADED, "it does that")
        takes_s = rng.uniform(0.0, 1.2 * deadline_s)
        usage = self._usage(request)
        # Noted at once, so that nothing is missed of a call that is cut off.
        ends = called + min(takes_s, deadline_s)
        self._bill(request, usage, rng.choice((called, ends, rng.uniform(called, ends))))
        if rng.random() < 0.5:
            yield TextDelta("some words ")
            await asyncio.sleep(min(takes_s, deadline_s))
            if rng.random() < 0.3:
                raise PlatformError(self._name, ErrorKind.STREAM_TRUNCATED, "it does that")
        else:
            await asyncio.sleep(min(takes_s, deadline_s))
        if takes_s > deadline_s:
            raise PlatformError(self._name, ErrorKind.TIMEOUT, "it does that")
        yield ReplyDone(ChatReply("some words ", FinishReason.STOP, usage, request.model))

    @override
    async def aclose(self) -> None:
        pass

    def _usage(self, request: ChatRequest) -> Usage:
        # A continuation's input grows by what was said and by the demand to go on: bytes, at most.
        extra = sum(len(m.text.encode()) + 16 for m in request.messages[1:])
        tokens = self._rng.randint(1, self.input_bound + extra)
        return Usage(tokens, 0, 0, self._rng.choice((request.max_tokens, 1)), 0)

    def _bill(self, request: ChatRequest, usage: Usage, at: float) -> None:
        profile = self._prices.at(at).by_target[f"{self._name}/{request.model}"]
        assert profile.price is not None
        self.billed += profile.price.cost(usage) or Decimal(0)


class Prices:
    """What vendors charge: one list until midnight, and another from then on."""

    def __init__(self, rng: Random) -> None:
        before = [
            replace(platform(name, price=price(rng)), model=f"model-{n}")
            for name in NAMES[: rng.randint(1, 3)]
            for n in range(rng.randint(1, 2))
        ]
        self.before = Catalog(before)
        self.after = Catalog(self._changed(profile, rng) for profile in before)

    def at(self, now: float) -> Catalog:
        return self.before if now < MIDNIGHT else self.after

    def profile(self, target: str, now: float) -> PlatformProfile:
        return self.at(now).by_target[target]

    def _changed(self, profile: PlatformProfile, rng: Random) -> PlatformProfile:
        assert profile.price is not None
        if rng.random() < 0.3:
            return profile
        changed = price(rng)
        return replace(profile, price=replace(changed, per_call=profile.price.per_call))


async def one(
    executor: Executor, ours: Catalogs, vendors: Mapping[str, Vendor], clock: WallClock, rng: Random
) -> bool:
    clock.set(MIDNIGHT + rng.uniform(-DEADLINE_S, 5.0))
    facts = TaskFacts(
        input_bytes=rng.randint(1, 4_000), messages=2, max_tokens=rng.randint(1, 4_000)
    )
    most, now = limit(rng), clock.now()
    try:
        decision = asked(
            ours.at(now).profiles,
            Snapshot.empty("us"),
            Requirements(max_cost_usd=most),
            facts,
            strategy=rng.choice(list(Strategy)),
            deadline_s=DEADLINE_S,
            seed=rng.getrandbits(40),
            now=now,
        )
    except RequestError:
        return False
    for vendor in vendors.values():
        vendor.billed, vendor.input_bound = Decimal(0), facts.input_tokens_bound
    journey = Journey(
        plan=decision.plan,
        request=ChatRequest(model="", messages=(Message("user", ""),)),
        tenant="acme",
        answer_id="ans_1",
        began=clock.monotonic(),
        facts=facts,
        left_usd=most,
    )
    try:
        if rng.random() < 0.5:
            await executor.complete(journey)
        else:
            async with contextlib.aclosing(executor.stream(journey)) as steps:
                async for _ in steps:
                    pass
    except SupportMaxError:
        pass
    assert sum(vendor.billed for vendor in vendors.values()) <= most
    assert journey.spent.usd is not None
    assert journey.spent.usd <= most
    return now < MIDNIGHT <= clock.now()


async def everything() -> int:
    straddled = 0
    for seed in range(WORLDS):
        rng, clock = Random(seed), WallClock()  # noqa: S311  a seed, not a secret
        prices = Prices(rng)
        ours = PriceCalendar(prices.before, [(MIDNIGHT, prices.after)], DEADLINE_S)
        vendors = {name: Vendor(prices, name, clock, rng) for name in prices.before.platforms}
        executor = Executor(vendors, ours, Board(), clock)
        for _ in range(REQUESTS // WORLDS):
            straddled += await one(executor, ours, vendors, clock, rng)
    return straddled


def test_no_answer_across_a_change_of_price_costs_more_than_its_limit() -> None:
    """Prices rise and fall at midnight; calls, failures and continuations lie on either side."""
    loop = VirtualTimeLoop()
    try:
        straddled = loop.run_until_complete(everything())
    finally:
        loop.close()
    # A good part must have begun on one day and ended on the next, or nothing was tested.
    assert straddled > REQUESTS // 10
