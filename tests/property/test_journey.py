"""Plans under way while platforms fail, hang and bill, callers leave, and time and money run out."""

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from deployments.agent.attempt import Journey
from deployments.agent.executor import Executed, Executor, Resumed
from routing.breaker import BreakerPhase
from routing.capability import Capability
from routing.catalog import Catalog
from routing.errors import ErrorKind, SupportMaxError
from routing.estimate import TaskFacts
from routing.exchange import ChatRequest, FinishReason, TextDelta
from routing.message import Message
from routing.requirement import Requirements
from routing.scorecard import Scorecard, Snapshot
from tests.property.journeys import ANSWER, PRICE, WORDS, Course, Vendor, Watched, World
from tests.unit.routing.worlds import asked, platform
from tests.unit.virtual_time import LoopClock, VirtualTimeLoop

NAMES = ("openai", "anthropic", "azure_openai", "google_vertex")
QUESTION = Message("user", "why?")
FACTS = TaskFacts(len(QUESTION.text), 2, WORDS + 4)
BOUND_USD = PRICE.bound(FACTS.input_tokens_bound, FACTS.max_tokens)
TIMES_S = st.sampled_from([0.0, 0.01, 0.5, 1.0, 2.0, 3.0, 20.0])
COURSES = st.builds(
    Course,
    TIMES_S,
    TIMES_S,
    st.integers(1, 12),
    st.sampled_from([0.0, 0.4, 1.0]),
    st.sampled_from(["honest", "repeats", "begins anew"]),
    st.sampled_from([*["whole"] * 5, "no end", "hangs", *ErrorKind]),
    st.sampled_from([0.1, 1.0, 1.0]),
    st.sampled_from(["usage", "usage", "usage", "nothing", "an unknown tier"]),
)
# From too little for one call to enough for any number of them.
LIMITS = st.none() | st.integers(4, 40).map(lambda tenths: BOUND_USD * tenths / 10)
EARLIEST_S = 0.3
"""What a claim may take, and the slowest reader between two pieces."""


@dataclass
class Caller:
    """One who asked: what he has read, and how it ended."""

    journey: Journey
    limit_usd: Decimal | None
    until: float
    heard: str = ""
    executed: Executed | None = None
    failure: SupportMaxError | None = None
    ended_at: float | None = None
    task: asyncio.Task[None] = field(init=False)


class Journeys(RuleBasedStateMachine):
    """One process's executor, its callers, and a world that does its worst."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.world = World(FACTS.input_tokens_bound)
        self.board = Watched()
        self.callers: list[Caller] = []
        self.catalog = Catalog(())
        self.executor: Executor

    @initialize(
        names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=6),
        saved=st.sampled_from([0, 60, 60]),
    )
    def found(self, names: list[str], saved: int) -> None:
        """Some platforms, of one model or of more; `saved` calls in time pay for hedges."""
        self.catalog = Catalog(
            replace(platform(name, price=PRICE), model=f"m{n}") for n, name in enumerate(names)
        )
        vendors = {name: Vendor(name, self.world) for name in names}
        self.executor = Executor(vendors, self.catalog, self.board, LoopClock(1e9))
        for _ in range(saved):
            self.executor._gate.in_time()

    @rule(grants=st.booleans(), takes_s=st.sampled_from([0.0, EARLIEST_S]))
    def probes_are(self, grants: bool, takes_s: float) -> None:
        self.board.grants, self.board.claiming_s = grants, takes_s

    @rule(
        courses=st.lists(COURSES, max_size=4),
        limit=LIMITS,
        streams=st.booleans(),
        deadline_s=st.sampled_from([0.5, 4.0, 30.0]),
        used_s=st.sampled_from([0.0, 0.0, 0.3, 3.1]),
        late_s=st.sampled_from([None, 0.2, 0.2, 1.0]),
        uneven=st.sampled_from([1, 5]),
        is_measured=st.booleans(),
        probed=st.sampled_from([None, *NAMES]),
        pause_s=st.sampled_from([0.0, 0.0, EARLIEST_S]),
    )
    def ask(
        self,
        courses: list[Course],
        limit: Decimal | None,
        streams: bool,
        deadline_s: float,
        used_s: float,
        late_s: float | None,
        uneven: int,
        is_measured: bool,
        probed: str | None,
        pause_s: float,
    ) -> None:
        """Calls go by `courses` from now on. `used_s` of the time are over already; `late_s`, of every other target `uneven` times
        as much, is what makes a call late.
        """
        self.world.courses[:] = courses
        now = 1e9 + self.loop.time()
        cards = {
            profile.target: _card(
                profile.target,
                late_s and late_s * (uneven if number % 2 else 1),
                now,
                is_measured,
                profile.name == probed,
            )
            for number, profile in enumerate(self.catalog.profiles)
        }
        needs = frozenset({Capability.STREAMING} if streams else ())
        try:
            decision = asked(
                self.catalog.profiles,
                Snapshot(1, "us", now, cards),
                Requirements(max_cost_usd=limit),
                replace(FACTS, needs=needs),
                deadline_s=deadline_s,
                seed=len(self.callers),
                now=now,
            )
        except SupportMaxError:
            return
        name = f"ans_{len(self.callers)}"
        began = self.loop.time() - used_s
        journey = Journey(
            plan=decision.plan,
            request=ChatRequest("", (QUESTION,), safety_id=name),
            tenant="acme",
            answer_id=name,
            began=began,
            facts=decision.question.facts,
            left_usd=limit,
        )
        until = max(began + deadline_s, self.loop.time()) + EARLIEST_S
        caller = Caller(journey, limit, until)
        if pause_s:
            caller.until = float("inf")  # it is the reader who takes his time
        self.callers.append(caller)
        caller.task = self.loop.create_task(self._read(caller, pause_s, streams=streams))

    async def _read(self, caller: Caller, pause_s: float, *, streams: bool) -> None:
        try:
            if not streams:
                caller.executed = await self.executor.complete(caller.journey)
                caller.heard = caller.executed.reply.text
                return
            async with contextlib.aclosing(self.executor.stream(caller.journey)) as steps:
                async for step in steps:
                    match step:
                        case TextDelta(more):
                            caller.heard += more
                        case Resumed():
                            pass
                        case Executed():
                            caller.executed = step
                    await asyncio.sleep(pause_s)  # the reader's own pace
        except SupportMaxError as error:
            caller.failure = error
        finally:
            caller.ended_at = self.loop.time()

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.3, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @precondition(lambda self: self.callers)
    @rule(which=st.integers(0, 100))
    def a_caller_leaves(self, which: int) -> None:
        self.callers[which % len(self.callers)].task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))

    @invariant()
    def nobody_was_billed_more_than_his_limit(self) -> None:
        for caller in self.callers:
            billed = self.world.billed.get(caller.journey.answer_id, Decimal(0))
            spent, left = caller.journey.spent.at_most_usd, caller.journey.left_usd
            assert spent is not None
            assert billed <= spent + caller.journey.at_stake_usd
            if caller.limit_usd is not None:
                assert left is not None
                assert billed <= caller.limit_usd
                assert left == caller.limit_usd - spent
                assert left >= caller.journey.at_stake_usd >= 0

    @invariant()
    def whatever_was_heard_is_the_beginning_of_the_answer(self) -> None:
        for caller in self.callers:
            assert ANSWER.startswith(caller.heard)
            if caller.executed is not None:
                reply = caller.executed.reply
                assert caller.heard == reply.text
                assert reply.finish_reason is FinishReason.LENGTH or reply.text == ANSWER

    @invariant()
    def no_outcome_is_told_twice_and_none_without_a_beginning(self) -> None:
        names = [(outcome.answer_id, outcome.attempt) for outcome in self.board.outcomes]
        assert len(names) == len(set(names))
        assert self.board.ended <= self.board.begun
        assert self.board.given_back <= self.board.claimed

    @invariant()
    def what_is_over_is_over(self) -> None:
        for caller in self.callers:
            if caller.ended_at is None:
                continue
            journey = caller.journey
            outcomes = self.board.of(journey.answer_id)
            assert caller.ended_at <= caller.until + 1e-6
            assert journey.at_stake_usd == 0
            assert [outcome.attempt for outcome in outcomes] == list(range(len(outcomes)))
            assert len(journey.tried) == len(outcomes) >= self.world.calls[journey.answer_id]
            whole = [one for one in outcomes if one.error is None and not one.abandoned]
            assert len(whole) == (caller.executed is not None)
            assert not any(
                count for (of, _), count in self.world.under_way.items() if of == journey.answer_id
            )

    @override
    def teardown(self) -> None:
        """Everyone is answered or refused in the end, and nothing is left behind."""
        try:
            under_way = [caller.task for caller in self.callers]
            if under_way:
                self.loop.run_until_complete(asyncio.wait(under_way))
            self.nobody_was_billed_more_than_his_limit()
            self.whatever_was_heard_is_the_beginning_of_the_answer()
            self.no_outcome_is_told_twice_and_none_without_a_beginning()
            self.what_is_over_is_over()
            assert self.board.begun == self.board.ended
            assert self.board.given_back == self.board.claimed
            for caller in self.callers:
                if not caller.task.cancelled():
                    assert caller.task.exception() is None
                    assert (caller.executed is None) != (caller.failure is None)
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()


def _card(
    target: str, late_s: float | None, now: float, is_measured: bool, awaits_probe: bool
) -> Scorecard:
    late_ms = None if late_s is None else late_s * 1000
    silent_ms = late_ms if is_measured else None
    return Scorecard(
        target,
        latency_p95_ms=late_ms,
        first_byte_p95_ms=(late_ms,) * 3,
        first_byte_p99_ms=(silent_ms,) * 3,
        whole_p99_ms=(silent_ms,) * 3,
        gap_p99_ms=silent_ms,
        breaker=BreakerPhase.OPEN if awaits_probe else BreakerPhase.CLOSED,
        breaker_until=now - 1 if awaits_probe else None,
    )


TestJourneys = Journeys.TestCase
TestJourneys.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
