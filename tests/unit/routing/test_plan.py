from dataclasses import replace
from typing import Any

import pytest

from routing.breaker import BreakerPhase
from routing.capability import Capability
from routing.eligibility import Candidate, assess
from routing.estimate import TaskFacts
from routing.plan import AttemptPlan, make_plan
from routing.platform_profile import PlatformProfile
from routing.requirement import Requirements
from routing.scorecard import Scorecard
from tests.unit.routing.worlds import FACTS, NOW, platform


def taking(*latencies_ms: float) -> list[Candidate]:
    return [
        assess(
            platform(f"platform{i}", prior_latency_ms=ms),
            Scorecard(f"platform{i}"),
            Requirements(),
            FACTS,
            NOW,
        )
        for i, ms in enumerate(latencies_ms)
    ]


def plan(deadline_s: float, *latencies_ms: float) -> AttemptPlan:
    return make_plan(taking(*latencies_ms), deadline_s, 4, FACTS, NOW)


def test_a_fallback_has_its_p95_left_after_a_primary_that_hangs() -> None:
    """A stalled platform does not take the fallback's time with it."""
    attempts = plan(10.0, 2_000, 3_000).attempts
    assert [a.timeout_s for a in attempts] == pytest.approx([7.0, 3.0])


def test_a_primary_keeps_its_own_p95_when_time_is_short() -> None:
    """Cutting an attempt off where it usually answers is money for nothing."""
    assert plan(2.0, 1_700, 1_500).primary.timeout_s == pytest.approx(1.7)


def test_a_fallback_keeps_a_tenth_however_slow_the_primary() -> None:
    """No planned attempt has no time at all."""
    assert plan(2.0, 60_000, 1_500).attempts[1].timeout_s == pytest.approx(0.2)


def test_a_lone_attempt_has_all_the_time() -> None:
    """Nothing is kept back for a fallback that does not exist."""
    assert plan(5.0, 1_000).primary.timeout_s == 5.0


def test_time_that_an_attempt_left_over_goes_to_the_next() -> None:
    """A 429 after 40 ms leaves the fallback nearly the whole deadline."""
    two = plan(2.0, 1_700, 1_500)
    assert two.time_for(1, elapsed_s=0.04) == pytest.approx(1.96)
    assert two.time_for(0, elapsed_s=0.0) == pytest.approx(1.7)
    assert two.time_for(1, elapsed_s=3.0) == 0.0


def test_a_plan_has_no_more_attempts_than_it_may() -> None:
    """A total outage costs a bounded number of calls per request."""
    assert len(plan(60.0, *[1_000] * 9).attempts) == 4


def test_an_attempt_due_for_a_probe_says_so() -> None:
    """The executor claims the probe, or two replicas would both send it."""
    due = Scorecard("openai", breaker=BreakerPhase.OPEN, breaker_until=NOW - 1)
    candidate = assess(platform("openai"), due, Requirements(), FACTS, NOW)
    assert make_plan([candidate], 5.0, 4, FACTS, NOW).primary.is_probe
    assert not plan(5.0, 1_000).primary.is_probe


SEEN: dict[str, Any] = {"latency_p95_ms": 1_200.0, "first_byte_p95_ms": (400.0,) * 3}


def hedged_after_s(
    *profiles: PlatformProfile,
    facts: TaskFacts = FACTS,
    first: Scorecard | None = None,
    second: Scorecard | None = None,
) -> float | None:
    """When the second of two platforms is asked beside the first."""
    one, other = profiles or (platform("openai"), platform("anthropic"))
    cards = (first or Scorecard(one.target, **SEEN), second or Scorecard(other.target, **SEEN))
    ranked = [
        assess(profile, card, Requirements(), facts, NOW)
        for profile, card in zip((one, other), cards, strict=True)
    ]
    return make_plan(ranked, 30.0, 4, facts, NOW).hedge_after_s


def test_a_second_platform_is_asked_at_the_firsts_own_p95() -> None:
    """Of whole answers for JSON, of the first word for a stream."""
    assert hedged_after_s() == 1.2
    streamed = replace(FACTS, needs=frozenset({Capability.STREAMING}))
    assert hedged_after_s(facts=streamed) == 0.4


def test_it_is_the_p95_of_requests_of_that_size() -> None:
    """Where one in ten is long, their common p95 hedges every long one, and of the short ones none."""
    bounds_ms = ((600.0, 700.0, 800.0, 900.0, 1_000.0), None, (9e3, 1e4, 1.1e4, 1.2e4, 1.3e4))
    card = Scorecard(
        "openai/openai-model",
        latency_p95_ms=5_000.0,
        first_byte_p95_ms=(200.0, 400.0, 3_000.0),
        bounds_ms=bounds_ms,
    )
    hedged_s = []
    for input_bytes in (100, 8_000, 100_000):
        for needs in (frozenset[Capability](), frozenset({Capability.STREAMING})):
            facts = TaskFacts(input_bytes, 1, 200, needs)
            hedged_s.append(hedged_after_s(facts=facts, first=card))
    assert hedged_s == [0.9, 0.2, 5.0, 0.4, 12.0, 3.0]


def test_nothing_that_may_act_is_asked_twice() -> None:
    """Two platforms that both refund are two refunds: no tools, and no hosted agent on either side."""
    acting = replace(FACTS, needs=frozenset({Capability.FUNCTION_CALLING}))
    assert hedged_after_s(facts=acting) is None
    model, agent = platform("openai"), platform("copilot_studio")
    agent = replace(agent, limits=replace(agent.limits, continues=False))
    assert hedged_after_s(model, agent) is None
    assert hedged_after_s(agent, model) is None


def test_a_hedge_needs_another_platform_a_known_p95_and_nobody_to_probe() -> None:
    """Of a stranger nobody knows what is late, and a probe is no help."""
    own, other = platform("openai"), replace(platform("openai"), model="another")
    assert hedged_after_s(own, other) is None
    assert hedged_after_s(first=Scorecard("openai/openai-model")) is None
    due = Scorecard("any", breaker=BreakerPhase.OPEN, breaker_until=NOW - 1, **SEEN)
    assert hedged_after_s(first=due) is None
    assert hedged_after_s(second=due) is None
