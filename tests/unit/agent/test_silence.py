"""A platform that says nothing: left for one that speaks, and waited for where there is none."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from deployments.agent.attempt import Journey
from deployments.agent.executor import Executed
from routing.errors import DeadlineExceeded, ErrorKind
from routing.message import ToolSpec
from routing.money import Price
from routing.silence import MEMORY_S, RECHECK_S, TRIALS, Patience
from tests.unit.agent.worlds import (
    Board,
    Scripted,
    Step,
    attempt,
    executor,
    fails,
    journey,
    priced,
    read,
    reply,
)

FIRST_S, BETWEEN_S = 3.0, 2.0
PATIENCE = Patience(FIRST_S, BETWEEN_S, well_s=1.0)
FOREVER = 1e6
PRICE = Price(Decimal(1), Decimal(10))


def impatient(*names: str, left_usd: Decimal | None = None) -> Journey:
    """A plan over these, each as patient as all, with half a minute."""
    planned = [
        replace(attempt(name, 30.0 - 5 * n if n == 0 else 5.0), patience=PATIENCE)
        for n, name in enumerate(names or ("openai", "anthropic"))
    ]
    return journey(*planned, left_usd=left_usd)


def calls(count: int, *script: Step) -> list[list[Step]]:
    return [list(script) for _ in range(count)]


def elapsed(began: float) -> float:
    return asyncio.get_running_loop().time() - began


async def test_a_silent_platform_is_left_and_the_next_answers() -> None:
    """Not after 25 s, its share of the deadline, but after its own patience."""
    openai, anthropic, board = Scripted([FOREVER, reply()]), Scripted([0.5, reply()]), Board()
    began = asyncio.get_running_loop().time()
    executed = await executor(board, openai=openai, anthropic=anthropic).complete(impatient())
    assert executed.platform == "anthropic"
    assert elapsed(began) == pytest.approx(FIRST_S + 0.5)
    assert board.told == [("openai", ErrorKind.TIMEOUT), ("anthropic", "ok")]
    assert openai.cut == 1


async def test_a_stream_that_falls_silent_is_gone_on_with_by_another() -> None:
    """The caller reads one text; the time between two words is bounded as well."""
    openai = Scripted(["You get ", 0.5, "your ", FOREVER, reply("never")])
    anthropic, board = Scripted(["money back.", reply("money back.")]), Board()
    began = asyncio.get_running_loop().time()
    text, end = await read(executor(board, openai=openai, anthropic=anthropic), impatient())
    assert (text, isinstance(end, Executed)) == ("You get your money back.", True)
    assert elapsed(began) == pytest.approx(0.5 + BETWEEN_S)
    assert board.told == [("openai", ErrorKind.TIMEOUT), ("anthropic", "ok")]


async def test_a_reader_who_takes_his_time_makes_no_platform_silent() -> None:
    """Only waiting for the platform counts, and only that is told as its pauses."""
    openai = Scripted(["a", 0.25, "b", "c", reply("abc")])
    board = Board()
    run = executor(board, openai=openai, anthropic=Scripted())
    async for _ in run.stream(impatient()):
        await asyncio.sleep(60.0)
    assert board.told == [("openai", "ok")]
    assert board.outcomes[0].longest_gap_ms == pytest.approx(250)


async def test_the_last_platform_is_waited_for() -> None:
    """There is nobody to go to, so it has all the time there is."""
    openai = Scripted([fails(ErrorKind.OVERLOADED)])
    anthropic, board = Scripted([20.0, reply()]), Board()
    executed = await executor(board, openai=openai, anthropic=anthropic).complete(impatient())
    assert executed.platform == "anthropic"
    assert board.told[-1] == ("anthropic", "ok")


async def test_an_answer_that_nobody_else_can_go_on_with_is_waited_for() -> None:
    """A half tool call is no use to another platform."""
    openai, board = Scripted(["{", 10.0, "}", reply("{}")]), Board()
    plan = impatient()
    plan.request = replace(plan.request, tools=(ToolSpec("refund", "", {}),))
    text, end = await read(executor(board, openai=openai, anthropic=Scripted()), plan)
    assert (text, isinstance(end, Executed)) == ("{}", True)


def bound_of(plan: Journey, max_tokens: int = 800) -> Decimal:
    return PRICE.bound(plan.facts.input_tokens_bound, max_tokens)


async def test_who_cannot_pay_for_another_call_waits() -> None:
    """The silent one may be billed, so its bound is spent."""
    openai, anthropic, board = Scripted([10.0, reply()]), Scripted(), Board()
    run = priced(PRICE, board, openai=openai, anthropic=anthropic)
    plan = impatient(left_usd=bound_of(impatient()))
    executed = await run.complete(plan)
    assert (executed.platform, anthropic.asked) == ("openai", [])


async def test_leaving_costs_the_bound_of_the_call_that_was_left() -> None:
    """And the next is clamped to what is left."""
    openai, anthropic, board = Scripted([FOREVER]), Scripted([reply()]), Board()
    limit_usd = bound_of(impatient()) * Decimal("1.5")
    plan = impatient(left_usd=limit_usd)
    await priced(PRICE, board, openai=openai, anthropic=anthropic).complete(plan)
    assert anthropic.asked[0].max_tokens < 800
    assert bound_of(plan, anthropic.asked[0].max_tokens) <= limit_usd - bound_of(plan)


async def test_a_stranger_is_waited_for() -> None:
    """Of one of which too little is known nobody can say that it is silent for too long."""
    openai, board = Scripted([20.0, reply()]), Board()
    run = executor(board, openai=openai, anthropic=Scripted())
    assert (await run.complete(journey())).platform == "openai"


async def test_in_a_general_slow_down_few_calls_are_left_and_all_are_answered() -> None:
    """Everybody takes ten seconds: two calls find out, the others stay where they are."""
    names = ("openai", "anthropic", "google_vertex", "azure_openai")
    slow = {name: Scripted(*calls(60, 10.0, reply())) for name in names}
    board = Board()
    run = executor(board, **slow)
    executed = await asyncio.gather(*(run.complete(impatient(*names)) for _ in range(50)))
    assert len(executed) == 50
    left = [outcome for outcome in board.told if outcome[1] is ErrorKind.TIMEOUT]
    assert len(left) == TRIALS
    assert len(board.begun) == 50 + TRIALS


async def test_when_only_one_is_silent_all_its_calls_are_left() -> None:
    """Two on trial; and as soon as they were answered, all others."""
    openai = Scripted(*calls(50, FOREVER))
    anthropic, board = Scripted(*calls(50, 0.5, reply())), Board()
    run = executor(board, openai=openai, anthropic=anthropic)
    began = asyncio.get_running_loop().time()
    executed = await asyncio.gather(*(run.complete(impatient()) for _ in range(50)))
    assert {each.platform for each in executed} == {"anthropic"}
    assert elapsed(began) <= FIRST_S + RECHECK_S + 0.5


async def test_one_that_speaks_at_last_answers_though_it_was_late() -> None:
    """Nobody was better, and it keeps the time it was given."""
    openai, anthropic, board = (
        Scripted(*calls(9, 10.0, reply())),
        Scripted(*calls(9, 10.0, reply())),
        Board(),
    )
    run = executor(board, openai=openai, anthropic=anthropic)
    await asyncio.gather(*(run.complete(impatient()) for _ in range(3)))
    began = asyncio.get_running_loop().time()
    assert (await run.complete(impatient())).platform == "openai"
    assert elapsed(began) == pytest.approx(10.0)
    assert MEMORY_S > 10.0


async def test_when_everybody_stalls_the_deadline_holds() -> None:
    """Patience never adds up to more than the caller's."""
    openai = Scripted([25.0, fails(ErrorKind.TIMEOUT)])
    anthropic, board = Scripted([27.0, fails(ErrorKind.TIMEOUT, "anthropic")]), Board()
    began = asyncio.get_running_loop().time()
    with pytest.raises(DeadlineExceeded):
        await executor(board, openai=openai, anthropic=anthropic).complete(impatient())
    assert elapsed(began) == pytest.approx(30.0)


async def test_a_caller_who_leaves_ends_a_silent_call() -> None:
    """No timer and no attempt is left behind, and nobody is blamed."""
    openai, board = Scripted([FOREVER]), Board()
    run = executor(board, openai=openai, anthropic=Scripted())
    task = asyncio.ensure_future(run.complete(impatient()))
    await asyncio.sleep(1.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert board.told == [("openai", "abandoned")]
    await asyncio.sleep(2 * FIRST_S)
    assert len(board.begun) == len(board.outcomes) == 1
