"""A circuit breaker for one platform: pure transitions over a frozen state.

Closed lets everything through and counts; open lets nothing through until its
cool-down is over; then one probe at a time decides. A 429 is an answer: it is no
failure, but its Retry-After cools the platform down in whatever phase it is. The
breaker never reads a clock and never sends anything: whoever holds the state does.

The probe is claimed by name before it is sent (`claim_probe`), because many replicas
read the same snapshot and each would otherwise send its own.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, TypeAlias

from routing.errors import HANDLING, ErrorKind
from routing.outcome import Outcome
from routing.window import RateWindow

MIN_ATTEMPTS = 10
FAILURE_SHARE = 0.5
"""Half of at least ten in a minute: LiteLLM's default share (> 50 % of >= 5) at twice its volume."""

CONSECUTIVE_FAILURES = 5
"""For quiet platforms; with one call in ten failing, five in a row come once in 100,000 calls."""

COOL_DOWN_S = 10.0
MAX_COOL_DOWN_S = 120.0
"""Doubled at each opening in a row: a blip costs 10 s, an outage one probe in two minutes."""

LONG_COOL_DOWN_S = 300.0
"""For what only a person repairs (money, keys, a retired model): a probe every five minutes."""

PROBE_LEASE_S = 75.0
"""A probe unheard of for this long is forgotten: the longest attempt (60 s, plan.py) and its report."""

DEFAULT_COOLING_S = 5.0
MAX_COOLING_S = 300.0
"""A 429 without Retry-After, and the most one is believed: a day's quota is QUOTA_EXHAUSTED, not a 429."""

_NEEDS_A_PERSON = frozenset(
    {ErrorKind.QUOTA_EXHAUSTED, ErrorKind.CREDENTIALS, ErrorKind.MODEL_GONE}
)


class Ailment(StrEnum):
    """What can be wrong, each with a breaker of its own, because each heals by itself.

    A model that is overloaded says nothing about the account, and a wrong key nothing
    about the model. One that answers slowly has no ailment: it yields to others
    (`routing.slowness`).
    """

    HEALTH = "health"
    """It fails, is silent or is not there: one model on one platform."""
    MODEL = "model"
    """It was shut down: the same."""
    ACCOUNT = "account"
    """The key is wrong or the money is gone: every model of the platform."""


AILMENT_OF: dict[ErrorKind, Ailment] = {
    **dict.fromkeys(ErrorKind, Ailment.HEALTH),
    ErrorKind.MODEL_GONE: Ailment.MODEL,
    ErrorKind.CREDENTIALS: Ailment.ACCOUNT,
    ErrorKind.PERMISSION: Ailment.ACCOUNT,
    ErrorKind.QUOTA_EXHAUSTED: Ailment.ACCOUNT,
}


Verdict: TypeAlias = Literal["success", "failure", "neutral", "hopeless"]
"""What an outcome says about an ailment."""


class BreakerPhase(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of one platform's breaker.

    `since` is when the phase was entered: an outcome of an attempt that began earlier
    is news of another time and moves nothing. `until` ends the cool-down when open and
    the probe's lease when half open. `openings` counts those since the last healthy
    spell and sets the next cool-down.
    """

    phase: BreakerPhase = BreakerPhase.CLOSED
    since: float = 0.0
    until: float = 0.0
    cooling_until: float = 0.0
    openings: int = 0
    consecutive_failures: int = 0
    probe: str | None = None
    window: RateWindow = field(default_factory=RateWindow)


def attempt_key(answer_id: str, attempt: int) -> str:
    """The name under which an attempt claims the probe and later reports."""
    return f"{answer_id}/{attempt}"


def admits(breaker: Breaker, now: float) -> bool:
    """Whether an attempt may be sent at `now`: freely when closed, else as the claimed probe."""
    if now < breaker.cooling_until:
        return False
    return breaker.phase is BreakerPhase.CLOSED or now >= breaker.until


def claim_probe(breaker: Breaker, key: str, now: float) -> Breaker | None:
    """The breaker with its probe given to `key`, or None if there is none to give."""
    if breaker.phase is BreakerPhase.CLOSED or not admits(breaker, now):
        return None
    return replace(
        breaker,
        phase=BreakerPhase.HALF_OPEN,
        since=breaker.since if breaker.phase is BreakerPhase.HALF_OPEN else now,
        until=now + PROBE_LEASE_S,
        probe=key,
    )


def release_probe(breaker: Breaker, key: str, now: float) -> Breaker:
    """The breaker with the probe of `key` free again: for a claim that was never sent."""
    if breaker.probe != key:
        return breaker
    return replace(breaker, until=now, probe=None)


def fold(breaker: Breaker, ailment: Ailment, outcome: Outcome, now: float) -> Breaker:
    """The breaker for `ailment` after `outcome` was reported at `now`.

    A failure of another kind says nothing here, but that its probe is over.

    While open or half open, attempts go past the breaker when every other way is closed
    too. A success among them closes it; a failure says nothing new, and prolonging the
    cool-down by it would keep a lone platform open for ever. A failure decides only if
    it is the probe's, or of an attempt sent when a probe was due though none was claimed.
    """
    if ailment is Ailment.HEALTH:
        breaker = _cool(breaker, outcome, now)
    return judged(breaker, outcome, _verdict(outcome, ailment), now)


def judged(breaker: Breaker, outcome: Outcome, verdict: Verdict, now: float) -> Breaker:
    """The breaker after `outcome`, of which `verdict` says what it means for this ailment."""
    key = attempt_key(outcome.answer_id, outcome.attempt)
    began_at = outcome.at - outcome.latency_ms / 1000
    is_probe = breaker.probe == key
    decides = is_probe or began_at >= breaker.until
    breaker = release_probe(breaker, key, now)
    if not is_probe and began_at < breaker.since:
        return breaker
    match verdict:
        case "neutral":
            return breaker
        case "hopeless":
            return _give_up(breaker, now, decides=decides)
        case "success":
            return _succeed(breaker, now)
        case "failure":
            return _fail(breaker, now, decides=decides)


def _verdict(outcome: Outcome, ailment: Ailment) -> Verdict:
    """What an outcome says about an ailment; refusing a request is a healthy thing to do."""
    if outcome.error is None and not outcome.abandoned:
        return "success"
    if outcome.error is None or outcome.abandoned or AILMENT_OF[outcome.error] is not ailment:
        return "neutral"
    if outcome.error in _NEEDS_A_PERSON:
        return "hopeless"
    if HANDLING[outcome.error].counts_against_health:
        return "failure"
    if outcome.error in {ErrorKind.RATE_LIMITED, ErrorKind.SATURATED}:
        return "neutral"
    return "success"


def _cool(breaker: Breaker, outcome: Outcome, now: float) -> Breaker:
    if outcome.error is not ErrorKind.RATE_LIMITED:
        return breaker
    asked_s = DEFAULT_COOLING_S if outcome.retry_after_s is None else outcome.retry_after_s
    until = now + min(max(asked_s, 0.0), MAX_COOLING_S)
    return replace(breaker, cooling_until=max(until, breaker.cooling_until))


def _succeed(breaker: Breaker, now: float) -> Breaker:
    """Close on any fresh success: also on one sent past an open breaker for want of another."""
    if breaker.phase is not BreakerPhase.CLOSED:
        return Breaker(since=now, cooling_until=breaker.cooling_until, openings=breaker.openings)
    return replace(breaker, consecutive_failures=0, window=breaker.window.record(now, failed=False))


def _fail(breaker: Breaker, now: float, *, decides: bool) -> Breaker:
    if breaker.phase is BreakerPhase.CLOSED:
        failed = replace(
            breaker,
            consecutive_failures=breaker.consecutive_failures + 1,
            window=breaker.window.record(now, failed=True),
        )
        return _open(failed, now) if _is_failing(failed, now) else failed
    return _open(breaker, now) if decides else breaker


def _give_up(breaker: Breaker, now: float, *, decides: bool) -> Breaker:
    if breaker.phase is BreakerPhase.CLOSED or decides:
        return _open(breaker, now, LONG_COOL_DOWN_S)
    if breaker.phase is BreakerPhase.OPEN:
        # Counted from the opening, or each refusal would move the next probe away.
        return replace(breaker, until=max(breaker.until, breaker.since + LONG_COOL_DOWN_S))
    return breaker


def _is_failing(breaker: Breaker, now: float) -> bool:
    if breaker.consecutive_failures >= CONSECUTIVE_FAILURES:
        return True
    attempts, failures = breaker.window.counts(now)
    return attempts >= MIN_ATTEMPTS and failures >= FAILURE_SHARE * attempts


def _open(breaker: Breaker, now: float, at_least_s: float = 0.0) -> Breaker:
    was_healthy = breaker.phase is BreakerPhase.CLOSED and now - breaker.since >= MAX_COOL_DOWN_S
    openings = 0 if was_healthy else breaker.openings
    # The exponent is bounded so that a year of outage cannot overflow a float.
    cool_down_s = min(COOL_DOWN_S * 2.0 ** min(openings, 16), MAX_COOL_DOWN_S)
    return Breaker(
        phase=BreakerPhase.OPEN,
        since=now,
        until=now + max(cool_down_s, at_least_s),
        cooling_until=breaker.cooling_until,
        openings=openings + 1,
    )
