"""Who answers a request, and why: one pure function from what is known to a decision.

The same arguments give the same decision, so a recorded one can be replayed and argued
about. It costs tens of microseconds, so every replica decides for itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from routing.conformal import share_within
from routing.eligibility import Candidate, assess
from routing.errors import ErrorKind, NoPlatformAvailable, PlatformError
from routing.impossible import explain_impossible
from routing.knee import full_reasons, give_way
from routing.learned import Judgement
from routing.message import Json, JsonObject
from routing.plan import AttemptPlan, make_plan
from routing.platform_profile import PlatformProfile
from routing.policies import POLICIES
from routing.policies.adaptive import Adaptive
from routing.policy import Policy, Ranking, Seeded, Strategy
from routing.question import Question
from routing.scorecard import Snapshot
from routing.size import Size
from routing.slowness import slow_reasons, stand_back
from routing.wish import as_wished, check_names, comes_first, wish_of


@dataclass(frozen=True, slots=True)
class Decision:
    """Which targets were weighed, on which snapshot, and what will be tried.

    A chosen target that is not eligible was the least bad: every breaker was open.
    `propensity` is the probability with which the policy drew the chosen one: what an
    evaluation of other policies on this decision's outcome divides by. `world` names the
    state of the world it was taken on, for those who keep it.
    """

    id: str
    question: Question
    snapshot: int
    candidates: tuple[Candidate, ...]
    plan: AttemptPlan
    propensity: float
    world: Mapping[str, str] = field(default_factory=dict)

    _shown: JsonObject | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def chosen(self) -> str:
        """The platform that is asked first."""
        return self.plan.primary.platform

    @property
    def strategy(self) -> Strategy:
        """By what the candidates were ranked."""
        return self.question.strategy

    def to_json(self) -> JsonObject:
        """The decision as callers, status pages and the audit see it; made once for all of them."""
        shown = self._shown
        if shown is None:
            shown = self._to_json()
            object.__setattr__(self, "_shown", shown)
        return shown

    def _to_json(self) -> JsonObject:
        limit_ms = self.question.requirements.max_latency_ms
        if limit_ms is not None:
            limit_ms -= self.question.own_ms
        size = self.question.facts.size
        return {
            "id": self.id,
            "strategy": self.strategy.value,
            "chosen": self.chosen,
            "model": self.plan.primary.model,
            "candidates": [
                _candidate_json(c, size, limit_ms, self.question.now) for c in self.candidates
            ],
            "snapshot": self.snapshot,
            "seed": self.question.seed,
            "propensity": self.propensity,
            "plan": [attempt.to_json() for attempt in self.plan.attempts],
            "hedge_after_s": self.plan.hedge_after_s,
            "world": dict(self.world),
        }


def decide(
    profiles: Sequence[PlatformProfile],
    snapshot: Snapshot,
    question: Question,
    *,
    decision_id: str,
    policies: Mapping[Strategy, Policy] = POLICIES,
) -> Decision:
    """Choose a target and its fallbacks.

    `profiles` come in the operator's order, which breaks ties. Without a platform any of
    them may be chosen by the strategy; fallbacks are then the caller's, or the next in
    rank where the caller named none. A fixed platform fails over to other models of its
    own, unless the model is fixed too, and to platforms the caller named.

    Raises:
        RequestError: `platform_unknown`, or `requirements_impossible` when no target
            could ever take the request; each limit is named with its smallest relaxation.
        NoPlatformAvailable: those that could asked not to be called for now, or there is none.
    """
    check_names(profiles, question)
    is_requested = wish_of(question)
    policy, judge = policies[question.strategy], None
    if question.strategy is Strategy.ADAPTIVE:
        policy = Adaptive(snapshot.learned)
        judge = snapshot.learned.judges(question.facts.reading)
    requirements, facts, now = question.requirements, question.facts, question.now
    found_before, own, own_ms = question.inexpressible, snapshot.own, question.own_ms
    candidates = tuple(
        [
            assess(
                profile,
                snapshot.of(profile.target),
                requirements,
                facts,
                now,
                is_requested=is_requested is None or is_requested(profile),
                inexpressible_before=found_before.get(profile.target, ()) if found_before else (),
                own_in_flight=own.get(profile.target, 0) if own else 0,
                judgement=None if judge is None else judge.of(profile),
                own_ms=own_ms,
            )
            for profile in profiles
        ]
    )
    eligible = [candidate for candidate in candidates if not candidate.reasons]
    if eligible:
        ranking = _rank(eligible, policy, question)
        ranked = as_wished(ranking.order, question)
    else:
        ranked = [_least_bad(candidates, question.now)]
        ranking = Ranking(ranked)
    plan = make_plan(ranked, question.asking_s, question.max_attempts, question.facts, question.now)
    return Decision(decision_id, question, snapshot.version, candidates, plan, ranking.propensity)


def _rank(eligible: Sequence[Candidate], policy: Policy, question: Question) -> Ranking:
    """The candidates by the policy, those of the platform that comes first by the caller's wish in front.

    They are drawn among themselves, so that the propensity is that of coming first.
    """
    rng = Seeded(question.seed)
    name = comes_first(eligible, question)
    if name is None:
        return _after_yielding(policy(eligible, rng), eligible, policy, question)
    front = [candidate for candidate in eligible if candidate.platform == name]
    rest = [candidate for candidate in eligible if candidate.platform != name]
    ranking = _after_yielding(policy(front, rng), front, policy, question)
    if not rest:
        return ranking
    behind = _after_yielding(policy(rest, rng), rest, policy, question)
    return Ranking([*ranking.order, *behind.order], ranking.propensity)


def _after_yielding(
    ranking: Ranking, eligible: Sequence[Candidate], policy: Policy, question: Question
) -> Ranking:
    """The ranking after those that are much slower than usual or full have stood back."""
    strategy, now = question.strategy, question.now

    def yielded(order: Sequence[Candidate]) -> Sequence[Candidate]:
        return give_way(stand_back(order, strategy, now), strategy)

    order = yielded(ranking.order)
    if order is ranking.order:
        return ranking
    if not isinstance(policy, Adaptive):
        return Ranking(order, ranking.propensity)

    def is_first(drawn: Candidate) -> bool:
        return yielded(policy.order(eligible, drawn))[0] is order[0]

    shares = zip(eligible, policy.shares(eligible), strict=True)
    return Ranking(order, sum(share for drawn, share in shares if is_first(drawn)))


def _least_bad(candidates: Sequence[Candidate], now: float) -> Candidate:
    """The target to try although nobody is eligible.

    An open breaker is our guess, and with every other way closed a wrong guess costs
    nothing; so the one whose cool-down ends first is tried, alone, lest an outage be
    answered with several times the calls. A cooling platform asked not to be called, and
    what an administrator holds open is no guess.
    """
    if not candidates:
        raise NoPlatformAvailable("no platform is configured")
    resting = [candidate for candidate in candidates if candidate.is_only_resting]
    if not resting:
        raise explain_impossible(candidates)
    guessed = [c for c in resting if not c.scorecard.is_cooling(now) and not c.scorecard.forced]
    if not guessed:
        raise NoPlatformAvailable(
            "every platform that could answer may not be called for now",
            tuple(_resting_error(candidate, now) for candidate in resting),
        )
    return min(guessed, key=lambda c: c.scorecard.breaker_until or now)


def _resting_error(candidate: Candidate, now: float) -> PlatformError:
    card = candidate.scorecard
    until = max(card.cooling_until or now, card.breaker_until or now)
    kind = ErrorKind.RATE_LIMITED if card.is_cooling(now) else ErrorKind.OVERLOADED
    detail = "; ".join(reason.detail for reason in candidate.reasons)
    return PlatformError(candidate.platform, kind, detail, until - now)


def _candidate_json(
    candidate: Candidate, size: Size, limit_ms: float | None, now: float
) -> dict[str, Json]:
    cost_usd, bound_usd = candidate.expected_cost_usd, candidate.cost_bound_usd
    bounds_ms = candidate.scorecard.bounds_ms[size]
    within = None if limit_ms is None or bounds_ms is None else share_within(bounds_ms, limit_ms)
    return {
        "platform": candidate.platform,
        "model": candidate.profile.model,
        "eligible": candidate.is_eligible,
        "expected_cost_usd": None if cost_usd is None else round(cost_usd, 12),
        "cost_bound_usd": None if bound_usd is None else float(bound_usd),
        "max_tokens": candidate.max_tokens,
        "latency_p95_ms": round(candidate.latency_p95_ms, 1),
        "in_time_probability": None if within is None else round(within, 4),
        "quality": _judgement_json(candidate.judgement),
        "reasons": [
            reason.to_json()
            for reason in (
                *candidate.reasons,
                *slow_reasons(candidate, now),
                *full_reasons(candidate),
            )
        ],
    }


def _judgement_json(judgement: Judgement | None) -> dict[str, Json] | None:
    if judgement is None:
        return None
    return {
        "predicted": round(judgement.cold, 6),
        "believed": round(judgement.mean, 6),
        "lower_bound": round(judgement.lower, 6),
    }
