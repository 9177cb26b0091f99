"""The scoreboard: what it learns, what it publishes, what it forgets, and how it comes back."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.coordinator.accounts import CREDENTIALS_MAX
from actors.coordinator.state import REPLICA_SILENCE_S, CoordinatorState
from routing.breaker import CONSECUTIVE_FAILURES, Ailment, BreakerPhase
from routing.errors import ErrorKind
from routing.exchange import Usage
from routing.outcome import Outcome
from routing.scorecard import Scorecard

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC).timestamp()


def outcome(
    at: float = NOON,
    *,
    platform: str = "openai",
    cost_usd: str | None = "0.01",
    error: ErrorKind | None = None,
    abandoned: bool = False,
    latency_ms: float = 100.0,
    answer_id: str = "ans_1",
) -> Outcome:
    return Outcome(
        tenant="acme",
        answer_id=answer_id,
        attempt=0,
        platform=platform,
        target=f"{platform}/m",
        model="m",
        at=at,
        latency_ms=latency_ms,
        first_byte_ms=latency_ms / 2,
        usage=Usage(input_tokens=100, output_tokens=40),
        cost_usd=None if cost_usd is None else Decimal(cost_usd),
        error=error,
        abandoned=abandoned,
    )


def reborn(state: CoordinatorState) -> CoordinatorState:
    """The state after a crash: through the text that is kept."""
    return CoordinatorState.from_checkpoint(
        "us-east", json.loads(json.dumps(state.to_checkpoint()))
    )


def test_a_good_outcome_shows_in_latency_success_spend_and_length() -> None:
    """Everything a policy reads comes from outcomes."""
    state = CoordinatorState("us-east")
    state.fold([outcome(), outcome(answer_id="ans_2", latency_ms=300.0)], NOON)
    card = state.snapshot(NOON).of("openai/m")
    assert card.latency_p50_ms == pytest.approx(100, rel=0.03)
    assert list(card.first_byte_p95_ms) == [pytest.approx(50, rel=0.03)] * 3
    assert (card.success_rate, card.attempts) == (1.0, 2)
    assert card.cost_usd_today == Decimal("0.02")
    assert card.mean_output_tokens == 40


def test_a_bill_over_its_bound_is_counted_of_the_model_that_wrote_it() -> None:
    """Whoever reads the status sees that a promised cost was not kept."""
    state = CoordinatorState("us-east")
    over = replace(outcome(answer_id="ans_2"), is_over_bound=True)
    state.fold([outcome(), over, outcome(platform="anthropic")], NOON)
    board = state.snapshot(NOON)
    assert [board.of(f"{name}/m").bills_over_bound for name in ("openai", "anthropic")] == [1, 0]


@pytest.mark.parametrize("lost", [{"abandoned": True}, {"error": ErrorKind.OVERLOADED}])
def test_only_answers_say_how_long_answers_take(lost: dict[str, object]) -> None:
    """A failure is quick and a departure arbitrary: neither is a latency."""
    state = CoordinatorState("us-east")
    state.fold([outcome(cost_usd=None, **lost)], NOON)  # type: ignore[arg-type]
    card = state.snapshot(NOON).of("openai/m")
    assert card.latency_p50_ms is None
    assert card.cost_usd_today == 0


def test_a_caller_who_left_says_nothing_about_the_platforms_health() -> None:
    """Abandoned attempts neither heal nor harm."""
    state = CoordinatorState("us-east")
    state.fold([outcome(abandoned=True, cost_usd=None, answer_id=str(n)) for n in range(20)], NOON)
    card = state.snapshot(NOON).of("openai/m")
    assert (card.success_rate, card.breaker) == (None, BreakerPhase.CLOSED)


def test_another_key_is_not_kept_away_for_what_the_old_one_was_refused_for() -> None:
    """Whoever repairs the key is answered at once, also after a restart; and neither name tells it."""
    state = CoordinatorState("us-east")
    state.use({"openai": "old", "anthropic": "same"})
    refused = [
        outcome(platform=name, error=ErrorKind.CREDENTIALS, cost_usd=None)
        for name in ("openai", "anthropic")
    ]
    state.fold(refused, NOON)
    assert state.snapshot(NOON).of("openai/m").ailment is Ailment.ACCOUNT
    again = reborn(state)
    again.use({"openai": "new", "anthropic": "same"})
    board = again.snapshot(NOON + 1)
    assert board.of("openai/m").breaker is BreakerPhase.CLOSED
    assert board.of("anthropic/m").breaker is BreakerPhase.OPEN
    again.fold([outcome(NOON + 2)], NOON + 2)
    # Who goes back to the old one is where he was.
    again.use({"openai": "old", "anthropic": "same"})
    assert again.snapshot(NOON + 3).of("openai/m").breaker is BreakerPhase.OPEN


def test_of_keys_that_were_changed_only_the_last_few_are_remembered() -> None:
    """A key a day for a year is not a row each in every checkpoint."""
    state = CoordinatorState("us-east")
    for n in range(100):
        state.use({"openai": f"key {n}"})
        state.fold([outcome(error=ErrorKind.CREDENTIALS, cost_usd=None)], NOON)
    kept = state.to_checkpoint()["accounts"]
    assert isinstance(kept, list)
    assert len(kept) == CREDENTIALS_MAX
    state.use({"openai": "key 99"})
    assert state.snapshot(NOON).of("openai/m").ailment is Ailment.ACCOUNT


def test_versions_grow_and_an_unchanged_board_keeps_its_version() -> None:
    """A version names one state of the world: never two, and never an older one."""
    state = CoordinatorState("us-east")
    first = state.snapshot(NOON)
    assert state.snapshot(NOON + 1).version == first.version
    state.fold([outcome(NOON + 2)], NOON + 2)
    second = state.snapshot(NOON + 2)
    assert second.version > first.version
    assert second.region == "us-east"


def test_reading_the_board_again_within_a_moment_costs_nothing_and_changes_nothing() -> None:
    """Many replicas ask; what is published is shared for a tenth of a second."""
    state = CoordinatorState("us-east")
    state.fold([outcome()], NOON)
    first = state.snapshot(NOON)
    state.fold([outcome(answer_id="ans_2")], NOON + 0.05)
    assert state.snapshot(NOON + 0.05) is first
    assert state.snapshot(NOON + 0.2).of("openai/m").attempts == 2


def test_a_dead_replicas_requests_in_flight_are_forgotten() -> None:
    """Five seconds of silence: its load must not repel traffic for ever."""
    state = CoordinatorState("us-east")
    state.hear("alive", {"openai/m": 3}, NOON)
    state.hear("dead", {"openai/m": 40, "anthropic/m": 2}, NOON)
    assert state.snapshot(NOON).of("openai/m").in_flight == 43
    later = NOON + REPLICA_SILENCE_S + 0.1
    state.hear("alive", {"openai/m": 5}, later)
    snapshot = state.snapshot(later)
    assert (snapshot.of("openai/m").in_flight, snapshot.of("anthropic/m").in_flight) == (5, 0)


def test_a_replicas_last_word_counts() -> None:
    """It tells its whole load each time, not the difference."""
    state = CoordinatorState("us-east")
    state.hear("one", {"openai/m": 3}, NOON)
    state.hear("one", {}, NOON + 0.2)
    assert state.snapshot(NOON + 0.2).of("openai/m").in_flight == 0


def test_the_spend_of_the_day_starts_at_nothing_at_midnight_utc() -> None:
    """Also for a platform that nobody asks any more."""
    state = CoordinatorState("us-east")
    state.fold([outcome(MIDNIGHT - 1, cost_usd="5")], MIDNIGHT - 1)
    assert state.snapshot(MIDNIGHT - 0.5).of("openai/m").cost_usd_today == 5
    assert state.snapshot(MIDNIGHT).of("openai/m").cost_usd_today == 0
    state.fold([outcome(MIDNIGHT + 1, cost_usd="2", answer_id="ans_2")], MIDNIGHT + 1)
    assert state.snapshot(MIDNIGHT + 1).of("openai/m").cost_usd_today == 2


def test_yesterdays_late_outcome_is_not_todays_spend() -> None:
    """A report may come after midnight; it is booked by when the attempt ended."""
    state = CoordinatorState("us-east")
    state.fold([outcome(MIDNIGHT + 1, cost_usd="2")], MIDNIGHT + 1)
    state.fold([outcome(MIDNIGHT - 1, cost_usd="5", answer_id="ans_2")], MIDNIGHT + 2)
    assert state.snapshot(MIDNIGHT + 2).of("openai/m").cost_usd_today == 2


def test_the_ledger_is_the_truth_of_the_spend_after_a_restart() -> None:
    """The checkpoint holds no money; what was booked is read back, and grows from there."""
    state = reborn(CoordinatorState("us-east"))
    state.restore_spend({"openai/m": Decimal("1.50")}, NOON)
    state.fold([outcome(cost_usd="0.25")], NOON)
    assert state.snapshot(NOON).of("openai/m").cost_usd_today == Decimal("1.75")


def test_only_one_caller_gets_the_probe() -> None:
    """Many replicas ask at once about the same open breaker."""
    state = CoordinatorState("us-east")
    assert state.claim_probe("openai/m", "ans_0/0", NOON)  # closed: nothing to claim, go on
    failures = [
        outcome(NOON, error=ErrorKind.OVERLOADED, cost_usd=None, answer_id=str(n))
        for n in range(CONSECUTIVE_FAILURES)
    ]
    state.fold(failures, NOON)
    card = state.snapshot(NOON).of("openai/m")
    assert card.breaker is BreakerPhase.OPEN
    assert not state.claim_probe("openai/m", "ans_1/0", NOON)
    due = (card.breaker_until or 0) + 1
    assert [state.claim_probe("openai/m", f"ans_{n}/0", due) for n in range(5)] == [
        True, False, False, False, False,
    ]  # fmt: skip


def test_a_checkpoint_brings_back_all_that_decisions_rest_on() -> None:
    """Latency, health, breaker and lengths survive; only requests in flight are told anew."""
    state = CoordinatorState("us-east")
    state.fold([outcome(), outcome(answer_id="ans_2", latency_ms=900.0)], NOON)
    state.fold(
        [
            outcome(
                platform="anthropic", error=ErrorKind.CONNECTION, cost_usd=None, answer_id=f"{n}"
            )
            for n in range(CONSECUTIVE_FAILURES)
        ],
        NOON,
    )
    state.hear("one", {"openai/m": 7}, NOON)
    before = state.snapshot(NOON)
    again = reborn(state)
    again.restore_spend({"openai/m": Decimal("0.02")}, NOON)
    again.hear("one", {"openai/m": 7}, NOON)
    after = again.snapshot(NOON)
    assert after.scorecards == before.scorecards
    assert after.version > before.version
    assert after.of("anthropic/m").breaker is BreakerPhase.OPEN


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["openai", "anthropic"]),
            st.none() | st.sampled_from(list(ErrorKind)),
            st.floats(0.0, 300.0),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_any_history_survives_a_crash_at_any_point(
    history: list[tuple[str, ErrorKind | None, float, bool]],
) -> None:
    """Crashing after every outcome leads to the same board as never crashing."""
    straight, crashing, now = CoordinatorState("us-east"), CoordinatorState("us-east"), NOON
    for number, (platform, error, pause_s, abandoned) in enumerate(history):
        now += pause_s
        one = outcome(
            now, platform=platform, error=error, abandoned=abandoned, answer_id=f"ans_{number}"
        )
        straight.fold([one], now)
        crashing.fold([one], now)
        now_seen = cards(crashing, now).values()
        spent = {card.target: card.cost_usd_today for card in now_seen if card.cost_usd_today}
        crashing = reborn(crashing)
        crashing.restore_spend(spent, now)
    assert cards(crashing, now + 1) == cards(straight, now + 1)


def cards(state: CoordinatorState, now: float) -> dict[str, Scorecard]:
    return dict(state.snapshot(now).scorecards)


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"version": 1},
        {"version": "1", "books": {}},
        {"version": 1, "books": {"openai": {}}},
        {"version": 1, "books": {"openai": {"breaker": {}, "latency": {}, "first_byte": {}}}},
    ],
)
def test_a_checkpoint_of_another_version_is_refused_and_not_half_believed(
    plain: dict[str, object],
) -> None:
    """Statistics grow again; a wrong one would steer for hours."""
    with pytest.raises(ValueError, match=r"checkpoint|book"):
        CoordinatorState.from_checkpoint("us-east", plain)  # type: ignore[arg-type]
