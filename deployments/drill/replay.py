"""The replay: every question of a drill through the product's decision and executor, and what came of it."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from deployments.agent.attempt import Journey
from deployments.agent.executor import Executed, Executor, Resumed
from deployments.drill.scoreboard import DrillScoreboard
from deployments.drill.scripted import question
from deployments.drill.traffic import Asked
from deployments.platforms.base import Platform
from routing.capability import Capability
from routing.catalog import Catalog
from routing.clock import Clock
from routing.decision import decide
from routing.errors import PlatformError, SupportMaxError
from routing.estimate import BYTES_PER_TOKEN, TaskFacts
from routing.exchange import ChatRequest, TextDelta
from routing.message import Message
from routing.policy import Policy, Strategy
from routing.question import Question
from routing.requirement import Requirements

IN_FLIGHT_MAX = 10_000
"""Questions under way at once; those of a minute at 160 a second, each waiting for its deadline."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one question.

    `by` is who answered, None where nobody did; `failed` is then the code of the error. `cut`
    marks a text that was called whole and was not: it must never happen. `spoiled` are the
    attempts that failed, by platform and kind; the later of a hedged pair did not fail.
    """

    second: float
    latency_s: float
    by: str | None
    failed: str | None
    resumed: int
    hedged: bool
    cut: bool
    cost_usd: Decimal | None
    spoiled: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a replay is given but its platforms.

    `message` turns a question's number into what is asked, `expected` into the whole right
    answer, None where nobody knows it. `fallback_platforms` empty means any, by the ranking.
    """

    asked: Sequence[Asked]
    catalog: Catalog
    strategy: Strategy
    policies: Mapping[Strategy, Policy]
    fallback_platforms: tuple[str, ...]
    max_attempts: int
    max_tokens: int
    deadline_s: float
    seed: int
    streams: bool
    expected: Callable[[int], str | None]
    message: Callable[[int], Message] = question
    system: str = ""


async def replay(
    plan: Plan, platforms: Mapping[str, Platform], clock: Clock, progress: Callable[[int], None]
) -> tuple[Result, ...]:
    """Ask every question at its second of the loop's time; the results in the questions' order.

    `progress` is told how many more have been asked.
    """
    board = DrillScoreboard(clock)
    asking = _Asking(plan, board, Executor(platforms, plan.catalog, board, clock), clock)
    results: list[Result | None] = [None] * len(plan.asked)
    room = asyncio.Semaphore(IN_FLIGHT_MAX)

    async def ask(number: int) -> None:
        try:
            results[number] = await asking.ask(number)
        finally:
            room.release()

    async with asyncio.TaskGroup() as group:
        for number, asked in enumerate(plan.asked):
            # The arrivals are what is replayed: their seconds are the drill's own clock.
            await asyncio.sleep(max(asking.began + asked.second - clock.monotonic(), 0.0))
            await room.acquire()
            group.create_task(ask(number))
            progress(1)
    return tuple(result for result in results if result is not None)


@dataclass(slots=True)
class _Heard:
    text: str = ""
    resumed: int = 0
    executed: Executed | None = None


class _Asking:
    """Asks the questions of a plan, each as an ingress replica would."""

    def __init__(
        self, plan: Plan, board: DrillScoreboard, executor: Executor, clock: Clock
    ) -> None:
        self.began = clock.monotonic()
        self._plan = plan
        self._board = board
        self._executor = executor
        self._clock = clock
        self._chance = random.Random(f"road/{plan.seed}")  # noqa: S311  a drill is to be repeatable

    async def ask(self, number: int) -> Result:
        began, heard = self._clock.monotonic(), _Heard()
        journey: Journey | None = None
        failed: str | None = None
        try:
            journey = self._depart(number, began)
            await self._listen(journey, heard)
        except SupportMaxError as error:
            failed = error.kind.value if isinstance(error, PlatformError) else error.code
        executed, expected = heard.executed, self._plan.expected(number)
        return Result(
            second=began - self.began,
            latency_s=self._clock.monotonic() - began,
            by=None if executed is None else executed.platform,
            failed=failed,
            resumed=heard.resumed,
            hedged=journey is not None and bool(journey.hedged),
            cut=executed is not None and expected is not None and heard.text != expected,
            cost_usd=Decimal(0) if journey is None else journey.spent.usd,
            spoiled=()
            if journey is None
            else tuple(
                (tried.platform, tried.outcome)
                for tried in journey.tried
                if tried.outcome not in {"ok", "abandoned"}
            ),
        )

    def _depart(self, number: int, began: float) -> Journey:
        plan = self._plan
        facts = TaskFacts(
            input_bytes=plan.asked[number].input_tokens * BYTES_PER_TOKEN,
            messages=1,
            max_tokens=plan.max_tokens,
            needs=frozenset({Capability.STREAMING} if plan.streams else ()),
        )
        decision = decide(
            plan.catalog.profiles,
            self._board.snapshot,
            Question(
                Requirements(),
                facts,
                plan.strategy,
                now=self._clock.now(),
                seed=self._chance.getrandbits(53),
                fallback_platforms=plan.fallback_platforms,
                deadline_s=plan.deadline_s,
                max_attempts=plan.max_attempts,
            ),
            decision_id=f"dec_{number}",
            policies=plan.policies,
        )
        message = plan.message(number)
        request = ChatRequest("", (message,), plan.system, plan.max_tokens)
        return Journey(
            plan=decision.plan,
            request=request,
            tenant="drill",
            answer_id=f"ans_{number}",
            began=began,
            facts=facts,
            left_usd=None,
        )

    async def _listen(self, journey: Journey, heard: _Heard) -> None:
        if not self._plan.streams:
            heard.executed = await self._executor.complete(journey)
            heard.text = heard.executed.reply.text
            return
        async with contextlib.aclosing(self._executor.stream(journey)) as steps:
            async for step in steps:
                match step:
                    case TextDelta(text):
                        heard.text += text
                    case Resumed():
                        heard.resumed += 1
                    case executed:
                        heard.executed = executed
