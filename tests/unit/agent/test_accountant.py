"""What an answer cost is kept however it ended, and written without anybody waiting."""

import asyncio
import contextlib
import random
from decimal import Decimal
from typing import Any, cast

import pytest
from typing_extensions import override

from actors.database.errors import DatabaseBusy
from deployments.agent import accountant as accountants
from deployments.agent.accountant import WRITE_EVERY_S, Accountant
from deployments.agent.executor import Executor
from deployments.agent.road import Arrival, Limits, Road, RoadOptions
from deployments.agent.witness import Witness
from routing.budget import Payer
from routing.catalog import Catalog
from routing.errors import ErrorKind, NoPlatformAvailable, SupportMaxError
from routing.exchange import ChatRequest
from routing.message import Message
from routing.money import Price
from routing.policies import POLICIES
from routing.policies.balanced import Weights
from routing.policy import Strategy
from routing.savings import Saving, pico_of
from routing.scorecard import Snapshot
from tests.unit.agent.worlds import Board, Scripted, fails, reply
from tests.unit.routing.worlds import platform
from tests.unit.virtual_time import LoopClock

REQUEST = ChatRequest(model="", messages=(Message("user", "hello"),))


class Notebook:
    """Keeps rows, unless it is busy; notes how often it was asked to."""

    def __init__(self, *, busy: int = 0) -> None:
        self.rows: list[Saving] = []
        self.writes = 0
        self._busy = busy

    async def put(self, rows: list[Saving]) -> None:
        self.writes += 1
        if self.writes <= self._busy:
            raise DatabaseBusy("too many wait")
        self.rows += rows


class Forgetful:
    """Decisions and worlds that nobody asks for again."""

    async def put(self, *_: object) -> None:
        pass


class Still(Board):
    snapshot = Snapshot(1, "local", 0.0, {})

    @override
    def begin(self, platform: str) -> None:
        pass


class World:
    """openai is asked first and costs four times what anthropic does."""

    def __init__(self, openai: Scripted, anthropic: Scripted, *, busy: int = 0) -> None:
        clock, blank = LoopClock(), cast("Any", Forgetful())
        self.board, self.notebook = Still(), Notebook(busy=busy)
        catalog = Catalog(
            [
                platform("openai", price=Price(Decimal(4), Decimal(4)), quality=0.9),
                platform("anthropic", price=Price(Decimal(1), Decimal(1))),
            ]
        )
        self.accountant = Accountant(catalog, self.notebook, clock)
        self.road = Road(
            catalog,
            self.board,
            Executor({"openai": openai, "anthropic": anthropic}, catalog, self.board, clock),
            Witness(catalog, blank, blank, Weights(), clock),
            RoadOptions(Strategy.CAPABILITY, POLICIES, (), 4, 30.0, 60.0),
            clock,
            random.Random(1),  # noqa: S311
            accountant=self.accountant,
        )

    async def ask(self, **limits: Any) -> Arrival:
        began = LoopClock().monotonic()
        asked = await self.road.depart(Payer("acme"), REQUEST, Limits(**limits), began)
        return await self.road.complete(asked)

    async def row(self) -> Saving:
        """The one row there is, written."""
        await self.accountant.aclose()
        (found,) = self.notebook.rows
        return found

    @property
    def billed(self) -> int:
        """What the ledger is told of all attempts."""
        told = [o.cost_usd for o in self.board.outcomes if o.cost_usd is not None]
        return sum(map(pico_of, told))


def of_openai(*steps: Any) -> tuple[Scripted, Scripted]:
    return Scripted(list(steps)), Scripted([reply()], [reply()])


async def test_an_answer_is_kept_at_what_the_ledger_says_it_cost() -> None:
    """1,000 tokens in and 100 out at 4 USD a million; anthropic would have taken a quarter."""
    world = World(*of_openai(reply()))
    arrival = await world.ask()
    row = await world.row()
    assert row.actual_pico_usd == world.billed == 4400 * 10**6
    assert arrival.cost_usd == Decimal("0.0044")
    assert (row.default_target, row.default_pico_usd) == ("openai/openai-model", 4400 * 10**6)
    assert row.cheapest_pico_usd == 1100 * 10**6
    assert (row.tenant, row.platform, row.answered, row.routed) == ("acme", "openai", True, True)


async def test_a_failed_attempt_that_was_billed_is_part_of_what_the_answer_cost() -> None:
    """It stopped answering: the vendor bills what it read."""
    world = World(*of_openai(fails(ErrorKind.TIMEOUT)))
    await world.ask()
    row = await world.row()
    assert row.platform == "anthropic"
    assert row.cheapest_pico_usd == 1100 * 10**6
    assert row.actual_pico_usd == world.billed > 1100 * 10**6


async def test_money_spent_without_an_answer_is_kept_as_such() -> None:
    timeout = fails(ErrorKind.TIMEOUT)
    world = World(Scripted([timeout], [timeout]), Scripted([timeout], [timeout]))
    with pytest.raises(NoPlatformAvailable):
        await world.ask()
    row = await world.row()
    assert not row.answered
    assert row.actual_pico_usd == world.billed > 0
    assert row.default_pico_usd == 0


async def test_a_refusal_that_cost_nothing_is_not_kept() -> None:
    refused = fails(ErrorKind.CREDENTIALS)
    world = World(Scripted([refused], [refused]), Scripted([refused], [refused]))
    with pytest.raises(SupportMaxError):
        await world.ask()
    await world.accountant.aclose()
    assert world.notebook.rows == []


async def test_a_caller_who_leaves_has_cost_something_and_got_no_answer() -> None:
    world = World(*of_openai("some words of ", 60.0, reply()))
    began = LoopClock().monotonic()
    asked = await world.road.depart(Payer("acme"), REQUEST, Limits(stream=True), began)
    async with contextlib.aclosing(world.road.stream(asked)) as steps:
        await anext(steps)
    row = await world.row()
    assert not row.answered
    assert row.actual_pico_usd == world.billed > 0


async def test_a_stream_that_two_platforms_gave_is_estimated_for_both() -> None:
    """Neither's bill is that of the whole answer; ours is both together."""
    cut = fails(ErrorKind.STREAM_TRUNCATED)
    anthropic = Scripted(["and the rest of it.", reply("and the rest of it.", 5)])
    world = World(Scripted(["Some words ", cut]), anthropic)
    began = LoopClock().monotonic()
    asked = await world.road.depart(Payer("acme"), REQUEST, Limits(stream=True), began)
    steps = [step async for step in world.road.stream(asked)]
    assert isinstance(steps[-1], Arrival)
    row = await world.row()
    last = world.board.outcomes[-1].cost_usd
    assert last is not None
    assert row.actual_pico_usd == world.billed > pico_of(last)
    assert row.cheapest_pico_usd not in {None, pico_of(last)}


async def test_what_a_caller_fixed_is_kept_and_not_compared() -> None:
    world = World(*of_openai(reply()))
    await world.ask(platform="openai")
    row = await world.row()
    assert (row.routed, row.actual_pico_usd) == (False, world.billed)


async def test_a_default_that_is_off_is_no_alternative() -> None:
    world = World(*of_openai(reply()))
    catalog = Catalog([platform("openai")])
    found = Accountant(catalog, world.notebook, LoopClock(), "azure_openai")
    asked = await world.road.depart(Payer("acme"), REQUEST, Limits(), LoopClock().monotonic())
    arrival = await world.road.complete(asked)
    found.book(asked.decision, asked.journey, arrival.executed, resumed=False)
    await found.aclose()
    assert world.notebook.rows[-1].default_target is None


async def test_answers_that_come_together_are_written_together() -> None:
    world = World(Scripted(*[[reply()]] * 20), Scripted())
    for _ in range(20):
        await world.ask()
    assert world.notebook.writes == 0
    await asyncio.sleep(2 * WRITE_EVERY_S)
    assert (world.notebook.writes, len(world.notebook.rows)) == (1, 20)


async def test_a_busy_database_is_asked_again() -> None:
    world = World(Scripted([reply()], [reply()]), Scripted(), busy=2)
    await world.ask()
    await asyncio.sleep(2.5 * WRITE_EVERY_S)
    await world.ask()
    await asyncio.sleep(2.5 * WRITE_EVERY_S)
    assert len({row.answer_id for row in world.notebook.rows}) == len(world.notebook.rows) == 2


async def test_with_too_many_waiting_the_newest_are_dropped_aloud(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(accountants, "WAITING_MAX", 3)
    world = World(Scripted(*[[reply()]] * 5), Scripted())
    for _ in range(5):
        await world.ask()
    await world.accountant.aclose()
    assert len(world.notebook.rows) == 3
    assert "was not kept" in caplog.text


async def test_a_row_that_cannot_be_reckoned_does_not_cost_the_answer(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The customer's answer is paid for; what is wrong with a report is the log's to say."""
    world = World(*of_openai(reply()))
    monkeypatch.delattr(accountants, "saving_of")
    assert (await world.ask()).executed.reply == reply()
    assert "could not be reckoned" in caplog.text
    await world.accountant.aclose()
    assert world.notebook.rows == []
