"""The road reads a question only for the strategy that goes by it, and marks what that one spends."""

import random
from dataclasses import replace
from typing import Any, cast

import pytest

from config.quality import read_quality
from deployments.agent.executor import Executor
from deployments.agent.road import Departure, Limits, Road, RoadOptions
from deployments.agent.witness import Witness
from routing.budget import Payer
from routing.catalog import Catalog
from routing.exchange import ChatRequest
from routing.message import Message
from routing.policies import POLICIES
from routing.policies.balanced import Weights
from routing.policy import Strategy
from routing.scorecard import Snapshot
from tests.unit.agent.worlds import Board, Scripted, reply
from tests.unit.routing.worlds import platform
from tests.unit.virtual_time import LoopClock

QUESTION = "Do I get my money back for the second invoice?"
TURNS = (Message("user", "hello"), Message("assistant", "hi"), Message("user", QUESTION))


class _Still(Board):
    snapshot = Snapshot(1, "local", 0.0, {})


class _Forgetful:
    """Decisions and worlds that nobody asks for again."""

    async def put(self, *_: object) -> None:
        pass


class World:
    """One platform, on a road that answers by `adaptive` where nobody says otherwise."""

    def __init__(self) -> None:
        clock, blank = LoopClock(), cast("Any", _Forgetful())
        self.board = _Still()
        catalog = Catalog([platform("openai")])
        self.road = Road(
            catalog,
            self.board,
            Executor({"openai": Scripted([reply()])}, catalog, self.board, clock),
            Witness(catalog, blank, blank, Weights(), clock),
            RoadOptions(Strategy.ADAPTIVE, POLICIES, (), 4, 30.0, 60.0, read_quality()),
            clock,
            random.Random(1),  # noqa: S311
        )

    async def depart(self, strategy: Strategy | None = None) -> Departure:
        request = ChatRequest(model="", messages=TURNS)
        began = LoopClock().monotonic()
        return await self.road.depart(Payer("acme"), request, Limits(strategy=strategy), began)


async def test_adaptive_reads_the_last_message() -> None:
    departure = await World().depart()
    assert departure.decision.question.facts.reading == read_quality().read(QUESTION)


@pytest.mark.parametrize("strategy", [s for s in Strategy if s is not Strategy.ADAPTIVE])
async def test_no_other_strategy_reads_anything(strategy: Strategy) -> None:
    assert (await World().depart(strategy)).decision.question.facts.reading is None


@pytest.mark.parametrize("strategy", list(Strategy))
async def test_only_what_adaptive_chose_is_paced(strategy: Strategy) -> None:
    world = World()
    await world.road.complete(await world.depart(strategy))
    assert [o.is_paced for o in world.board.outcomes] == [strategy is Strategy.ADAPTIVE]


async def test_what_was_read_says_nothing_of_the_text() -> None:
    """Figures alone are kept with the decision."""
    kept = replace((await World().depart()).decision.question).without_content({})
    assert kept.facts.reading is not None
    assert "money" not in repr(kept)
