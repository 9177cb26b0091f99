"""What an administrator holds survives the coordinator, whenever it dies."""

from pathlib import Path
from typing import Any, cast

import pytest

from actors.coordinator.actor import Coordinator, CoordinatorOptions
from actors.coordinator.state import CoordinatorState
from actors.database.engine import open_database
from actors.database.errors import DatabaseUnavailable
from routing.breaker import BreakerPhase
from routing.override import Override
from routing.platform_profile import target_of

NOON = 1_795_348_800.0
# After any time this is run at: the actor has a clock of its own.
FOR_EVER = 1e11
HELD = Override(BreakerPhase.OPEN, FOR_EVER, "maintenance", "key:ops")


@pytest.fixture
async def options(tmp_path: Path) -> CoordinatorOptions:
    database = open_database(tmp_path / "x.sqlite")
    await database.migrate()
    await database.aclose()
    return CoordinatorOptions("us", tmp_path / "x.sqlite")


def life(options: CoordinatorOptions) -> Any:
    """One life of the actor, in this process; Ray's own typing knows only remote calls."""
    return cast("Any", Coordinator(options))


async def test_what_was_acknowledged_holds_in_the_next_life(options: CoordinatorOptions) -> None:
    """Written down before the answer: nothing else was reported in between."""
    assert await life(options).override("openai", HELD) == {"openai": HELD}
    again = life(options)
    assert await again.overrides() == {"openai": HELD}
    card = (await again._restored()).snapshot(NOON).of(target_of("openai", "any"))
    assert (card.breaker, card.forced) == (BreakerPhase.OPEN, True)
    assert await again.override("openai", None) == {}
    assert await life(options).overrides() == {}


async def test_what_could_not_be_written_down_does_not_hold(options: CoordinatorOptions) -> None:
    """Refused is refused: not in force until the next crash."""
    one = life(options)
    await one.overrides()
    await one._database.aclose()
    with pytest.raises(DatabaseUnavailable):
        await one.override("openai", HELD)
    assert await one.overrides() == {}


@pytest.fixture
def states() -> CoordinatorState:
    return CoordinatorState("us")


def test_a_word_about_a_model_goes_before_one_about_its_platform(states: CoordinatorState) -> None:
    """The narrower one was meant for it."""
    states.override("openai", Override(BreakerPhase.OPEN, NOON + 60))
    states.override("openai/a", Override(BreakerPhase.CLOSED, NOON + 60))
    board = states.snapshot(NOON)
    assert board.of("openai/a").breaker is BreakerPhase.CLOSED
    assert board.of("openai/b").breaker is BreakerPhase.OPEN
    assert states.snapshot(NOON + 61).of("openai/b").breaker is BreakerPhase.CLOSED


def test_a_word_about_a_model_that_is_over_does_not_hide_its_platforms(
    states: CoordinatorState,
) -> None:
    """Closed for a minute while the platform is held open for a day; and what is over is forgotten."""
    states.override("openai/a", Override(BreakerPhase.CLOSED, NOON + 60))
    states.override("openai", Override(BreakerPhase.OPEN, NOON + 86_400))
    assert states.snapshot(NOON).of("openai/a").breaker is BreakerPhase.CLOSED
    after = states.snapshot(NOON + 61)
    assert (after.of("openai/a").breaker, after.of("openai/a").forced) == (BreakerPhase.OPEN, True)
    assert states.to_checkpoint()["overrides"] == {
        "openai": states.overrides(NOON)["openai"].to_json()
    }
    assert "openai/a" not in after.scorecards
