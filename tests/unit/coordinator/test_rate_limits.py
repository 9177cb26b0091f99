"""What vendors say is left of our allowance: the last word counts, by when it was said."""

import json
from decimal import Decimal

from actors.coordinator.state import CoordinatorState
from routing.errors import ErrorKind
from routing.exchange import RateLimit, Usage
from routing.outcome import Outcome
from routing.platform_profile import target_of

NOON = 1_795_348_800.0
MODEL = "gpt-6-luna"
TARGET = target_of("openai", MODEL)


def outcome(
    at: float,
    limit: RateLimit | None,
    *,
    platform: str = "openai",
    error: ErrorKind | None = None,
    abandoned: bool = False,
) -> Outcome:
    return Outcome(
        tenant="acme",
        answer_id=f"ans_{at}",
        attempt=0,
        platform=platform,
        target=target_of(platform, MODEL),
        model=MODEL,
        at=at,
        latency_ms=100.0,
        first_byte_ms=None,
        usage=Usage(input_tokens=10, output_tokens=10),
        cost_usd=Decimal("0.01"),
        error=error,
        abandoned=abandoned,
        rate_limit=limit,
    )


def board(*outcomes: Outcome) -> CoordinatorState:
    state = CoordinatorState("us-east")
    state.fold(outcomes, NOON)
    return state


def said(at: float, left: int) -> RateLimit:
    return RateLimit(at, left, 100, 1_000, 2_000, at + 60)


def test_what_an_answer_said_is_on_the_scorecard() -> None:
    state = board(outcome(NOON, said(NOON - 1, 42)))
    assert state.snapshot(NOON).of(TARGET).rate_limit == said(NOON - 1, 42)


def test_a_platform_that_says_nothing_has_none() -> None:
    state = board(outcome(NOON, None, platform="google_vertex"))
    assert state.snapshot(NOON).of(target_of("google_vertex", MODEL)).rate_limit is None


def test_a_long_answer_does_not_take_back_what_a_later_one_said() -> None:
    """Its headers came first, though its end is reported last."""
    long = outcome(NOON, said(NOON - 30, 99))
    short = outcome(NOON - 5, said(NOON - 6, 42))
    assert board(short, long).snapshot(NOON).of(TARGET).rate_limit == said(NOON - 6, 42)


def test_an_outcome_without_a_word_leaves_the_last_one_standing() -> None:
    """A caller who left, and a connection that broke, had no headers."""
    silent = outcome(NOON, None, error=ErrorKind.CONNECTION)
    state = board(outcome(NOON - 1, said(NOON - 1, 42)), silent)
    assert state.snapshot(NOON).of(TARGET).rate_limit == said(NOON - 1, 42)


def test_platforms_have_allowances_of_their_own() -> None:
    state = board(
        outcome(NOON, said(NOON, 1)), outcome(NOON, said(NOON, 2), platform="azure_openai")
    )
    snapshot = state.snapshot(NOON)
    assert snapshot.of(TARGET).rate_limit == said(NOON, 1)
    assert snapshot.of(target_of("azure_openai", MODEL)).rate_limit == said(NOON, 2)


def test_a_crash_does_not_forget_it() -> None:
    """Through the text of the checkpoint."""
    kept = json.loads(json.dumps(board(outcome(NOON, said(NOON, 42))).to_checkpoint()))
    again = CoordinatorState.from_checkpoint("us-east", kept)
    assert again.snapshot(NOON + 1).of(TARGET).rate_limit == said(NOON, 42)
