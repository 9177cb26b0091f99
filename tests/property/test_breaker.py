"""A breaker under any order of requests, answers, lost probes and passing time."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from routing.breaker import (
    LONG_COOL_DOWN_S,
    MAX_COOLING_S,
    PROBE_LEASE_S,
    Ailment,
    Breaker,
    BreakerPhase,
    admits,
    attempt_key,
    claim_probe,
    fold,
    release_probe,
)
from routing.errors import ErrorKind
from tests.unit.routing.worlds import NOW, outcome

ENDINGS = st.one_of(st.none(), st.sampled_from(ErrorKind))


class BreakerLife(RuleBasedStateMachine):
    """One breaker, the calls under way, and the probes nobody has heard of yet."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.ailment = Ailment.HEALTH
        self.now = NOW
        self.breaker = Breaker()
        self.sent = 0
        # Probe name -> when its claim is forgotten. A probe leaves when it reports.
        self.probing: dict[str, float] = {}

    def next_answer(self) -> str:
        self.sent += 1
        return f"ans_{self.sent}"

    @initialize(ailment=st.sampled_from(Ailment))
    def ail(self, ailment: Ailment) -> None:
        self.ailment = ailment

    @rule(seconds=st.floats(0.0, 200.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=calls)
    def send(self) -> tuple[str, float]:
        """Whatever the breaker says: calls past it happen when every platform is out."""
        return self.next_answer(), self.now

    @rule(target=calls)
    def send_as_admitted(self) -> tuple[str, float]:
        answer_id = self.next_answer()
        claimed = claim_probe(self.breaker, attempt_key(answer_id, 0), self.now)
        if claimed is not None:
            assert admits(self.breaker, self.now)
            self.breaker = claimed
            self.probing[answer_id] = self.now + PROBE_LEASE_S
        return answer_id, self.now

    @rule(call=consumes(calls), error=ENDINGS, abandoned=st.booleans())
    def report(self, call: tuple[str, float], error: ErrorKind | None, abandoned: bool) -> None:
        answer_id, began = call
        ended = outcome(
            at=self.now,
            latency_ms=(self.now - began) * 1000,
            error=error,
            retry_after_s=30 if error is ErrorKind.RATE_LIMITED else None,
            answer_id=answer_id,
            abandoned=abandoned,
        )
        self.breaker = fold(self.breaker, self.ailment, ended, self.now)
        self.probing.pop(answer_id, None)
        if self.breaker.phase is not BreakerPhase.HALF_OPEN:
            # The question is answered; a probe still under way is a call like any other.
            self.probing.clear()

    @rule(call=consumes(calls))
    def give_back(self, call: tuple[str, float]) -> None:
        self.breaker = release_probe(self.breaker, attempt_key(call[0], 0), self.now)
        self.probing.pop(call[0], None)

    @rule(call=consumes(calls))
    def lose(self, call: tuple[str, float]) -> None:
        """The replica died: nothing is ever reported, and the lease alone ends the claim."""

    @invariant()
    def at_most_one_probe_is_under_way_while_half_open(self) -> None:
        if self.breaker.phase is BreakerPhase.HALF_OPEN:
            assert sum(self.now < until for until in self.probing.values()) <= 1

    @invariant()
    def only_half_open_knows_a_probe(self) -> None:
        if self.breaker.phase is not BreakerPhase.HALF_OPEN:
            assert self.breaker.probe is None

    @invariant()
    def a_breaker_that_is_not_closed_has_failed_lately(self) -> None:
        assert (self.breaker.openings > 0) or (self.breaker.phase is BreakerPhase.CLOSED)

    @invariant()
    def every_wait_is_bounded(self) -> None:
        longest = max(LONG_COOL_DOWN_S, MAX_COOLING_S, PROBE_LEASE_S)
        assert admits(self.breaker, self.now + longest)

    @precondition(lambda self: self.breaker.phase is not BreakerPhase.CLOSED)
    @rule()
    def recover(self) -> None:
        """From anywhere, waiting and one good probe lead back to closed."""
        self.now += max(LONG_COOL_DOWN_S, MAX_COOLING_S, PROBE_LEASE_S)
        answer_id = self.next_answer()
        claimed = claim_probe(self.breaker, attempt_key(answer_id, 0), self.now)
        assert claimed is not None
        self.breaker = fold(
            claimed, self.ailment, outcome(at=self.now, answer_id=answer_id), self.now
        )
        assert self.breaker.phase is BreakerPhase.CLOSED
        self.probing.clear()


TestBreakerLife = BreakerLife.TestCase
TestBreakerLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
