"""A probe that was claimed is sent and told, or given back at once, on every path there is."""

import asyncio
import contextlib
from dataclasses import replace
from decimal import Decimal

import pytest
from typing_extensions import override

from actors.coordinator.state import CoordinatorState
from deployments.agent.attempt import Journey
from deployments.agent.executor import Resumed
from routing.breaker import CONSECUTIVE_FAILURES, BreakerPhase
from routing.errors import ErrorKind, NoPlatformAvailable
from routing.outcome import Outcome
from tests.unit.agent.worlds import (
    Board,
    Scripted,
    attempt,
    executor,
    fails,
    journey,
    read,
    reply,
)
from tests.unit.routing.worlds import outcome
from tests.unit.virtual_time import LoopClock

TARGET = "openai/openai-model"
DUE_S = 11.0
"""After the breaker's first cool-down."""


class RealBoard(Board):
    """The coordinator's own state, reached at once; a claim takes `claim_s`."""

    def __init__(self, claim_s: float = 0.0) -> None:
        super().__init__()
        self.claim_s = claim_s
        self.state = CoordinatorState("us")
        now = LoopClock().now()
        self.state.fold(
            [
                outcome(at=now, error=ErrorKind.OVERLOADED, answer_id=f"old_{n}")
                for n in range(CONSECUTIVE_FAILURES)
            ],
            now,
        )

    @override
    def end(self, outcome: Outcome) -> None:
        super().end(outcome)
        self.state.fold([outcome], LoopClock().now())

    @override
    async def claim_probe(self, platform: str, key: str) -> bool:
        self.claims.append((platform, key))
        granted = self.state.claim_probe(platform, key, LoopClock().now())
        await asyncio.sleep(self.claim_s)
        return granted

    @override
    def release_probe(self, platform: str, key: str) -> None:
        super().release_probe(platform, key)
        self.state.release_probe(platform, key, LoopClock().now())

    @property
    def is_free(self) -> bool:
        """Whether the breaker is not closed and the next attempt may be its probe."""
        card = self.state.snapshot(LoopClock().now()).of(TARGET)
        return self.state.claim_probe(TARGET, "next/0", LoopClock().now()) and (
            card.breaker is not BreakerPhase.CLOSED
        )


def probing(deadline_s: float = 30.0, left_usd: Decimal | None = None) -> Journey:
    return journey(
        attempt("openai", 0.9 * deadline_s, is_probe=True),
        attempt("anthropic", 0.1 * deadline_s),
        deadline_s=deadline_s,
        left_usd=left_usd,
    )


async def ailing(claim_s: float = 0.0) -> RealBoard:
    """A board with openai's breaker open, at the moment when its probe is due."""
    board = RealBoard(claim_s)
    assert board.state.snapshot(LoopClock().now()).of(TARGET).breaker is BreakerPhase.OPEN
    await asyncio.sleep(DUE_S)
    return board


async def test_a_caller_who_leaves_while_the_probe_is_claimed_gives_it_back() -> None:
    """Granted at the coordinator, and never heard of: it would have been kept for 75 s."""
    board = await ailing(claim_s=0.4)
    run = asyncio.create_task(
        executor(board, openai=Scripted([reply()]), anthropic=Scripted()).complete(probing())
    )
    await asyncio.sleep(0.2)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert board.released == board.claims
    assert (board.begun, board.is_free) == ([], True)


async def test_a_probe_whose_claim_took_the_time_away_is_given_back() -> None:
    """Nothing was sent, and the next caller may try at once."""
    board = await ailing(claim_s=0.45)
    plan = journey(attempt("openai", 0.47, is_probe=True), deadline_s=0.47)
    with pytest.raises(Exception, match="answered within"):
        await executor(board, openai=Scripted([reply()])).complete(plan)
    assert board.released == board.claims != []
    assert (board.begun, board.is_free) == ([], True)


async def test_no_probe_is_claimed_without_the_money_to_send_it() -> None:
    """Time and money are looked at before the claim as well."""
    board = await ailing()
    with pytest.raises(NoPlatformAvailable):
        await executor(board, openai=Scripted(), anthropic=Scripted()).complete(
            probing(left_usd=Decimal("0.000000001"))
        )
    assert (board.claims, board.is_free) == ([], True)


@pytest.mark.parametrize(
    "leaves_after_s", [0.5, 1.5], ids=["before the first word", "in mid-answer"]
)
async def test_a_caller_who_leaves_a_probe_under_way_gives_it_back(leaves_after_s: float) -> None:
    """The attempt ends as abandoned, and its outcome frees the breaker."""
    board = await ailing()
    openai = Scripted([1.0, "a", 60.0, reply()])

    async def reads() -> None:
        run = executor(board, openai=openai, anthropic=Scripted())
        await read(run, probing())

    task = asyncio.create_task(reads())
    await asyncio.sleep(leaves_after_s)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert board.told == [("openai", "abandoned")]
    assert (board.released, board.is_free) == ([], True)


@pytest.mark.parametrize(
    "said",
    [
        ErrorKind.RATE_LIMITED,
        ErrorKind.INVALID_REQUEST,
        ErrorKind.CONTENT_FILTERED,
        ErrorKind.SATURATED,
        ErrorKind.CREDENTIALS,
    ],
)
async def test_a_probe_that_says_nothing_of_health_is_no_longer_held(said: ErrorKind) -> None:
    """Whatever it ended in, nobody waits for its lease."""
    board = await ailing()
    openai = Scripted([fails(said)])
    with contextlib.suppress(Exception):
        await executor(board, openai=openai, anthropic=Scripted([reply()])).complete(probing())
    breakers = board.state.to_checkpoint()
    assert "ans_1/0" not in str(breakers)
    assert board.released == []


async def test_a_stream_left_at_the_change_of_platforms_ends_the_second_attempt() -> None:
    """It had begun to speak, and nobody read on: its connection is closed, its probe told."""
    board = await ailing()
    anthropic = Scripted(["one ", fails(ErrorKind.STREAM_TRUNCATED, "anthropic")])
    openai = Scripted(["two", 60.0, reply()])
    plan = journey(attempt("anthropic", 20.0), attempt("openai", 10.0, is_probe=True))
    run = executor(board, openai=openai, anthropic=anthropic)
    async with contextlib.aclosing(run.stream(plan)) as steps:
        async for step in steps:
            if isinstance(step, Resumed):
                break
    assert board.told == [("anthropic", "stream_truncated"), ("openai", "abandoned")]
    assert (openai.cut, board.is_free) == (1, True)


async def test_a_hedge_that_loses_leaves_no_probe_behind() -> None:
    """A plan with a hedge may end in a probe, whose number counts both runners before it."""
    board = await ailing()
    slow = Scripted(*([[reply()]] * 40), [5.0, fails(ErrorKind.OVERLOADED, "anthropic")])
    second = Scripted([1.0, fails(ErrorKind.OVERLOADED, "google_vertex")])
    run = executor(board, openai=Scripted([reply()]), anthropic=slow, google_vertex=second)

    def plan() -> Journey:
        made = journey(
            attempt("anthropic", 20.0),
            attempt("google_vertex", 5.0),
            attempt("openai", 5.0, is_probe=True),
        )
        made.plan = replace(made.plan, hedge_after_s=1.0)
        return made

    for _ in range(40):
        await run.complete(plan())
    executed = await run.complete(plan())
    assert executed.platform == "openai"
    assert board.claims == [(TARGET, "ans_1/2")]
    assert board.outcomes[-1].attempt == 2
    assert board.state.snapshot(LoopClock().now()).of(TARGET).breaker is BreakerPhase.CLOSED


async def test_without_another_platform_a_refused_probe_asks_all_the_same() -> None:
    """As an open breaker does not stop the only platform there is, its probe does not either."""
    board = Board(grants=False)
    plan = journey(attempt("openai", 30.0, is_probe=True))
    assert (await executor(board, openai=Scripted([reply()])).complete(plan)).platform == "openai"
    assert board.released == []
