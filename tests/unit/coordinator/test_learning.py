"""What the coordinator learns from feedback and spending, and keeps."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from actors.coordinator.actor import Coordinator, CoordinatorOptions
from actors.coordinator.state import CoordinatorState
from actors.database.engine import open_database
from actors.database.feedback import Feedback, FeedbackRow
from routing.bandit import products
from routing.learned import Learned, Terms
from routing.quality import CONTEXT
from routing.scorecard import Snapshot
from tests.unit.routing.worlds import outcome

TARGET = "openai/openai-model"
PLAIN = (1.0, *[0.0] * (CONTEXT - 1))
PACED = Terms(quality_per_usd=2.0, target_cost_usd=0.01)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def options(tmp_path: Path) -> CoordinatorOptions:
    database = open_database(tmp_path / "x.sqlite")
    await database.migrate()
    await database.aclose()
    return CoordinatorOptions("us", tmp_path / "x.sqlite")


def life(options: CoordinatorOptions) -> Any:
    """One life of the actor, in this process; Ray's own typing knows only remote calls."""
    return cast("Any", Coordinator(options))


async def heard(one: Any) -> Learned:
    snapshot, _ = await one.sync("replica", 1, [], {}, Terms(), {})
    assert isinstance(snapshot, Snapshot)
    return snapshot.learned


async def give(options: CoordinatorOptions, *surpluses: float) -> None:
    database = open_database(options.database)
    feedback = Feedback(database)
    for number, surplus in enumerate(surpluses):
        row = FeedbackRow("acme", f"dec_{number}", 0.5, TARGET, float(number), PLAIN, surplus)
        await feedback.put(row)
    await database.aclose()


async def test_feedback_reaches_decisions_with_the_next_report(options: CoordinatorOptions) -> None:
    await give(options, -0.5, -0.5)
    learned = await heard(life(options))
    mean, _ = learned.beliefs[TARGET].correction(PLAIN, products(PLAIN))
    assert -0.5 < mean < 0
    assert learned.beliefs[TARGET].observations == pytest.approx(2, abs=0.01)


async def test_every_word_is_learned_once_whoever_dies(options: CoordinatorOptions) -> None:
    """Its mark and what it taught are one transaction; the next life finds both."""
    await give(options, -0.5, -0.5, 0.2)
    first = await heard(life(options))
    assert await heard(life(options)) == first


async def test_a_word_of_another_versions_figures_is_passed_over(
    options: CoordinatorOptions,
) -> None:
    database = open_database(options.database)
    await Feedback(database).put(FeedbackRow("acme", "dec_1", 0.5, TARGET, 1.0, (1.0, 2.0), 0.1))
    assert (await heard(life(options))).beliefs == {}
    assert await Feedback(database).untaught(10) == []
    await database.aclose()


def paced(cost_usd: str, attempt: int = 0) -> Any:
    return replace(outcome(at=1.0, attempt=attempt), cost_usd=Decimal(cost_usd), is_paced=True)


def price_after(*costs: Any, terms: Terms = PACED) -> float:
    state = CoordinatorState("us")
    state.learning.agree(terms)
    state.fold(costs, 1.0)
    return state.learning.publish().quality_per_usd


def test_a_dollar_must_buy_more_while_answers_cost_more_than_planned() -> None:
    assert price_after() == pytest.approx(2.0)
    assert price_after(*[paced("0.05")] * 20) > 2.0
    assert price_after(*[paced("0.001")] * 20) < 2.0


def test_what_another_strategy_spent_is_not_paced() -> None:
    assert price_after(*[replace(paced("0.05"), is_paced=False)] * 20) == pytest.approx(2.0)


def test_without_a_target_of_cost_the_operators_price_stands() -> None:
    assert price_after(*[paced("0.05")] * 20, terms=Terms(quality_per_usd=7.0)) == 7.0


def test_the_pace_survives_a_crash() -> None:
    state = CoordinatorState("us")
    state.learning.agree(PACED)
    state.fold([paced("0.05")] * 20, 1.0)
    again = CoordinatorState.from_checkpoint("us", state.to_checkpoint())
    again.learning.agree(PACED)
    assert again.learning.publish().quality_per_usd == state.learning.publish().quality_per_usd
