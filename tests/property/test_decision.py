"""What a decision promises, for any platforms, scoreboard and limits."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from routing.breaker import BreakerPhase
from routing.capability import Capability
from routing.decision import Decision
from routing.eligibility import assess
from routing.errors import NoPlatformAvailable, RequestError
from routing.estimate import TaskFacts, affordable_tokens
from routing.money import Price
from routing.plan import FALLBACK_SHARE, MAX_ATTEMPTS
from routing.platform_profile import PlatformProfile
from routing.policy import Strategy
from routing.requirement import Requirements
from routing.scorecard import Scorecard, Snapshot
from tests.unit.routing.worlds import CHEAP, DEAR, NOW, asked, platform

LATENCIES_MS = st.floats(1, 120_000)
UNTIL = st.none() | st.floats(NOW - 100, NOW + 100)
RATES_USD = st.decimals(0, 100, places=4)
PRICES = st.builds(Price, RATES_USD, RATES_USD, st.none() | RATES_USD, st.none() | RATES_USD)
CAPABILITIES = st.frozensets(st.sampled_from(Capability), max_size=2)
REGIONS = st.frozensets(st.sampled_from(["us", "eu", "asia"]), max_size=2)

PROFILES = st.builds(
    platform,
    st.just("openai"),
    price=st.none() | PRICES,
    quality=st.floats(0, 1),
    prior_latency_ms=LATENCIES_MS,
    regions=REGIONS,
    capabilities=st.just(frozenset(Capability)) | CAPABILITIES,
    context_window=st.integers(1, 200_000),
    max_output_tokens=st.integers(1, 10_000),
)
SCORECARDS = st.builds(
    Scorecard,
    st.just("openai"),
    latency_p95_ms=st.none() | LATENCIES_MS,
    breaker=st.sampled_from(BreakerPhase),
    breaker_until=UNTIL,
    cooling_until=UNTIL,
    mean_output_tokens=st.none() | st.floats(0, 10_000),
)
LIMITS = st.builds(
    Requirements,
    # Floats turned Decimal have more digits than Decimal arithmetic keeps: the hard case.
    max_cost_usd=st.none() | st.decimals(0, 1, places=6) | st.floats(0, 1).map(Decimal),
    max_latency_ms=st.none() | LATENCIES_MS,
    capabilities=CAPABILITIES,
    regions=REGIONS,
    min_quality=st.none() | st.floats(0, 1),
)
FACTS = st.builds(
    TaskFacts,
    input_bytes=st.integers(0, 100_000),
    messages=st.integers(1, 40),
    max_tokens=st.integers(1, 20_000),
    needs=CAPABILITIES,
    expected_output_tokens=st.integers(0, 4_000),
)

# Whole decisions draw from small pools: what matters there is how platforms combine, and
# five of them drawn figure by figure take hypothesis 50 ms an example.
NAMES = ("openai", "azure_openai", "anthropic", "google_vertex", "copilot_studio")
POOL = tuple(
    platform(
        "any",
        price=price,
        quality=quality,
        prior_latency_ms=prior_ms,
        regions=frozenset({region}),
        capabilities=frozenset(c for c in Capability if c is not lacks),
        context_window=window,
    )
    for price, quality, prior_ms, region, lacks, window in (
        (CHEAP, 0.5, 800.0, "us", None, 128_000),
        (CHEAP, 0.5, 800.0, "us", None, 128_000),
        (DEAR, 0.9, 2_500.0, "us", None, 128_000),
        (DEAR, 0.9, 90_000.0, "us", Capability.VISION, 128_000),
        (Price(Decimal(0), Decimal(0)), 0.0, 1.0, "eu", None, 8_000),
        (None, 0.7, 3_000.0, "eu", Capability.STREAMING, 400),
    )
)
STANDINGS = (
    Scorecard("any"),
    Scorecard("any", 500.0, 1_200.0, success_rate=0.99, in_flight=12, mean_output_tokens=90.5),
    Scorecard("any", 900.0, 9_000.0, success_rate=0.0, in_flight=900),
    Scorecard("any", breaker=BreakerPhase.OPEN, breaker_until=NOW + 9),
    Scorecard("any", breaker=BreakerPhase.OPEN, breaker_until=NOW - 9),
    Scorecard("any", breaker=BreakerPhase.HALF_OPEN, breaker_until=NOW + 60),
    Scorecard("any", cooling_until=NOW + 4),
    Scorecard("any", breaker=BreakerPhase.OPEN, breaker_until=NOW + 1, cooling_until=NOW + 4),
)
DEMANDS = (
    Requirements(),
    Requirements(),
    Requirements(max_cost_usd=Decimal("0.002"), max_latency_ms=3_000),
    Requirements(max_cost_usd=Decimal(0)),
    Requirements(regions=frozenset({"us"}), min_quality=0.5),
    Requirements(capabilities=frozenset({Capability.VISION})),
)
TASKS = (
    TaskFacts(input_bytes=900, messages=2, max_tokens=800),
    TaskFacts(input_bytes=900, messages=2, max_tokens=1, needs=frozenset({Capability.STREAMING})),
    TaskFacts(input_bytes=40_000, messages=30, max_tokens=4_000),
)


@dataclass(frozen=True)
class Deciding:
    """A question on a world, to be decided as often as one likes."""

    profiles: tuple[PlatformProfile, ...]
    snapshot: Snapshot
    ask: Callable[[], Decision]

    def __call__(self) -> Decision:
        return self.ask()


@st.composite
def questions(draw: st.DrawFn) -> Deciding:
    """A decision that can be asked for as often as one likes."""
    names = NAMES[: draw(st.integers(1, 5))]
    there = tuple(replace(draw(st.sampled_from(POOL)), name=name) for name in names)
    cards = {p.target: replace(draw(st.sampled_from(STANDINGS)), target=p.target) for p in there}
    limits, facts = draw(st.sampled_from(DEMANDS)), draw(st.sampled_from(TASKS))
    strategy = draw(st.sampled_from(Strategy))
    name = draw(st.none() | st.sampled_from(names))
    fallbacks = draw(st.lists(st.sampled_from(names), max_size=3))
    seed = draw(st.integers(0, 2**53 - 1))

    snapshot = Snapshot(1, "us-east", NOW, cards)

    def ask() -> Decision:
        return asked(
            there,
            snapshot,
            limits,
            facts,
            strategy=strategy,
            platform=name,
            fallback_platforms=fallbacks,
            seed=seed,
        )

    return Deciding(there, snapshot, ask)


def decided(ask: Deciding) -> Decision:
    """The decision; questions nobody can answer are another test's."""
    try:
        return ask()
    except (RequestError, NoPlatformAvailable):
        assume(False)
        raise


@given(PROFILES, SCORECARDS, LIMITS, FACTS)
@settings(max_examples=300)
def test_no_eligible_platform_can_break_a_limit(
    profile: PlatformProfile, card: Scorecard, limits: Requirements, facts: TaskFacts
) -> None:
    """Whoever is eligible keeps every limit, the cost by its bound with what will be sent."""
    candidate = assess(profile, card, limits, facts, NOW)
    if not (candidate.is_eligible or candidate.is_only_resting):
        return
    assert 1 <= candidate.max_tokens <= min(facts.max_tokens, profile.max_output_tokens)
    assert limits.capabilities | facts.needs <= profile.capabilities
    assert not limits.regions or (profile.regions and profile.regions <= limits.regions)
    assert limits.min_quality is None or profile.quality >= limits.min_quality
    assert limits.max_latency_ms is None or candidate.latency_p95_ms <= limits.max_latency_ms
    if limits.max_cost_usd is not None:
        assert profile.price is not None
        bound = profile.price.bound(facts.input_tokens_bound, candidate.max_tokens)
        assert candidate.cost_bound_usd == bound
        assert bound <= limits.max_cost_usd


@given(PRICES, st.integers(0, 100_000), st.integers(1, 20_000), st.data())
@settings(max_examples=300)
def test_money_allows_as_many_tokens_as_it_can_pay_and_not_one_more(
    price: Price, input_tokens: int, wanted: int, data: st.DataObject
) -> None:
    """The clamp is tight on both sides, for limits just at, above and below what a call costs."""
    near = price.bound(input_tokens, data.draw(st.integers(0, wanted)))
    limit = near + data.draw(st.sampled_from([Decimal(0), Decimal("1e-10"), Decimal("-1e-10")]))
    limit = data.draw(st.sampled_from([limit, Decimal(float(limit))]))
    tokens = affordable_tokens(price, limit, input_tokens, wanted)
    assert tokens <= wanted
    if tokens > 0:
        assert price.bound(input_tokens, tokens) <= limit
    if tokens < wanted:
        # Within a token: Decimal rounds limits that were floats at 28 digits.
        assert price.bound(input_tokens, max(tokens, 0) + 2) > limit


@given(questions())
def test_the_same_question_has_the_same_answer(ask: Deciding) -> None:
    """A recorded decision can be replayed bit for bit."""
    assert decided(ask) == decided(ask)


@given(questions())
def test_a_plan_never_tries_a_platform_twice(ask: Deciding) -> None:
    """A fallback is never the primary, and the chosen platform is the first tried."""
    decision = decided(ask)
    names = [attempt.platform for attempt in decision.plan.attempts]
    assert len(set(names)) == len(names)
    assert 1 <= len(names) <= MAX_ATTEMPTS
    assert names[0] == decision.chosen


@given(questions())
def test_a_plan_tries_only_whom_the_limits_allow(ask: Deciding) -> None:
    """Attempts go to eligible platforms, or to one that only our breaker keeps out."""
    decision = decided(ask)
    by_name = {candidate.platform: candidate for candidate in decision.candidates}
    tried = [by_name[attempt.platform] for attempt in decision.plan.attempts]
    if not all(candidate.is_eligible for candidate in tried):
        (least_bad,) = tried
        assert not any(candidate.is_eligible for candidate in decision.candidates)
        assert {reason.code for reason in least_bad.reasons} == {"breaker_open"}


@given(questions())
def test_the_timeouts_of_a_plan_fit_its_deadline(ask: Deciding) -> None:
    """Every attempt has time, none takes its successors', and all end by the deadline."""
    plan = decided(ask).plan
    total_s = sum(attempt.timeout_s for attempt in plan.attempts)
    assert abs(total_s - plan.deadline_s) <= 1e-9 * plan.deadline_s
    left_s = plan.deadline_s
    for attempt in plan.attempts[:-1]:
        assert 0 < attempt.timeout_s <= left_s * (1 - FALLBACK_SHARE)
        left_s -= attempt.timeout_s
    assert plan.attempts[-1].timeout_s > 0


@given(questions())
def test_a_decision_can_always_be_written_as_json(ask: Deciding) -> None:
    """Whatever was weighed, callers can read it: no infinity, no Decimal, no enum."""
    json.dumps(decided(ask).to_json(), allow_nan=False)


@given(PROFILES, LIMITS, FACTS)
@settings(max_examples=200)
def test_a_limit_moved_to_what_would_pass_no_longer_stands_in_the_way(
    profile: PlatformProfile, limits: Requirements, facts: TaskFacts
) -> None:
    """The relaxation we name is enough, also after a trip through JSON."""
    card = Scorecard(profile.name)
    for reason in assess(profile, card, limits, facts, NOW).reasons:
        plain = json.loads(json.dumps(reason.to_json())).get("would_pass")
        if plain is not None:
            relaxed = _relaxed(limits, reason.code, plain)
            again = assess(profile, card, relaxed, facts, NOW)
            assert reason.code not in {left.code for left in again.reasons}


def _relaxed(limits: Requirements, code: str, value: object) -> Requirements:
    match code, value:
        case "region", list(names):
            return replace(limits, regions=frozenset(names))
        case "max_cost", float(usd):
            return replace(limits, max_cost_usd=Decimal(str(usd)))
        case "max_latency_ms", float(ms):
            return replace(limits, max_latency_ms=ms)
        case "min_quality", float(quality):
            return replace(limits, min_quality=quality)
        case _:
            raise AssertionError(f"{code} names {value!r}, which no limit can take")
