"""A late platform gets company: who speaks first answers, the other is closed and booked."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from decimal import Decimal

import pytest
from typing_extensions import override

from deployments.agent.attempt import Journey
from deployments.agent.executor import Executed, Executor
from routing.errors import ErrorKind, NoPlatformAvailable
from routing.exchange import ChatChunk, ChatRequest
from routing.money import Price
from tests.unit.agent.worlds import (
    Board,
    Scripted,
    attempt,
    executor,
    fails,
    journey,
    priced,
    read,
    reply,
)

HEDGE_AFTER_S = 1.0


def late(*planned: object, left_usd: Decimal | None = None) -> Journey:
    plan = journey(left_usd=left_usd)
    plan.plan = replace(plan.plan, hedge_after_s=HEDGE_AFTER_S)
    return plan


async def saved_up(run: Executor, openai: Scripted, quick: int = 40) -> None:
    """Calls in time, which pay for two hedges."""
    openai.scripts[:0] = [[reply()]] * quick
    for _ in range(quick):
        await run.complete(late())


async def test_the_second_platform_answers_for_a_late_first() -> None:
    """The first is closed, abandoned, and booked at what its input costs."""
    openai, anthropic, board = Scripted([30.0, reply()]), Scripted([0.5, reply()]), Board()
    run = executor(board, openai=openai, anthropic=anthropic)
    await saved_up(run, openai)
    began, before = asyncio.get_running_loop().time(), openai.cut
    executed = await run.complete(late())
    assert executed.platform == "anthropic"
    assert asyncio.get_running_loop().time() - began == HEDGE_AFTER_S + 0.5
    assert board.told[-2:] == [("openai", "abandoned"), ("anthropic", "ok")]
    assert board.outcomes[-2].cost_usd is not None
    assert openai.cut == before + 1


async def test_a_stream_goes_to_who_speaks_first() -> None:
    """And only his words reach the caller."""
    openai = Scripted([1.2, "first", reply("first")])
    anthropic, board = Scripted([0.5, "second", reply("second")]), Board()
    run = executor(board, openai=openai, anthropic=anthropic)
    await saved_up(run, openai)
    text, end = await read(run, late())
    assert isinstance(end, Executed)
    assert (text, end.platform) == ("first", "openai")
    assert board.told[-2:] == [("anthropic", "abandoned"), ("openai", "ok")]


async def test_a_call_in_time_has_no_company() -> None:
    """Hedging costs nothing where nobody is late."""
    openai, anthropic = Scripted([0.9, reply()]), Scripted()
    run = executor(Board(), openai=openai, anthropic=anthropic)
    assert (await run.complete(late())).platform == "openai"
    assert anthropic.asked == []


async def test_a_late_first_without_savings_is_waited_for() -> None:
    """At most one call in twenty is made twice."""
    openai, anthropic = Scripted([5.0, reply()]), Scripted()
    run = executor(Board(), openai=openai, anthropic=anthropic)
    assert (await run.complete(late())).platform == "openai"
    assert anthropic.asked == []


async def test_a_platform_is_not_asked_twice_at_once_because_the_first_was_passed_over() -> None:
    """Finding the context took the first one's time: the second then is the first, and has no second."""
    openai, anthropic, board = Scripted(), Scripted([3.0, reply()]), Board()
    run = executor(board, openai=openai, anthropic=anthropic)
    await saved_up(run, openai)
    plan = journey(attempt("openai", 0.5), attempt("anthropic", 9.5), deadline_s=10.0)
    plan.plan = replace(plan.plan, hedge_after_s=HEDGE_AFTER_S)
    plan.began -= 0.5
    assert (await run.complete(plan)).platform == "anthropic"
    assert len(anthropic.asked) == 1
    assert board.told[-1] == ("anthropic", "ok")


async def test_the_hedge_is_not_bought_with_money_the_first_may_spend() -> None:
    """Both may be billed, so both bounds must fit."""
    price = Price(Decimal(1), Decimal(10))
    bound = price.bound(1000, 800)
    openai, anthropic = Scripted([5.0, reply()]), Scripted()
    run = priced(price, Board(), openai=openai, anthropic=anthropic)
    await saved_up(run, openai)
    assert (await run.complete(late(left_usd=bound))).platform == "openai"
    assert anthropic.asked == []


async def test_when_both_fail_each_was_asked_once_and_the_verdict_names_both() -> None:
    """The hedge was the fallback; it is not asked again as one."""
    openai = Scripted([2.0, fails(ErrorKind.TIMEOUT)])
    anthropic = Scripted([0.1, fails(ErrorKind.TIMEOUT, "anthropic")])
    board = Board()
    run = executor(board, openai=openai, anthropic=anthropic)
    await saved_up(run, openai)
    with pytest.raises(NoPlatformAvailable) as caught:
        await run.complete(late())
    assert {a.platform for a in caught.value.attempts} == {"openai", "anthropic"}
    assert board.told[-2:] == [("anthropic", "timeout"), ("openai", "timeout")]


async def test_a_caller_who_leaves_a_race_ends_both_calls() -> None:
    """No connection and no attempt is left behind."""
    openai, anthropic, board = Scripted([30.0, reply()]), Scripted([30.0, reply()]), Board()
    run = executor(board, openai=openai, anthropic=anthropic)
    await saved_up(run, openai)
    before = openai.cut
    task = asyncio.ensure_future(run.complete(late()))
    await asyncio.sleep(2.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (openai.cut - before, anthropic.cut) == (1, 1)
    assert sorted(board.told[-2:]) == [("anthropic", "abandoned"), ("openai", "abandoned")]
    assert len(board.begun) == len(board.outcomes)


async def test_the_first_is_waited_for_when_the_hedge_fails() -> None:
    """A failing second takes nothing from a first that is merely slow."""
    openai = Scripted([3.0, "slow ", "but sure", reply("slow but sure")])
    anthropic = Scripted([0.1, fails(ErrorKind.OVERLOADED, "anthropic")])
    run = executor(Board(), openai=openai, anthropic=anthropic)
    await saved_up(run, openai)
    text, end = await read(run, late())
    assert isinstance(end, Executed)
    assert (text, end.platform) == ("slow but sure", "openai")


class Lingering(Scripted):
    """Takes a second to let go of its connection."""

    @override
    async def stream(
        self, request: ChatRequest, deadline_s: float
    ) -> AsyncGenerator[ChatChunk, None]:
        try:
            async for chunk in super().stream(request, deadline_s):
                yield chunk
        finally:
            await asyncio.sleep(1.0)


async def test_a_caller_who_leaves_while_the_loser_is_closed_leaves_no_winner_behind() -> None:
    """The winner had spoken and nobody reads it: its call is closed and told as well."""
    openai, anthropic, board = Lingering([30.0, reply()]), Scripted(["hi", 30.0, reply()]), Board()
    run = executor(board, openai=openai, anthropic=anthropic)
    quick = Scripted()
    run_quick = executor(board, openai=quick, anthropic=Scripted())
    await saved_up(run_quick, quick)
    run._gate = run_quick._gate
    began, cut = len(board.begun), anthropic.cut
    task = asyncio.ensure_future(read(run, late()))
    await asyncio.sleep(HEDGE_AFTER_S + 0.5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(board.begun) == began + 2
    assert len(board.begun) == len(board.outcomes)
    assert anthropic.cut == cut + 1
