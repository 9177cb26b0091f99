import json
from dataclasses import replace
from decimal import Decimal

import pytest

from routing.breaker import BreakerPhase
from routing.capability import Capability
from routing.decision import Decision
from routing.errors import ErrorKind, NoPlatformAvailable, RequestError
from routing.platform_profile import PlatformProfile
from routing.policy import Strategy
from routing.requirement import Requirements
from routing.scorecard import Scorecard, Snapshot
from tests.unit.routing.worlds import CHEAP, DEAR, FACTS, NO_LIMITS, NOW, asked, platform, seen

OPENAI = platform("openai", price=DEAR, quality=0.9)
ANTHROPIC = platform("anthropic", price=CHEAP, quality=0.8)
VERTEX = platform("google_vertex", price=DEAR, quality=0.7, prior_latency_ms=1_000)
ALL = (OPENAI, ANTHROPIC, VERTEX)


def choose(
    snapshot: Snapshot | None = None,
    requirements: Requirements | None = None,
    *,
    profiles: tuple[PlatformProfile, ...] = ALL,
    strategy: Strategy = Strategy.COST_OPTIMIZED,
    name: str | None = None,
    fallbacks: tuple[str, ...] = (),
    max_attempts: int = 4,
) -> Decision:
    return asked(
        profiles,
        snapshot or Snapshot.empty("us-east"),
        requirements or Requirements(),
        strategy=strategy,
        platform=name,
        fallback_platforms=fallbacks,
        max_attempts=max_attempts,
    )


def planned(decision: Decision) -> list[str]:
    return [attempt.platform for attempt in decision.plan.attempts]


def open_until(name: str, until: float) -> Scorecard:
    return Scorecard(name, breaker=BreakerPhase.OPEN, breaker_until=until)


def test_the_strategy_chooses_and_the_next_in_rank_follow() -> None:
    """With nothing named, the whole ranking is the plan."""
    assert planned(choose()) == ["anthropic", "google_vertex", "openai"]
    assert choose(strategy=Strategy.CAPABILITY).chosen == "openai"


def test_fallbacks_the_caller_named_come_in_the_callers_order() -> None:
    """The caller's list is followed, without the primary and without repetition."""
    decision = choose(fallbacks=("openai", "anthropic", "google_vertex", "openai"))
    assert planned(decision) == ["anthropic", "openai", "google_vertex"]


def test_a_fixed_platform_does_not_fail_over_unasked() -> None:
    """/v3/openai/chat means OpenAI and nobody else."""
    decision = choose(name="openai")
    assert planned(decision) == ["openai"]
    reasons = {c.platform: [r.code for r in c.reasons] for c in decision.candidates}
    assert reasons["anthropic"] == ["not_requested"]


def test_a_fixed_platform_fails_over_where_the_caller_says() -> None:
    """Fallbacks named with a fixed platform are used, when it fails and when it is out."""
    assert planned(choose(name="openai", fallbacks=("anthropic",))) == ["openai", "anthropic"]
    out = seen(open_until("openai", NOW + 10))
    assert planned(choose(out, name="openai", fallbacks=("anthropic",))) == ["anthropic"]


def test_a_platform_that_is_not_configured_is_named() -> None:
    """A misspelt platform is the caller's to mend, with the choice at hand."""
    with pytest.raises(RequestError) as caught:
        choose(name="openai", fallbacks=("bedrock",))
    assert caught.value.code == "platform_unknown"
    assert [v.where for v in caught.value.violations] == ["/fallback_platforms/0"]
    assert "anthropic" in caught.value.violations[0].message


def test_an_impossible_limit_is_named_with_its_smallest_relaxation() -> None:
    """The caller learns what the cheapest answer would cost, not only that a cent is too little."""
    with pytest.raises(RequestError) as caught:
        choose(requirements=Requirements(max_cost_usd=Decimal("0.0001")))
    assert caught.value.code == "requirements_impossible"
    (violation,) = caught.value.violations
    least = CHEAP.bound(FACTS.input_tokens_bound, 16)
    assert violation.where == "/requirements/max_cost"
    assert f"would pass with {least:.10f}" in violation.message
    assert "anthropic" in caught.value.detail


def test_every_impossible_limit_is_named() -> None:
    """Limits that fail on different platforms are all told, each for whom it alone keeps out."""
    limits = Requirements(max_latency_ms=1_200, min_quality=0.85)
    with pytest.raises(RequestError) as caught:
        choose(requirements=limits)
    places = {v.where: v.message for v in caught.value.violations}
    assert set(places) == {"/requirements/max_latency_ms", "/requirements/min_quality"}
    quality, latency = places["/requirements/min_quality"], places["/requirements/max_latency_ms"]
    assert quality.startswith("google_vertex: ")
    assert "would pass with 0.7]" in quality
    assert latency.startswith("openai: ")
    assert latency.endswith("would pass with 1500]")


def test_limits_that_must_move_together_are_told_together() -> None:
    """Nobody relaxes one limit only to meet the next."""
    limits = Requirements(max_cost_usd=Decimal("0.0001"), min_quality=0.95)
    with pytest.raises(RequestError) as caught:
        choose(requirements=limits, profiles=(ANTHROPIC,))
    quality = next(v for v in caught.value.violations if v.where.endswith("min_quality"))
    assert quality.message.endswith("together with max_cost")


def test_platforms_not_asked_for_are_not_in_the_explanation() -> None:
    """A caller who fixed a platform is not advised about others."""
    with pytest.raises(RequestError) as caught:
        choose(name="openai", requirements=Requirements(regions=frozenset({"eu"})))
    (violation,) = caught.value.violations
    assert violation.message.startswith("openai: ")


def test_a_limit_that_nobody_stated_is_not_among_those_to_relax() -> None:
    """Who cannot do what the task needs is no way out, as long as another only asks for money."""
    agent = platform("copilot_studio", capabilities=frozenset(), price=None)
    facts = replace(FACTS, needs=frozenset({Capability.SYSTEM_PROMPT, Capability.STREAMING}))
    limits = Requirements(max_cost_usd=Decimal("0.0001"))
    with pytest.raises(RequestError) as caught:
        asked((agent, ANTHROPIC), seen(), limits, facts)
    (violation,) = caught.value.violations
    assert violation.where == "/requirements/max_cost"
    assert "nearest is anthropic" in caught.value.detail
    with pytest.raises(RequestError) as alone:
        asked((agent,), seen(), NO_LIMITS, facts)
    places = {violation.where for violation in alone.value.violations}
    assert places == {"/stream", "/platform"}


def test_what_was_required_is_named_as_required_though_the_task_needs_it_too() -> None:
    """The caller can drop it there."""
    blind = platform("openai", capabilities=frozenset())
    wish = Requirements(capabilities=frozenset({Capability.VISION}))
    facts = replace(FACTS, needs=frozenset({Capability.VISION, Capability.FUNCTION_CALLING}))
    with pytest.raises(RequestError) as caught:
        asked((blind,), seen(), wish, facts)
    places = {violation.where: violation.message for violation in caught.value.violations}
    assert set(places) == {"/requirements/capabilities", "/tools"}
    assert "vision" in places["/requirements/capabilities"]


def test_a_capability_nobody_has_is_impossible() -> None:
    """A demand that can only be dropped says so without a false number."""
    blind = platform("openai", capabilities=frozenset({Capability.STREAMING}))
    wish = Requirements(capabilities=frozenset({Capability.VISION}))
    with pytest.raises(RequestError, match="capability:vision"):
        choose(requirements=wish, profiles=(blind,))


def test_no_platform_at_all_is_an_error_not_a_crash() -> None:
    """A service without platforms says so, and does not blame the caller."""
    with pytest.raises(NoPlatformAvailable, match="no platform is configured"):
        choose(profiles=())


def test_an_open_breaker_is_passed_over() -> None:
    """Traffic goes where it is answered."""
    decision = choose(seen(open_until("anthropic", NOW + 10)))
    assert planned(decision) == ["google_vertex", "openai"]


def test_with_every_breaker_open_the_one_nearest_its_probe_is_tried_alone() -> None:
    """Our guess that all are down is not worth a refusal, nor a storm of calls."""
    out = seen(
        open_until("openai", NOW + 30),
        open_until("anthropic", NOW + 20),
        open_until("google_vertex", NOW + 25),
    )
    decision = choose(out)
    assert planned(decision) == ["anthropic"]
    assert not decision.plan.primary.is_probe


def test_a_lone_platform_with_an_open_breaker_is_still_tried() -> None:
    """A company with one platform is never locked out by our own breaker."""
    decision = choose(seen(open_until("openai", NOW + 30)), profiles=(OPENAI,))
    assert decision.chosen == "openai"


def test_a_recovered_platform_is_tried_as_a_probe() -> None:
    """After its cool-down the best platform gets one request, marked as the probe."""
    decision = choose(seen(open_until("anthropic", NOW - 1)))
    assert decision.chosen == "anthropic"
    assert decision.plan.primary.is_probe


def test_platforms_that_all_asked_for_time_are_not_called() -> None:
    """When every vendor said Retry-After, so do we, with each one's time."""
    cooling = seen(*(Scorecard(p.name, cooling_until=NOW + i + 1) for i, p in enumerate(ALL)))
    with pytest.raises(NoPlatformAvailable) as caught:
        choose(cooling)
    waits = {error.platform: error.retry_after_s for error in caught.value.attempts}
    assert waits == {"openai": 1, "anthropic": 2, "google_vertex": 3}
    assert {error.kind for error in caught.value.attempts} == {ErrorKind.RATE_LIMITED}


def test_an_outage_is_not_blamed_on_the_callers_limits() -> None:
    """When one platform could keep the limits but rests, the answer is 503, never 422."""
    limits = Requirements(min_quality=0.85)
    with pytest.raises(NoPlatformAvailable):
        choose(seen(Scorecard("openai", cooling_until=NOW + 1)), limits)


def test_limits_are_kept_even_when_every_allowed_platform_is_down() -> None:
    """Failing over never breaks a promise: the platform outside the limits stays out."""
    limits = Requirements(min_quality=0.85)
    decision = choose(seen(open_until("openai", NOW + 30)), limits)
    assert planned(decision) == ["openai"]


def test_max_latency_is_the_deadline_of_the_plan() -> None:
    """A promise of two seconds is kept by the clock, not only by statistics."""
    assert choose(requirements=Requirements(max_latency_ms=2_000)).plan.deadline_s == 2.0


def test_an_operators_bound_on_attempts_is_kept() -> None:
    """max_attempts counts the first choice, too."""
    assert planned(choose(max_attempts=2)) == ["anthropic", "google_vertex"]


def test_a_decision_is_json_as_the_contract_says() -> None:
    """What callers read has the contract's names, and goes through JSON unharmed."""
    plain = json.loads(json.dumps(choose(seen(open_until("openai", NOW + 9))).to_json()))
    assert {"id", "strategy", "chosen", "candidates", "snapshot"} <= set(plain)
    assert plain["snapshot"] == 7
    first = plain["candidates"][0]
    assert set(first) == {
        "platform",
        "model",
        "eligible",
        "expected_cost_usd",
        "cost_bound_usd",
        "max_tokens",
        "latency_p95_ms",
        "in_time_probability",
        "quality",
        "reasons",
    }
    assert first["eligible"] is False
    assert first["reasons"][0]["code"] == "breaker_open"
