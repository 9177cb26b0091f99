import pickle

from routing.breaker import BreakerPhase
from routing.scorecard import Scorecard, Snapshot
from tests.unit.routing.worlds import NOW, seen


def test_an_empty_snapshot_has_a_blank_scorecard_for_everyone() -> None:
    """A replica that has heard nothing yet decides by the profiles instead of failing."""
    card = Snapshot.empty("us-east").of("openai")
    assert card == Scorecard("openai")
    assert not card.breaker_blocks(NOW)


def test_a_snapshot_crosses_processes_unchanged_and_small() -> None:
    """Five platforms' figures cost a replica a kilobyte or two a second, not more."""
    snapshot = seen(*(Scorecard(f"platform{i}", 900.0, 1_800.0, 2_500.0) for i in range(5)))
    sent = pickle.dumps(snapshot)
    assert pickle.loads(sent) == snapshot  # noqa: S301  our own bytes
    assert len(sent) < 1_000


def test_a_breaker_blocks_until_its_time_and_then_awaits_a_probe() -> None:
    """A replica knows from the scorecard alone whether to claim the probe."""
    card = Scorecard("openai", breaker=BreakerPhase.OPEN, breaker_until=NOW + 5)
    assert card.breaker_blocks(NOW)
    assert not card.awaits_probe(NOW)
    assert card.awaits_probe(NOW + 5)
    assert not card.breaker_blocks(NOW + 5)


def test_a_closed_breaker_awaits_no_probe() -> None:
    """No claim is made where none is needed."""
    assert not Scorecard("openai").awaits_probe(NOW)


def test_cooling_ends_when_the_platform_said() -> None:
    """Retry-After is kept to the second."""
    card = Scorecard("openai", cooling_until=NOW + 1)
    assert card.is_cooling(NOW + 0.9)
    assert not card.is_cooling(NOW + 1)
