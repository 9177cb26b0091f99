import pytest

from routing import breaker as breakers
from routing.breaker import (
    AILMENT_OF,
    CONSECUTIVE_FAILURES,
    COOL_DOWN_S,
    DEFAULT_COOLING_S,
    LONG_COOL_DOWN_S,
    MAX_COOL_DOWN_S,
    MAX_COOLING_S,
    MIN_ATTEMPTS,
    PROBE_LEASE_S,
    Ailment,
    Breaker,
    BreakerPhase,
    admits,
    attempt_key,
    claim_probe,
    release_probe,
)
from routing.errors import ErrorKind
from routing.outcome import Outcome
from tests.unit.routing.worlds import NOW, fold, outcome


def after_failures(count: int, breaker: Breaker | None = None, now: float = NOW) -> Breaker:
    breaker = breaker or Breaker()
    for _ in range(count):
        breaker = fold(breaker, outcome(at=now, error=ErrorKind.TIMEOUT), now)
    return breaker


def claimed(breaker: Breaker, now: float, answer_id: str = "probe") -> Breaker:
    probing = claim_probe(breaker, attempt_key(answer_id, 0), now)
    assert probing is not None
    return probing


def test_five_failures_in_a_row_open_the_breaker() -> None:
    """A quiet platform that fails every call is left alone before ten calls were lost."""
    assert admits(after_failures(CONSECUTIVE_FAILURES - 1), NOW)
    opened = after_failures(CONSECUTIVE_FAILURES)
    assert opened.phase is BreakerPhase.OPEN
    assert not admits(opened, NOW)


def test_half_of_ten_attempts_failing_opens_the_breaker() -> None:
    """A platform that fails every second call is as useless as one that fails all."""
    breaker = Breaker()
    for _ in range(MIN_ATTEMPTS // 2):
        breaker = after_failures(1, breaker)
        assert breaker.phase is BreakerPhase.CLOSED
        breaker = fold(breaker, outcome(at=NOW), NOW)
    assert after_failures(1, breaker).phase is BreakerPhase.OPEN


def test_half_of_a_few_attempts_failing_opens_nothing() -> None:
    """One failure of two calls is no outage."""
    breaker = fold(Breaker(), outcome(at=NOW), NOW)
    assert after_failures(1, breaker).phase is BreakerPhase.CLOSED


@pytest.mark.parametrize("error", [ErrorKind.RATE_LIMITED, ErrorKind.SATURATED])
def test_being_refused_for_load_is_no_failure(error: ErrorKind) -> None:
    """A 429 is an answer; a breaker that counts it turns a limit into an outage."""
    breaker = Breaker()
    for _ in range(50):
        breaker = fold(breaker, outcome(at=NOW, error=error), NOW)
    assert breaker.phase is BreakerPhase.CLOSED


def test_a_429_cools_the_platform_down_for_as_long_as_it_asks() -> None:
    """Retry-After is obeyed."""
    limited = outcome(at=NOW, error=ErrorKind.RATE_LIMITED, retry_after_s=20)
    breaker = fold(Breaker(), limited, NOW)
    assert not admits(breaker, NOW + 19.9)
    assert admits(breaker, NOW + 20)


def test_a_429_that_names_no_time_cools_for_the_usual_one() -> None:
    """Vendors that send no Retry-After are not hammered."""
    breaker = fold(Breaker(), outcome(at=NOW, error=ErrorKind.RATE_LIMITED), NOW)
    assert breaker.cooling_until == NOW + DEFAULT_COOLING_S


def test_an_absurd_retry_after_is_believed_only_so_far() -> None:
    """One odd header does not remove a platform for a day."""
    limited = outcome(at=NOW, error=ErrorKind.RATE_LIMITED, retry_after_s=86_400)
    assert fold(Breaker(), limited, NOW).cooling_until == NOW + MAX_COOLING_S


def test_a_shorter_retry_after_does_not_cut_a_longer_one() -> None:
    """Two replicas that were told different times keep to the longer."""
    long = outcome(at=NOW, error=ErrorKind.RATE_LIMITED, retry_after_s=60)
    short = outcome(at=NOW, error=ErrorKind.RATE_LIMITED, retry_after_s=1)
    assert fold(fold(Breaker(), long, NOW), short, NOW).cooling_until == NOW + 60


@pytest.mark.parametrize(
    "error", [ErrorKind.QUOTA_EXHAUSTED, ErrorKind.CREDENTIALS, ErrorKind.MODEL_GONE]
)
def test_what_only_a_person_repairs_opens_at_once_and_long(error: ErrorKind) -> None:
    """An empty account or a wrong key does not cost five failed customers first."""
    breaker = fold(Breaker(), outcome(at=NOW, error=error), NOW)
    assert breaker.phase is BreakerPhase.OPEN
    assert breaker.until == NOW + LONG_COOL_DOWN_S


def test_refusing_a_request_is_healthy() -> None:
    """Customers who send what is refused cannot open a breaker for everyone."""
    breaker = Breaker()
    for _ in range(50):
        breaker = fold(breaker, outcome(at=NOW, error=ErrorKind.CONTENT_FILTERED), NOW)
    assert breaker.phase is BreakerPhase.CLOSED
    assert breaker.window.counts(NOW).failures == 0


def test_an_attempt_the_caller_gave_up_says_nothing() -> None:
    """Closed browser tabs are no outage."""
    breaker = fold(Breaker(), outcome(at=NOW, error=ErrorKind.CREDENTIALS, abandoned=True), NOW)
    assert breaker == Breaker()


def test_an_open_breaker_gives_one_probe_after_the_cool_down() -> None:
    """A recovering platform meets one request, not all of them."""
    opened = after_failures(CONSECUTIVE_FAILURES)
    assert claim_probe(opened, "early", opened.until - 0.1) is None
    probing = claim_probe(opened, "first", opened.until)
    assert probing is not None
    assert probing.phase is BreakerPhase.HALF_OPEN
    assert claim_probe(probing, "second", opened.until) is None
    assert not admits(probing, opened.until)


def test_a_closed_breaker_has_no_probe_to_give() -> None:
    """Nobody waits for a probe where everyone may go."""
    assert claim_probe(Breaker(), "any", NOW) is None


def test_a_probe_that_works_closes_the_breaker_and_clears_its_past() -> None:
    """After recovery one more failure does not open it again."""
    opened = after_failures(CONSECUTIVE_FAILURES)
    probing = claimed(opened, opened.until)
    closed = fold(probing, outcome(at=opened.until + 1, answer_id="probe"), opened.until + 1)
    assert closed.phase is BreakerPhase.CLOSED
    assert after_failures(1, closed, opened.until + 2).phase is BreakerPhase.CLOSED


def test_cool_downs_double_up_to_a_bound_while_probes_fail() -> None:
    """An outage costs ever fewer customers, and its end is still noticed within two minutes."""
    breaker, waits = after_failures(CONSECUTIVE_FAILURES), []
    for number in range(6):
        waits.append(breaker.until - breaker.since)
        now, probe = breaker.until, f"probe{number}"
        failed = outcome(at=now, error=ErrorKind.TIMEOUT, answer_id=probe)
        breaker = fold(claimed(breaker, now, probe), failed, now)
    assert waits == [COOL_DOWN_S, 20, 40, 80, MAX_COOL_DOWN_S, MAX_COOL_DOWN_S]


def test_a_platform_that_was_healthy_for_long_starts_with_a_short_cool_down() -> None:
    """Last week's outage does not lengthen today's blip, but this minute's does."""
    opened = after_failures(CONSECUTIVE_FAILURES)
    now = opened.until
    closed = fold(claimed(opened, now), outcome(at=now, answer_id="probe"), now)
    soon, late = now + 1, now + MAX_COOL_DOWN_S
    again = after_failures(CONSECUTIVE_FAILURES, closed, soon)
    assert again.until - soon == 2 * COOL_DOWN_S
    fresh = after_failures(CONSECUTIVE_FAILURES, closed, late)
    assert fresh.until - late == COOL_DOWN_S


@pytest.mark.parametrize(
    "ending",
    [
        outcome(at=NOW, answer_id="probe", abandoned=True),
        outcome(at=NOW, answer_id="probe", error=ErrorKind.SATURATED),
        outcome(at=NOW, answer_id="probe", error=ErrorKind.RATE_LIMITED, retry_after_s=0),
    ],
)
def test_a_probe_that_proved_nothing_frees_its_place(ending: Outcome) -> None:
    """A cancelled or rate-limited probe does not keep a recovered platform out."""
    opened = after_failures(CONSECUTIVE_FAILURES, now=NOW - 100)
    freed = fold(claimed(opened, NOW - 50), ending, NOW)
    assert freed.phase is BreakerPhase.HALF_OPEN
    assert claim_probe(freed, "next", NOW) is not None


def test_a_claim_that_was_never_sent_can_be_given_back() -> None:
    """A request cancelled between claim and call does not cost the next one a minute."""
    opened = after_failures(CONSECUTIVE_FAILURES)
    probing = claimed(opened, opened.until)
    assert release_probe(probing, "someone else", opened.until) == probing
    freed = release_probe(probing, attempt_key("probe", 0), opened.until)
    assert admits(freed, opened.until)


def test_a_probe_that_never_reports_is_forgotten() -> None:
    """A replica killed in the middle of a probe does not close a platform for ever."""
    opened = after_failures(CONSECUTIVE_FAILURES)
    probing = claimed(opened, opened.until)
    assert not admits(probing, opened.until + PROBE_LEASE_S - 0.1)
    assert admits(probing, opened.until + PROBE_LEASE_S)


def test_news_from_before_the_breaker_opened_changes_nothing() -> None:
    """A slow answer to an old request is no sign of recovery."""
    opened = after_failures(CONSECUTIVE_FAILURES)
    late = outcome(at=NOW + 5, latency_ms=30_000)
    assert fold(opened, late, NOW + 5) == opened


def test_timeouts_from_before_the_recovery_do_not_open_it_again() -> None:
    """Requests stuck since the outage end in a heap after it; they are old news."""
    opened = after_failures(CONSECUTIVE_FAILURES)
    now = opened.until
    closed = fold(claimed(opened, now), outcome(at=now, answer_id="probe"), now)
    for _ in range(20):
        stuck = outcome(at=now + 1, error=ErrorKind.TIMEOUT, latency_ms=60_000)
        closed = fold(closed, stuck, now + 1)
    assert closed.phase is BreakerPhase.CLOSED


def test_a_lone_platform_called_past_its_open_breaker_closes_it_by_answering() -> None:
    """With one platform only, recovery is noticed by the first call that works."""
    opened = after_failures(CONSECUTIVE_FAILURES)
    assert fold(opened, outcome(at=NOW + 2), NOW + 2).phase is BreakerPhase.CLOSED


def test_what_ails_the_account_leaves_the_models_breaker_alone() -> None:
    """And a model that is gone says nothing about the key: each breaker heals by itself."""
    for ailment in Ailment:
        for error, about in AILMENT_OF.items():
            after = breakers.fold(Breaker(), ailment, outcome(at=NOW, error=error), NOW)
            if about is not ailment:
                assert after.phase is BreakerPhase.CLOSED
                assert after.window.counts(NOW).failures == 0


@pytest.mark.parametrize("error", [ErrorKind.TIMEOUT, ErrorKind.CREDENTIALS])
def test_calls_past_an_open_breaker_do_not_push_its_end_away(error: ErrorKind) -> None:
    """A lone platform under steady traffic still comes to its probe."""
    breaker = fold(Breaker(), outcome(at=NOW, error=ErrorKind.CREDENTIALS), NOW)
    until = breaker.until
    for second in range(1, 100):
        breaker = fold(breaker, outcome(at=NOW + second, error=error), NOW + second)
    assert breaker.until == until


def test_an_unclaimed_failure_after_the_cool_down_counts_as_the_probe() -> None:
    """A caller that forgot to claim cannot leave a dead platform admitted to everyone."""
    opened = after_failures(CONSECUTIVE_FAILURES)
    now = opened.until
    again = fold(opened, outcome(at=now, error=ErrorKind.TIMEOUT), now)
    assert not admits(again, now)
    assert again.until == now + 2 * COOL_DOWN_S


def test_an_open_breaker_still_hears_a_429() -> None:
    """Retry-After holds in every phase, also for the probe."""
    opened = after_failures(CONSECUTIVE_FAILURES)
    limited = outcome(at=NOW, error=ErrorKind.RATE_LIMITED, retry_after_s=60)
    cooling = fold(opened, limited, NOW)
    assert claim_probe(cooling, "probe", cooling.until) is None
    assert claim_probe(cooling, "probe", NOW + 60) is not None
