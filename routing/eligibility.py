"""Hard filters: which targets may take a request at all, and why the others may not.

A reason is either the caller's to change (a requirement) or time's (breaker, cooling):
the first ends in 422 when nobody is left, the second in 503. Who is best is not decided
here. Most targets pass most filters, so only what fails is put into words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from math import ceil

from routing.breaker import Ailment, BreakerPhase
from routing.capability import Capability
from routing.conformal import PROMISED
from routing.estimate import TaskFacts, affordable_tokens
from routing.expressible import inexpressible
from routing.learned import Judgement
from routing.money import Price
from routing.peak import Peak
from routing.platform_profile import PlatformProfile
from routing.reason import Reason
from routing.requirement import Requirements
from routing.scorecard import Scorecard
from routing.size import Size

MIN_OUTPUT_TOKENS = 16
"""Fewer cannot carry an answer (OpenAI's Responses API refuses less); a caller may still ask for less."""

_NEEDED_BY = {
    Capability.STREAMING: "/stream",
    Capability.FUNCTION_CALLING: "/tools",
    Capability.JSON_SCHEMA: "/response_schema",
    Capability.VISION: "/images",
}
"""What of a request needs the ability, where the caller did not require it. What we need ourselves
is asked for only where the platform is ours to choose."""

_COST_STEP = Decimal("1e-10")
"""USD: exact for prices of four decimals per million, and safe to print as a JSON number."""


@dataclass(slots=True)  # not frozen: that costs a microsecond each, a fifth of a decision
class Candidate:
    """A target as one request sees it; never changed once made.

    `max_tokens` is clamped to what the model, its window and the money allow.
    `latency_p95_ms` is the bound that 95 % of answers of this size keep, where that is known.
    `in_flight` counts the requests it works on, as far as whoever decides knows; `judgement` is
    how good its answer will be, where the strategy asks; `peak` the target's for this size, to be
    read at `now`.
    """

    profile: PlatformProfile
    scorecard: Scorecard
    max_tokens: int
    latency_p95_ms: float
    expected_cost_usd: float | None
    input_tokens_bound: int
    reasons: tuple[Reason, ...] = ()
    in_flight: int = 0
    judgement: Judgement | None = None
    peak: Peak | None = None
    now: float = 0.0

    @property
    def cost_bound_usd(self) -> Decimal | None:
        """The most its call can cost; None where the price is unknown."""
        price = self.profile.price
        return None if price is None else price.bound(self.input_tokens_bound, self.max_tokens)

    @property
    def platform(self) -> str:
        """Its platform."""
        return self.profile.name

    @property
    def target(self) -> str:
        """Its platform and model."""
        return self.profile.target

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
    inexpressible_before: Sequence[Reason] = (),
    own_in_flight: int = 0,
    judgement: Judgement | None = None,
    own_ms: float = 0.0,
) -> Candidate:
    """Hold one target against what is asked.

    `own_ms` are those of the caller's time that the target does not have. `inexpressible_before` is what was found of tools and images that are not at hand any more,
    `own_in_flight` what the scorecard does not count yet (`Snapshot.own`). With a `judgement`
    quality is held to its lower bound, in place of the operator's figure.
    """
    latency_ms = latency_bound_ms(profile, scorecard, facts.size)
    reasons: list[Reason] = []
    if not is_requested:
        reasons.append(_not_requested(profile))
    quality = profile.quality if judgement is None else judgement.lower
    if not _meets(profile, requirements, facts, latency_ms + own_ms, quality):
        whole_ms = latency_ms + own_ms
        reasons.extend(_unmet_demands(profile, requirements, facts, whole_ms, quality))
    if not facts.is_plain:
        reasons.extend(inexpressible(profile, facts))
    reasons.extend(inexpressible_before)
    wanted, floor = _length(profile, facts, reasons)
    input_bound = facts.input_tokens_bound
    if facts.image_count:
        input_bound = facts.bound_with(profile.limits.image_tokens)
    price, limit_usd = profile.price, requirements.max_cost_usd
    max_tokens, expected_usd = wanted, None
    if price is not None:
        quick_usd = requirements.quick_max_cost or 0.0
        if limit_usd is not None and not price.surely_within(input_bound, wanted, quick_usd):
            max_tokens = affordable_tokens(price, limit_usd, input_bound, wanted)
            if max_tokens < floor:
                reasons.append(_too_dear(price, limit_usd, input_bound, floor))
                max_tokens = floor
        mean = scorecard.mean_output_tokens
        usual = facts.expected_output_tokens if mean is None else int(mean)
        usual = usual if usual < max_tokens else max_tokens  # noqa: FURB136
        expected_usd = price.expected(facts.input_tokens_expected, usual)
    elif limit_usd is not None:
        reasons.append(_unknown_price(profile))
    if scorecard.breaker is not BreakerPhase.CLOSED or scorecard.cooling_until is not None:
        reasons.extend(_rests(scorecard, now))
    in_flight = scorecard.in_flight + own_in_flight
    return Candidate(
        profile,
        scorecard,
        max_tokens,
        latency_ms,
        expected_usd,
        input_bound,
        tuple(reasons),
        in_flight if in_flight > 0 else 0,  # noqa: FURB136  a fifth of the time of max()
        judgement,
        scorecard.peaks[facts.size],
        now,
    )


def _length(profile: PlatformProfile, facts: TaskFacts, reasons: list[Reason]) -> tuple[int, int]:
    """The output tokens that the model and its window allow, and the fewest worth asking for."""
    # Comparisons in place of min(), which takes five times as long, for each of twenty targets.
    asked, most = facts.max_tokens, profile.max_output_tokens
    wanted = asked if asked < most else most  # noqa: FURB136
    least = profile.limits.least_output_tokens
    wanted = least if wanted < least else wanted  # noqa: FURB136
    floor = wanted if wanted < MIN_OUTPUT_TOKENS else MIN_OUTPUT_TOKENS  # noqa: FURB136
    floor = least if floor < least else floor  # noqa: FURB136
    room = profile.context_window - facts.input_tokens_expected
    if room >= wanted:
        return wanted, floor
    if room >= floor:
        return room, floor
    reasons.append(_window_exceeded(profile, facts.input_tokens_expected, floor))
    return floor, floor


def latency_bound_ms(profile: PlatformProfile, scorecard: Scorecard, size: Size) -> float:
    """The time 95 % of answers take at most: calibrated, else as seen of any size, else believed."""
    bounds_ms = scorecard.bounds_ms[size]
    if bounds_ms is not None:
        return bounds_ms[PROMISED]
    seen_ms = scorecard.latency_p95_ms
    return profile.prior_latency_ms if seen_ms is None else seen_ms


def _meets(
    profile: PlatformProfile,
    requirements: Requirements,
    facts: TaskFacts,
    latency_ms: float,
    quality: float,
) -> bool:
    """Whether `_unmet_demands` has nothing to say; it alone says what."""
    abilities, limit_ms = profile.capabilities, requirements.max_latency_ms
    least = requirements.min_quality
    return (
        requirements.capabilities <= abilities
        and facts.needs <= abilities
        and (limit_ms is None or latency_ms <= limit_ms)
        and not requirements.regions
        and (least is None or quality >= least)
    )


def _not_requested(profile: PlatformProfile) -> Reason:
    return Reason("not_requested", f"{profile.target} is not among what was asked for", "/platform")


def _unmet_demands(
    profile: PlatformProfile,
    requirements: Requirements,
    facts: TaskFacts,
    latency_ms: float,
    quality: float,
) -> Iterator[Reason]:
    if not (
        requirements.capabilities <= profile.capabilities and facts.needs <= profile.capabilities
    ):
        missing = (requirements.capabilities | facts.needs) - profile.capabilities
        for name in sorted(missing):
            detail = f"{profile.name} ({profile.model}) cannot do {name}"
            stated = name in requirements.capabilities
            where = "/requirements/capabilities" if stated else _NEEDED_BY.get(name, "/platform")
            yield Reason(f"capability:{name}", detail, where)
    limit_ms = requirements.max_latency_ms
    if limit_ms is not None and latency_ms > limit_ms:
        detail = f"95 % of answers take up to {latency_ms:.0f} ms in all, over {limit_ms:g} ms"
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
    if least is not None and quality < least:
        yield Reason(
            "min_quality",
            f"{profile.model} is ranked {quality:g}, under {least:g}",
            "/requirements/min_quality",
            quality,
            least - quality,
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


def _too_dear(price: Price, limit_usd: Decimal, input_bound: int, floor: int) -> Reason:
    least_usd = price.bound(input_bound, floor).quantize(_COST_STEP, ROUND_CEILING)
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
        yield Reason("breaker_open", f"{_state(scorecard)} {left_s:.1f} s")
    if scorecard.is_cooling(now):
        left_s = (scorecard.cooling_until or now) - now
        yield Reason("cooling_down", f"asked not to be called for another {left_s:.1f} s")


def _state(scorecard: Scorecard) -> str:
    if scorecard.forced:
        return "held open by an administrator for another"
    if scorecard.breaker is BreakerPhase.HALF_OPEN:
        return "being probed; the next probe is due in"
    match scorecard.ailment:
        case Ailment.ACCOUNT:
            return "refusing our credentials or out of quota; the next probe is due in"
        case Ailment.MODEL:
            return "without this model; the next probe is due in"
        case _:
            return "failing; the next probe is due in"


def _excess(needed: float, limit: float) -> float:
    return needed / limit - 1 if limit > 0 else float("inf")
