"""Tokens of an answer: taken before anybody is asked, and settled with what it was, however it ends."""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from config.limits import LimitSettings
from deployments.agent.executor import Executor
from deployments.agent.road import Departure, Limits, Road, RoadOptions
from deployments.agent.witness import Witness
from deployments.security.errors import RateLimited
from deployments.security.leased_limits import LeasedLimits
from deployments.security.shares import Shares
from deployments.security.token_limits import TokenLimits
from routing.budget import DAY_S, Payer
from routing.catalog import Catalog
from routing.errors import ErrorKind, RequestError, SupportMaxError
from routing.exchange import ChatRequest, Usage
from routing.message import Message
from routing.policies import POLICIES
from routing.policies.balanced import Weights
from routing.policy import Strategy
from routing.requirement import Requirements
from tests.unit.agent.test_accountant import Forgetful, Still
from tests.unit.agent.worlds import Scripted, Step, fails, reply
from tests.unit.routing.worlds import platform
from tests.unit.virtual_time import LoopClock

REQUEST = ChatRequest(model="", messages=(Message("user", "hello"),), max_tokens=800)
ANN = Payer("acme", "key1", "ann", "conv_1")
# Five bytes in two messages, and 800 to come.
ESTIMATE = 809
USED = 1_100
PER_DAY = 10_000


class World:
    """One platform that answers by its scripts, and so many tokens a day."""

    def __init__(self, *scripts: Sequence[Step], epoch: float = 0.0, **tokens: Any) -> None:
        clock, blank = LoopClock(epoch), cast("Any", Forgetful())
        catalog, board = Catalog([platform("openai")]), Still()
        self.platform = Scripted(*scripts)
        settings = LimitSettings.model_validate(
            {"tokens": tokens or {"tenant": {"per_day": PER_DAY}}}
        )
        self.limits = LeasedLimits(None, "r", Shares.fixed(clock, 1.0), clock)
        self.road = Road(
            catalog,
            board,
            Executor({"openai": self.platform}, catalog, board, clock),
            Witness(catalog, blank, blank, Weights(), clock),
            RoadOptions(Strategy.CAPABILITY, POLICIES, (), 1, 30.0, 60.0),
            clock,
            random.Random(1),  # noqa: S311
            tokens=TokenLimits(settings, self.limits, clock),
        )

    async def depart(self, payer: Payer = ANN, **limits: Any) -> Departure:
        return await self.road.depart(payer, REQUEST, Limits(**limits), LoopClock().monotonic())

    async def ask(self, payer: Payer = ANN) -> None:
        await self.road.complete(await self.depart(payer))

    @property
    def used(self) -> float:
        """What the one limit says was taken."""
        [account] = self.limits._accounts.values()
        return account.local.debt(account.own, LoopClock().monotonic())


async def test_tokens_are_taken_before_the_call_and_settled_after_it() -> None:
    world = World([reply()])
    departure = await world.depart()
    assert world.used == ESTIMATE
    await world.road.complete(departure)
    assert world.used == USED


async def test_what_there_are_no_tokens_for_is_refused_before_anybody_is_asked() -> None:
    world = World(*([reply()] for _ in range(9)))
    for _ in range(9):
        await world.ask()
    # 9,900 of 10,000: the next may take 809.
    with pytest.raises(RateLimited) as refused:
        await world.ask()
    assert len(world.platform.asked) == 9
    assert "100 of 10000 tokens left" in refused.value.detail
    assert refused.value.headers["ratelimit-policy"] == '"tenant-tokens-day";q=10000;w=86400'
    assert (refused.value.retry_after_s or 0.0) <= DAY_S


@pytest.mark.parametrize(
    ("script", "about"),
    [
        ([fails(ErrorKind.RATE_LIMITED)], 0),
        ([fails(ErrorKind.INVALID_REQUEST)], 0),
        ([fails(ErrorKind.CONNECTION)], 0),
        # Read, and nothing said: the input; half said: what was heard besides.
        ([fails(ErrorKind.TIMEOUT)], 9),
        (["x" * 400, fails(ErrorKind.STREAM_TRUNCATED)], 109),
        # A vendor that tells no figures.
        ([replace(reply("x" * 400), usage=Usage())], 109),
    ],
)
async def test_a_failed_or_a_cut_answer_is_settled_too(script: list[Step], about: int) -> None:
    world = World(script, [fails(ErrorKind.INVALID_REQUEST)])
    departure = await world.depart()
    with contextlib.suppress(SupportMaxError):
        async with contextlib.aclosing(world.road.stream(departure)) as steps:
            async for _ in steps:
                pass
    assert world.used == about


async def test_a_caller_who_leaves_gets_back_what_was_not_used() -> None:
    world = World(["x" * 40, 60.0, reply()])
    departure = await world.depart()
    steps = world.road.stream(departure)
    await anext(steps)
    assert world.used == ESTIMATE
    await steps.aclose()
    assert world.used == 19


async def test_a_request_that_nobody_can_answer_takes_nothing() -> None:
    world = World()
    with pytest.raises(RequestError):
        await world.depart(requirements=Requirements(regions=frozenset({"moon"})))
    assert world.used == 0.0


async def test_a_decision_that_is_only_looked_at_takes_nothing() -> None:
    world = World()
    (await world.depart()).settle()
    assert world.used == 0.0


async def test_each_customer_and_each_key_has_tokens_of_its_own() -> None:
    world = World(
        *([reply()] for _ in range(3)), user={"per_minute": 1_000}, key={"per_day": 2_000}
    )
    await world.ask()
    with pytest.raises(RateLimited, match="user-tokens-minute"):
        await world.ask()
    await world.ask(replace(ANN, user="bob"))
    with pytest.raises(RateLimited, match="key-tokens-day"):
        await world.ask(replace(ANN, user="cid"))
    await world.ask(replace(ANN, user="cid", key="key2"))


async def test_a_day_ends_at_midnight_and_a_minutes_tokens_come_back_evenly() -> None:
    world = World(
        *([reply()] for _ in range(9)),
        epoch=20_000 * DAY_S - 1_000.0 - 3_600.0,
        tenant={"per_day": 1_200, "per_minute": 1_200},
    )
    await world.ask()
    with pytest.raises(RateLimited) as refused:
        await world.ask()
    assert refused.value.retry_after_s == pytest.approx(3_600.0, abs=1.0)
    await asyncio.sleep(60.0)
    with pytest.raises(RateLimited, match="day"):
        await world.ask()
    await asyncio.sleep(3_600.0)
    await world.ask()
