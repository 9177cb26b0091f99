"""Who answers a request, and why: one pure function from what is known to a decision.

The same arguments give the same decision, so a recorded one can be replayed and argued
about. It costs tens of microseconds, so every replica decides for itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from routing.eligibility import Candidate, assess
from routing.errors import ErrorKind, NoPlatformAvailable, PlatformError, RequestError, Violation
from routing.estimate import TaskFacts
from routing.impossible import explain_impossible
from routing.message import Json
from routing.plan import DEFAULT_DEADLINE_S, MAX_ATTEMPTS, AttemptPlan, make_plan
from routing.platform_profile import PlatformProfile
from routing.policies import POLICIES
from routing.policy import Policy, Strategy
from routing.requirement import Requirements
from routing.scorecard import Snapshot


@dataclass(frozen=True, slots=True)
class Decision:
    """Which platforms were weighed, on which snapshot, and what will be tried.

    `seed` stays below 2^53 to survive JSON. A chosen platform that is not eligible was
    the least bad: every breaker was open.
    """

    id: str
    strategy: Strategy
    seed: int
    snapshot: int
    chosen: str
    candidates: tuple[Candidate, ...]
    plan: AttemptPlan

    def to_json(self) -> dict[str, Json]:
        """The decision as callers, status pages and the audit see it."""
        return {
            "id": self.id,
            "strategy": self.strategy.value,
            "chosen": self.chosen,
            "candidates": [_candidate_json(candidate) for candidate in self.candidates],
            "snapshot": self.snapshot,
            "seed": self.seed,
            "plan": [attempt.to_json() for attempt in self.plan.attempts],
        }


def decide(
    profiles: Sequence[PlatformProfile],
    snapshot: Snapshot,
    requirements: Requirements,
    facts: TaskFacts,
    *,
    strategy: Strategy,
    platform: str | None = None,
    fallback_platforms: Sequence[str] = (),
    deadline_s: float = DEFAULT_DEADLINE_S,
    now: float,
    seed: int,
    decision_id: str,
    policies: Mapping[Strategy, Policy] = POLICIES,
    max_attempts: int = MAX_ATTEMPTS,
) -> Decision:
    """Choose a platform and its fallbacks.

    `profiles` come in the operator's order, which breaks ties. With `platform` None any
    of them may be chosen by `strategy`; fallbacks are then the caller's, or the next in
    rank where the caller named none. A fixed `platform` fails over only to platforms the
    caller named.

    Raises:
        RequestError: `platform_unknown`, or `requirements_impossible` when no platform
            could ever take the request; each limit is named with its smallest relaxation.
        NoPlatformAvailable: those that could asked not to be called for now, or there is none.
    """
    _check_names(profiles, platform, fallback_platforms)
    requested = None if platform is None else {platform, *fallback_platforms}
    candidates = tuple(
        assess(
            profile,
            snapshot.of(profile.name),
            requirements,
            facts,
            now,
            is_requested=requested is None or profile.name in requested,
        )
        for profile in profiles
    )
    eligible = [candidate for candidate in candidates if candidate.is_eligible]
    if not eligible:
        ranked = [_least_bad(candidates, now)]
    elif platform is None:
        ranked = policies[strategy](eligible, Random(seed))  # noqa: S311  spreads load, hides nothing
        if fallback_platforms:
            ranked = [ranked[0], *_named(eligible, fallback_platforms, ranked[0])]
    else:
        ranked = _named(eligible, (platform, *fallback_platforms))
    limit_ms = requirements.max_latency_ms
    within_s = deadline_s if limit_ms is None else min(deadline_s, limit_ms / 1000)
    plan = make_plan(ranked, within_s, max_attempts, now)
    return Decision(
        decision_id, strategy, seed, snapshot.version, ranked[0].platform, candidates, plan
    )


def _named(
    eligible: Sequence[Candidate], names: Sequence[str], but: Candidate | None = None
) -> list[Candidate]:
    by_name = {candidate.platform: candidate for candidate in eligible if candidate is not but}
    # dict.fromkeys drops a name given twice and keeps the caller's order.
    return [by_name[name] for name in dict.fromkeys(names) if name in by_name]


def _least_bad(candidates: Sequence[Candidate], now: float) -> Candidate:
    """The platform to try although nobody is eligible.

    An open breaker is our guess, and with every other way closed a wrong guess costs
    nothing; so the one whose cool-down ends first is tried, alone, lest an outage be
    answered with several times the calls. A cooling platform asked not to be called.
    """
    if not candidates:
        raise NoPlatformAvailable("no platform is configured")
    resting = [candidate for candidate in candidates if candidate.is_only_resting]
    if not resting:
        raise explain_impossible(candidates)
    guessed = [c for c in resting if not c.scorecard.is_cooling(now)]
    if not guessed:
        raise NoPlatformAvailable(
            "every platform that could answer asked not to be called for now",
            tuple(_cooling_error(candidate, now) for candidate in resting),
        )
    return min(guessed, key=lambda c: c.scorecard.breaker_until or now)


def _cooling_error(candidate: Candidate, now: float) -> PlatformError:
    until = candidate.scorecard.cooling_until or now
    detail = "; ".join(reason.detail for reason in candidate.reasons)
    return PlatformError(candidate.platform, ErrorKind.RATE_LIMITED, detail, until - now)


def _check_names(
    profiles: Sequence[PlatformProfile], platform: str | None, fallbacks: Sequence[str]
) -> None:
    if platform is None and not fallbacks:
        return
    known = {profile.name for profile in profiles}
    asked = [("/platform", platform)] if platform is not None else []
    asked += [(f"/fallback_platforms/{i}", name) for i, name in enumerate(fallbacks)]
    there = ", ".join(sorted(known))
    violations = tuple(
        Violation(where, f"{name} is not configured here; there are: {there}")
        for where, name in asked
        if name not in known
    )
    if violations:
        raise RequestError("platform_unknown", "a platform asked for is not configured", violations)


def _candidate_json(candidate: Candidate) -> dict[str, Json]:
    cost_usd = candidate.expected_cost_usd
    return {
        "platform": candidate.platform,
        "eligible": candidate.is_eligible,
        "expected_cost_usd": None if cost_usd is None else float(cost_usd),
        "latency_p95_ms": round(candidate.latency_p95_ms, 1),
        "reasons": [reason.to_json() for reason in candidate.reasons],
    }
