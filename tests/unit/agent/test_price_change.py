"""A price changes at midnight while the process runs: what is decided, billed and kept follows."""

import asyncio
import json
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pytest

from actors.database.decisions import NewDecision
from deployments.agent.accountant import Accountant
from deployments.agent.certificate import read_certificate, replay
from deployments.agent.executor import Executor
from deployments.agent.road import Arrival, Limits, Road, RoadOptions
from deployments.agent.witness import Witness
from routing.budget import Payer
from routing.catalog import Catalog
from routing.decision import Decision
from routing.errors import ErrorKind, NoPlatformAvailable, RequestError
from routing.exchange import ChatRequest
from routing.message import JsonObject, Message
from routing.money import Price, price_table_hash
from routing.policies import POLICIES
from routing.policies.balanced import Weights
from routing.policy import Strategy
from routing.price_calendar import PriceCalendar
from routing.requirement import Requirements
from routing.savings import Saving, pico_of
from routing.scorecard import Snapshot
from tests.unit.agent.worlds import Board, Scripted, fails, reply
from tests.unit.routing.worlds import platform
from tests.unit.virtual_time import LoopClock

MIDNIGHT = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
DEADLINE_S = 30.0
REQUEST = ChatRequest(model="", messages=(Message("user", "hello"),))
OLD, NEW, OTHER = (Price(Decimal(rate), Decimal(rate)) for rate in (1, 4, 2))
OLD_USD, NEW_USD, OTHER_USD = Decimal("0.0011"), Decimal("0.0044"), Decimal("0.0022")
"""Of a reply with 1,000 tokens in and 100 out."""


def catalog(price: Price) -> Catalog:
    return Catalog([platform("openai", price=price), platform("anthropic", price=OTHER)])


CALENDAR = PriceCalendar(catalog(OLD), [(MIDNIGHT, catalog(NEW))], DEADLINE_S)


class Kept:
    """Decisions, worlds and savings rows as they were put."""

    def __init__(self) -> None:
        self.decisions: list[JsonObject] = []
        self.parts: dict[str, bytes] = {}
        self.rows: list[Saving] = []

    async def put(self, *given: Any) -> None:
        match given:
            case ([NewDecision(), *_] as decisions,):
                self.decisions += [new.body for new in decisions]
            case (dict() as parts, _):
                self.parts |= parts
            case (list() as rows,):
                self.rows += rows
            case unknown:
                raise AssertionError(unknown)


class Still(Board):
    snapshot = Snapshot(1, "local", 0.0, {})


class World:
    """The cheapest is asked first: openai until midnight, which is `in_s` away, then anthropic."""

    def __init__(self, in_s: float, openai: Scripted, anthropic: Scripted) -> None:
        began = LoopClock().monotonic()
        clock, self.kept, self.board = LoopClock(MIDNIGHT - in_s - began), Kept(), Still()
        kept: Any = self.kept
        platforms = {"openai": openai, "anthropic": anthropic}
        self.accountant = Accountant(CALENDAR, self.kept, clock)
        self.road = Road(
            CALENDAR,
            self.board,
            Executor(platforms, CALENDAR, self.board, clock),
            Witness(CALENDAR, kept, kept, Weights(), clock),
            RoadOptions(Strategy.COST_OPTIMIZED, POLICIES, (), 4, DEADLINE_S, DEADLINE_S),
            clock,
            random.Random(1),  # noqa: S311
            accountant=self.accountant,
        )

    async def ask(self, **limits: Any) -> tuple[Decision, Arrival]:
        began = LoopClock().monotonic()
        asked = await self.road.depart(Payer("acme"), REQUEST, Limits(**limits), began)
        return asked.decision, await self.road.complete(asked)

    async def row(self) -> Saving:
        await self.accountant.aclose()
        return self.kept.rows[-1]

    @property
    def billed(self) -> list[Decimal | None]:
        return [outcome.cost_usd for outcome in self.board.outcomes]


def answers(count: int = 4) -> Scripted:
    return Scripted(*[[reply()]] * count)


def bound_of(decision: Decision, platform: str) -> Decimal | None:
    return next(c.cost_bound_usd for c in decision.candidates if c.platform == platform)


def hash_of(catalog: Catalog) -> str:
    return price_table_hash({p.target: p.price for p in catalog.profiles})


async def test_one_process_charges_the_new_price_from_midnight_on() -> None:
    """The decision, its hash, the ledger's cost, the savings row: all of them, and no restart."""
    world = World(3_600.0, answers(), answers())
    before, arrival = await world.ask()
    assert (before.chosen, arrival.cost_usd, world.billed) == ("openai", OLD_USD, [OLD_USD])
    assert before.world["prices"] == hash_of(catalog(OLD))
    assert (await world.row()).default_pico_usd == pico_of(OLD_USD)

    await asyncio.sleep(3_600.0)  # to the very second
    after, arrival = await world.ask()
    assert (after.chosen, arrival.cost_usd) == ("anthropic", OTHER_USD)
    assert after.world["prices"] == hash_of(catalog(NEW))
    assert after.world["snapshot"] == before.world["snapshot"]
    row = await world.row()
    assert (row.default_pico_usd, row.cheapest_pico_usd) == (pico_of(NEW_USD), pico_of(OTHER_USD))

    _, arrival = await world.ask(platform="openai")
    assert arrival.cost_usd == world.billed[-1] == NEW_USD


async def test_the_last_moment_of_a_day_has_its_price_and_the_first_of_the_next_the_new_one() -> (
    None
):
    for in_s, usd in ((0.001, OLD_USD), (0.0, NEW_USD)):
        world = World(in_s, answers(), answers())
        _, arrival = await world.ask(platform="openai")
        assert arrival.cost_usd == world.billed[0] == usd


async def test_a_limit_that_only_the_old_price_keeps_is_refused_before_it_can_be_broken() -> None:
    """An hour before midnight it is met; where the answer may come after it, it cannot be."""
    world = World(3_600.0, answers(), answers())
    # 16 tokens of answer and at most 101 of input: 0.000117 USD until midnight, then four times that.
    within = {"platform": "openai", "requirements": Requirements(max_cost_usd=Decimal("0.0003"))}
    early, _ = await world.ask(**within)
    await asyncio.sleep(3_600.0 - DEADLINE_S)
    with pytest.raises(RequestError, match="cost"):
        await world.ask(**within)
    late, _ = await world.ask(platform="openai")
    bounds_usd = bound_of(early, "openai"), bound_of(late, "openai")
    assert bounds_usd[0] is not None
    assert bounds_usd[0] <= Decimal("0.0003")
    assert bounds_usd[1] == NEW.bound(101, REQUEST.max_tokens)


async def test_an_attempt_after_midnight_is_billed_anew_within_the_old_promise() -> None:
    """openai is asked at 23:59:59 and fails at 00:00:01; the attempts after it are of another day."""
    busy = fails(ErrorKind.OVERLOADED)
    world = World(1.0, Scripted([2.0, busy], [reply()]), answers())
    most = Requirements(max_cost_usd=Decimal("0.02"))
    decision, arrival = await world.ask(requirements=most, platform="openai")
    assert world.billed == [0, NEW_USD]
    assert arrival.cost_usd == NEW_USD
    bound_usd = bound_of(decision, "openai")
    assert bound_usd is not None
    assert arrival.cost_usd <= bound_usd
    row = await world.row()
    assert row.actual_pico_usd == pico_of(NEW_USD)


async def test_a_decision_of_yesterday_comes_out_the_same_today() -> None:
    """From what was kept with it, on either side of midnight and on its eve."""
    world = World(3_600.0, answers(), answers())
    for wait_s in (0.0, 3_600.0 - DEADLINE_S, DEADLINE_S, 86_400.0):
        await asyncio.sleep(wait_s)
        await world.ask()
    await asyncio.sleep(1.0)
    assert len({cast("JsonObject", body["world"])["prices"] for body in world.kept.decisions}) == 3
    assert len(world.kept.decisions) == 4
    for body in world.kept.decisions:
        plain = json.loads(json.dumps(body))
        certificate = read_certificate(plain.pop("certificate"))
        taken = replay(certificate, world.kept.parts, plain["id"])
        assert json.loads(json.dumps({**taken.to_json(), "world": plain["world"]})) == plain
        assert certificate.prices == plain["world"]["prices"]


async def test_a_decision_that_is_kept_after_midnight_is_kept_with_the_prices_it_rests_on() -> None:
    """It departs a moment before and is sent a moment after."""
    world = World(0.5, answers(), answers())
    began = LoopClock().monotonic()
    asked = await world.road.depart(Payer("acme"), REQUEST, Limits(), began)
    await asyncio.sleep(1.0)
    await world.road.complete(asked)
    await asyncio.sleep(1.0)
    (body,) = world.kept.decisions
    certificate = cast("JsonObject", body["certificate"])
    assert certificate["catalog"] == asked.decision.world["catalog"]
    assert certificate["catalog"] in world.kept.parts
    assert world.billed == [NEW_USD]


async def test_money_spent_in_vain_across_midnight_is_kept_as_it_was_billed() -> None:
    """Every attempt by its own day's price."""
    lost = fails(ErrorKind.TIMEOUT)
    world = World(1.0, Scripted([2.0, lost], [lost]), Scripted([lost], [lost]))
    with pytest.raises(NoPlatformAvailable):
        await world.ask()
    row = await world.row()
    assert not row.answered
    assert row.actual_pico_usd == sum(pico_of(usd) for usd in world.billed if usd is not None)
