"""Hard filters: which platforms may take a request at all, and why the others may not.

A reason is either the caller's to change (a requirement) or time's (breaker, cooling):
the first ends in 422 when nobody is left, the second in 503. Who is best is not decided
here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from math import ceil

from routing.breaker import BreakerPhase
from routing.estimate import TaskFacts, affordable_tokens, expected_cost_usd
from routing.message import Json
from routing.money import Price
from routing.platform_profile import PlatformProfile
from routing.requirement import Requirements
from routing.scorecard import Scorecard

MIN_OUTPUT_TOKENS = 16
"""Fewer cannot carry an answer (OpenAI's Responses API refuses less); a caller may still ask for less."""

_COST_STEP = Decimal("1e-10")
"""USD: exact for prices of four decimals per million, and safe to print as a JSON number."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a platform may not take a request.

    `where` is the JSON pointer of what the caller would change; None for reasons that
    only time removes. `would_pass` is the smallest value there that admits the platform
    as far as this reason goes, None where the demand must be dropped. `excess` says how
    far off the demand is, relative to itself, so that the nearest platform can be named.
    """

    code: str
    detail: str
    where: str | None = None
    would_pass: Decimal | float | tuple[str, ...] | None = None
    excess: float = 1.0

    @property
    def is_temporary(self) -> bool:
        """Whether waiting helps."""
        return self.where is None

    def to_json(self) -> dict[str, Json]:
        """This reason as callers see it."""
        plain: dict[str, Json] = {"code": self.code, "detail": self.detail}
        match self.would_pass:
            case None:
                pass
            case tuple(names):
                plain["would_pass"] = list(names)
            case value:
                plain["would_pass"] = float(value)
        return plain


@dataclass(frozen=True, slots=True)
class Candidate:
    """A platform as one request sees it.

    `max_tokens` is clamped to what the model, its window and the money allow;
    `cost_bound_usd` is what the call can cost with it at most.
    """

    profile: PlatformProfile
    scorecard: Scorecard
    max_tokens: int
    latency_p95_ms: float
    expected_cost_usd: Decimal | None
    cost_bound_usd: Decimal | None
    reasons: tuple[Reason, ...] = ()

    @property
    def platform(self) -> str:
        """Its name."""
        return self.profile.name

    @property
    def is_eligible(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons

    @property
    def is_only_resting(self) -> bool:
        """Whether nothing but time speaks against it."""
        return bool(self.reasons) and all(reason.is_temporary for reason in self.reasons)


def assess(
    profile: PlatformProfile,
    scorecard: Scorecard,
    requirements: Requirements,
    facts: TaskFacts,
    now: float,
    *,
    is_requested: bool = True,
) -> Candidate:
    """Hold one platform against what is asked."""
    seen_ms = scorecard.latency_p95_ms
    latency_ms = profile.prior_latency_ms if seen_ms is None else seen_ms
    expected_input = facts.input_tokens_expected
    wanted = min(
        facts.max_tokens, profile.max_output_tokens, profile.context_window - expected_input
    )
    floor = min(MIN_OUTPUT_TOKENS, facts.max_tokens, profile.max_output_tokens)
    reasons: list[Reason] = []
    if not is_requested:
        reasons.append(_not_requested(profile))
    reasons.extend(_unmet_demands(profile, requirements, facts, latency_ms))
    if wanted < floor:
        reasons.append(_window_exceeded(profile, expected_input, floor))
        wanted = floor
    price, limit_usd = profile.price, requirements.max_cost_usd
    max_tokens = wanted
    expected_usd = bound_usd = None
    if price is not None:
        bound_usd = price.bound(facts.input_tokens_bound, max_tokens)
        if limit_usd is not None and bound_usd > limit_usd:
            max_tokens = affordable_tokens(price, limit_usd, facts.input_tokens_bound, wanted)
            if max_tokens < floor:
                reasons.append(_too_dear(price, limit_usd, facts, floor))
                max_tokens = floor
            bound_usd = price.bound(facts.input_tokens_bound, max_tokens)
        mean = scorecard.mean_output_tokens
        usual = facts.expected_output_tokens if mean is None else round(mean)
        expected_usd = expected_cost_usd(price, expected_input, min(usual, max_tokens))
    elif limit_usd is not None:
        reasons.append(_unknown_price(profile))
    if scorecard.breaker is not BreakerPhase.CLOSED or scorecard.cooling_until is not None:
        reasons.extend(_rests(scorecard, now))
    return Candidate(
        profile, scorecard, max_tokens, latency_ms, expected_usd, bound_usd, tuple(reasons)
    )


def _not_requested(profile: PlatformProfile) -> Reason:
    return Reason(
        "not_requested", f"{profile.name} is not among the platforms asked for", "/platform"
    )


def _unmet_demands(
    profile: PlatformProfile, requirements: Requirements, facts: TaskFacts, latency_ms: float
) -> Iterator[Reason]:
    if not (
        requirements.capabilities <= profile.capabilities and facts.needs <= profile.capabilities
    ):
        missing = (requirements.capabilities | facts.needs) - profile.capabilities
        for name in sorted(missing):
            detail = f"{profile.name} ({profile.model}) cannot do {name}"
            yield Reason(f"capability:{name}", detail, "/requirements/capabilities")
    limit_ms = requirements.max_latency_ms
    if limit_ms is not None and latency_ms > limit_ms:
        detail = f"95 % of answers take up to {latency_ms:.0f} ms, over {limit_ms:g} ms"
        yield Reason(
            "max_latency_ms",
            detail,
            "/requirements/max_latency_ms",
            float(ceil(latency_ms)),
            _excess(latency_ms, limit_ms),
        )
    if requirements.regions:
        # Processing may happen in any region of the profile, so each must be allowed.
        stray = profile.regions - requirements.regions
        if stray or not profile.regions:
            places = ", ".join(sorted(stray)) or "a region that is not configured"
            yield Reason(
                "region",
                f"{profile.name} may process in {places}",
                "/requirements/regions",
                tuple(sorted(requirements.regions | profile.regions)) if stray else None,
            )
    least = requirements.min_quality
    if least is not None and profile.quality < least:
        yield Reason(
            "min_quality",
            f"{profile.model} is ranked {profile.quality:g}, under {least:g}",
            "/requirements/min_quality",
            profile.quality,
            least - profile.quality,
        )


def _window_exceeded(profile: PlatformProfile, expected_input: int, floor: int) -> Reason:
    room = max(profile.context_window - floor, 0)
    return Reason(
        "context_window",
        f"about {expected_input} tokens of input; {profile.model} has room for {room}",
        "/message",
        excess=_excess(expected_input, room),
    )


def _unknown_price(profile: PlatformProfile) -> Reason:
    detail = f"what {profile.name} ({profile.model}) costs is unknown, so no limit can be kept"
    return Reason("unknown_price", detail, "/requirements/max_cost")


def _too_dear(price: Price, limit_usd: Decimal, facts: TaskFacts, floor: int) -> Reason:
    least_usd = price.bound(facts.input_tokens_bound, floor).quantize(_COST_STEP, ROUND_CEILING)
    return Reason(
        "max_cost",
        f"an answer of {floor} tokens may cost {least_usd:f} USD, over {limit_usd:f} USD",
        "/requirements/max_cost",
        least_usd,
        _excess(float(least_usd), float(limit_usd)),
    )


def _rests(scorecard: Scorecard, now: float) -> Iterator[Reason]:
    if scorecard.breaker_blocks(now):
        left_s = (scorecard.breaker_until or now) - now
        what = "failing" if scorecard.breaker is BreakerPhase.OPEN else "being probed"
        yield Reason("breaker_open", f"{what}; the next probe is due in {left_s:.1f} s")
    if scorecard.is_cooling(now):
        left_s = (scorecard.cooling_until or now) - now
        yield Reason("cooling_down", f"asked not to be called for another {left_s:.1f} s")


def _excess(needed: float, limit: float) -> float:
    return needed / limit - 1 if limit > 0 else float("inf")
