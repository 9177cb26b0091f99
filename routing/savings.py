"""What one answer cost, beside what it would have cost elsewhere: the estimate behind the savings.

The actual cost is every attempt's, retries and lost hedges included. What another target would
have cost is an estimate of one call that works at once: its list price for the input as it was
counted, and an answer as much longer or shorter as its answers usually are. Nothing is compared
with the dearest model there is. Money is whole pico-dollars (10^-12 USD).
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from routing.decision import Decision
from routing.eligibility import Candidate
from routing.exchange import Usage
from routing.platform_profile import target_of

BUCKETS = 256
"""Random groups of answers that intervals are reckoned from (`savings_report`): one byte of a hash."""

_PICO = 12


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that was given, as far as its cost goes.

    `usage` is what the one who answered counted, and `cost_usd` what that one call cost; both
    are None where several platforms gave parts of the answer. `text_tokens` is its length
    as far as its text tells.
    """

    platform: str
    model: str
    text_tokens: int
    usage: Usage | None
    cost_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class Alternative:
    """One target that could have taken the request: its rank, and its cost where that is known."""

    target: str
    quality: float
    pico_usd: int | None


@dataclass(frozen=True, slots=True)
class Saving:
    """One answer's row.

    `answered` False is money spent without an answer. `routed` False is a caller who named the
    platform or model: nothing was chosen, so nothing is saved. `default_target` is None where
    the default could not have taken the request. A cost is None where a price is unknown,
    which is not 0; of what was not answered every other cost is 0. What was not routed is
    compared with nothing.
    """

    tenant: str
    answer_id: str
    at: float
    platform: str
    model: str
    strategy: str
    answered: bool
    routed: bool
    simulated: bool
    actual_pico_usd: int | None
    default_target: str | None = None
    default_pico_usd: int | None = None
    cheapest_pico_usd: int | None = None
    random_pico_usd: int | None = None
    alternatives: tuple[Alternative, ...] = ()

    @property
    def bucket(self) -> int:
        """The random group it is in; the same in every process."""
        return hashlib.blake2b(self.answer_id.encode(), digest_size=1).digest()[0]


def saving_of(
    decision: Decision,
    default: str,
    spent_usd: Decimal | None,
    given: Given | None,
    *,
    tenant: str,
    answer_id: str,
    at: float,
    simulated: bool,
) -> Saving:
    """The row of one answer, or of money spent without one where `given` is None.

    `default` is the target the company would use without routing, `spent_usd` what all
    attempts cost together, None where one of them has no known price.
    """
    question, first = decision.question, decision.plan.primary
    routed = question.platform is None and question.model is None
    others: tuple[Alternative, ...] = ()
    if given is not None and routed:
        others = tuple(_alternatives(decision, given, simulated=simulated))
    # Whoever chooses by price, or mixes by it, leaves out what has none.
    priced = [other.pico_usd for other in others if other.pico_usd is not None]
    own = next((other for other in others if other.target == default), None)
    # Where nobody answered, all others would have cost nothing.
    nothing = 0 if routed and given is None else None
    named = default if nothing == 0 or own is not None else None
    return Saving(
        tenant=tenant,
        answer_id=answer_id,
        at=at,
        platform=first.platform if given is None else given.platform,
        model=first.model if given is None else given.model,
        strategy=question.strategy.value,
        answered=given is not None,
        routed=routed,
        simulated=simulated,
        actual_pico_usd=None if spent_usd is None else pico_of(spent_usd),
        default_target=named,
        default_pico_usd=nothing if own is None else own.pico_usd,
        cheapest_pico_usd=min(priced, default=nothing),
        random_pico_usd=_mean(priced) if priced else nothing,
        alternatives=others,
    )


def pico_of(usd: Decimal) -> int:
    """Whole pico-dollars, rounded as the ledger rounds; list prices need no rounding."""
    return round(usd.scaleb(_PICO))


def _alternatives(decision: Decision, given: Given, *, simulated: bool) -> Iterator[Alternative]:
    """Every target that meets what the caller insisted on; who was out of order just then, too.

    A simulated platform is no alternative to a real one, nor the other way round.
    """
    answering = target_of(given.platform, given.model)
    own = [c.scorecard.mean_output_tokens for c in decision.candidates if c.target == answering]
    usual = own[0] if own else None
    whole = given.usage is not None
    for candidate in decision.candidates:
        profile = candidate.profile
        if profile.simulated != simulated or not (
            candidate.is_eligible or candidate.is_only_resting
        ):
            continue
        # What is known is not estimated: else a router that never chooses would seem to save.
        is_known = whole and candidate.target == answering
        usd = given.cost_usd if is_known else _estimate_usd(candidate, decision, given, usual)
        yield Alternative(candidate.target, profile.quality, None if usd is None else pico_of(usd))


def _estimate_usd(
    candidate: Candidate, decision: Decision, given: Given, usual: float | None
) -> Decimal | None:
    """About what the target would have charged.

    The same input, with as much of it cached as was, and an answer of the length that was given,
    times how much longer the target's are than those of whoever answered, `usual` on average.
    Its mean alone would not do: a short question would seem to save, and a long one to cost.
    """
    price, mean = candidate.profile.price, candidate.scorecard.mean_output_tokens
    if price is None:
        return None
    counted = given.usage
    if counted is None or not counted.input_tokens:
        counted = Usage(decision.question.facts.input_tokens_expected)
    length = counted.output_tokens or given.text_tokens
    if mean is not None and usual:
        length = round(length * mean / usual)
    length = min(length, candidate.max_tokens)
    return price.cost(Usage(counted.input_tokens, counted.cached_tokens, 0, length))


def _mean(figures: Sequence[int]) -> int:
    return round(Fraction(sum(figures), len(figures)))
