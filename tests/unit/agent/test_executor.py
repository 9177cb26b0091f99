"""A plan is run: who is asked, with how much time and money, and what becomes of each attempt."""

import asyncio
import contextlib
from decimal import Decimal

import pytest

from deployments.agent.calls import RETRY_PAUSE_S
from deployments.agent.executor import Executed
from routing.errors import (
    HANDLING,
    DeadlineExceeded,
    ErrorKind,
    NoPlatformAvailable,
    PlatformError,
    RequestError,
)
from routing.exchange import (
    TextDelta,
)
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
from tests.unit.routing.worlds import CHEAP

ANSWER_USD = Decimal("0.002")
"""What `reply()` costs at 1 and 10 USD a million: 1,000 tokens in, 100 out."""


async def test_the_first_platform_answers_and_nobody_else_is_asked() -> None:
    """One good answer is one call, one outcome, priced by what was used."""
    openai, anthropic, board = Scripted([0.5, reply()]), Scripted(), Board()
    executed = await executor(board, openai=openai, anthropic=anthropic).complete(journey())
    assert (executed.platform, executed.reply) == ("openai", reply())
    assert [(t.platform, t.outcome) for t in executed.tried] == [("openai", "ok")]
    assert openai.asked[0].model == "openai-model"
    assert openai.timeouts == [27.0]
    [outcome] = board.outcomes
    assert outcome.cost_usd == CHEAP.cost(reply().usage)
    assert outcome.latency_ms == pytest.approx(500)
    assert (outcome.model, outcome.tenant) == ("model-that-answered", "acme")


@pytest.mark.parametrize("kind", [k for k in ErrorKind if HANDLING[k].fail_over])
async def test_before_the_first_byte_the_next_platform_takes_over(kind: ErrorKind) -> None:
    """The caller reads one whole answer and never learns of the failure but in `attempts`."""
    openai, anthropic, board = Scripted([fails(kind)]), Scripted(["hi", reply()]), Board()
    text, end = await read(executor(board, openai=openai, anthropic=anthropic), journey())
    assert isinstance(end, Executed)
    assert (text, end.platform) == ("hi", "anthropic")
    assert [(t.platform, t.outcome) for t in end.tried] == [("openai", kind), ("anthropic", "ok")]
    assert board.told == [("openai", kind), ("anthropic", "ok")]
    assert [o.attempt for o in board.outcomes] == [0, 1]


async def test_a_stream_without_an_end_is_a_failure_even_if_it_seemed_to_end_well() -> None:
    """Truncated before any text: another platform. After it, see test_resumption.py."""
    board = Board()
    platforms = {"openai": Scripted([]), "anthropic": Scripted(["whole", reply()])}
    text, end = await read(executor(board, **platforms), journey())
    assert (text, isinstance(end, Executed)) == ("whole", True)
    assert board.told == [("openai", "stream_truncated"), ("anthropic", "ok")]


async def test_only_the_last_platform_is_asked_a_second_time() -> None:
    """With another in reserve, moving on is quicker than asking again."""
    openai = Scripted([fails(ErrorKind.OVERLOADED)])
    anthropic = Scripted([fails(ErrorKind.OVERLOADED, "anthropic")], [reply()])
    board, loop = Board(), asyncio.get_running_loop()
    began = loop.time()
    executed = await executor(board, openai=openai, anthropic=anthropic).complete(journey())
    assert [t.platform for t in executed.tried] == ["openai", "anthropic", "anthropic"]
    assert loop.time() - began == pytest.approx(RETRY_PAUSE_S)


async def test_the_last_platform_is_asked_no_third_time_and_the_verdict_comes_at_once() -> None:
    """Two failures of the last are the end, and nobody waits for a retry that is not made."""
    error = fails(ErrorKind.OVERLOADED)
    board, loop = Board(), asyncio.get_running_loop()
    began = loop.time()
    run = executor(board, openai=Scripted([error], [error]))
    with pytest.raises(NoPlatformAvailable) as caught:
        await run.complete(journey(attempt("openai", 30.0)))
    assert caught.value.attempts == (error, error)
    assert loop.time() - began == pytest.approx(RETRY_PAUSE_S)


@pytest.mark.parametrize("kind", [k for k in ErrorKind if not HANDLING[k].retry_same])
async def test_what_asking_again_cannot_mend_is_not_asked_again(kind: ErrorKind) -> None:
    """A missing credit, a wrong key, a full window: the same call would fail the same way."""
    openai, board = Scripted([fails(kind)]), Board()
    with pytest.raises((NoPlatformAvailable, RequestError, PlatformError)):
        await executor(board, openai=openai).complete(journey(attempt("openai", 30.0)))
    assert board.told == [("openai", kind)]


async def test_a_limit_that_says_when_it_ends_is_waited_out_with_nobody_in_reserve() -> None:
    """An answer seven seconds late is better than none; without the hint nobody would guess."""
    openai = Scripted([fails(ErrorKind.RATE_LIMITED, retry_after_s=7.0)], [reply()])
    loop = asyncio.get_running_loop()
    began = loop.time()
    executed = await executor(Board(), openai=openai).complete(journey(attempt("openai", 30.0)))
    assert [one.outcome for one in executed.tried] == ["rate_limited", "ok"]
    assert loop.time() - began == pytest.approx(7.0)


async def test_a_platform_that_asks_for_more_patience_than_is_left_is_not_waited_for() -> None:
    """The refusal comes now, with the platform's own hint, and not after its hour."""
    openai, loop = Scripted([fails(ErrorKind.OVERLOADED, retry_after_s=3600.0)]), asyncio
    began = loop.get_running_loop().time()
    with pytest.raises(NoPlatformAvailable) as caught:
        await executor(Board(), openai=openai).complete(journey(attempt("openai", 30.0)))
    assert caught.value.attempts[0].retry_after_s == 3600.0
    assert loop.get_running_loop().time() == began


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (ErrorKind.CONTENT_FILTERED, "content_refused"),
        (ErrorKind.CONTEXT_TOO_LONG, "context_too_long"),
    ],
)
async def test_what_the_caller_must_change_is_said_as_his_move(kind: ErrorKind, code: str) -> None:
    """A refusal of this very text is no outage."""
    platforms = {n: Scripted([fails(kind, n)]) for n in ("openai", "anthropic")}
    with pytest.raises(RequestError) as caught:
        await executor(Board(), **platforms).complete(journey())
    assert caught.value.code == code


async def test_a_refused_content_is_not_hawked_around() -> None:
    """What one platform's filter refuses is not offered to the next."""
    anthropic = Scripted()
    run = executor(
        Board(), openai=Scripted([fails(ErrorKind.CONTENT_FILTERED)]), anthropic=anthropic
    )
    with pytest.raises(RequestError):
        await run.complete(journey())
    assert anthropic.asked == []


async def test_an_attempt_that_may_have_been_billed_takes_its_bound_from_what_is_left() -> None:
    """Failover never spends more than the caller's limit, even if the failed call is charged."""
    price = Price(Decimal(1), Decimal(10))
    # A call may cost 1000 * 1 + 800 * 10 = 9,000 millionths; the limit holds one of them and a half.
    limit, bound = Decimal("0.0135"), Decimal("0.009")
    openai = Scripted([fails(ErrorKind.TIMEOUT)])
    anthropic = Scripted([reply()])
    plan = journey(
        attempt("openai", 15.0, cost_bound_usd=bound),
        attempt("anthropic", 15.0, cost_bound_usd=bound),
        left_usd=limit,
    )
    await priced(price, Board(), openai=openai, anthropic=anthropic).complete(plan)
    assert openai.asked[0].max_tokens == 800
    assert anthropic.asked[0].max_tokens == 350
    assert plan.left_usd == limit - bound - ANSWER_USD


@pytest.mark.parametrize("kind", [ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED])
async def test_a_refusal_costs_nothing_of_what_is_left(kind: ErrorKind) -> None:
    """Who was turned away at the door has not been charged."""
    bound = Decimal("0.009")
    plan = journey(
        attempt("openai", 15.0, cost_bound_usd=bound), attempt("anthropic", 15.0), left_usd=bound
    )
    platforms = {"openai": Scripted([fails(kind)]), "anthropic": Scripted([reply()])}
    await priced(Price(Decimal(1), Decimal(10)), Board(), **platforms).complete(plan)
    assert plan.left_usd == bound - ANSWER_USD


async def test_nobody_is_asked_with_money_that_may_be_spent_already() -> None:
    """Too little for sixteen tokens is too little to ask."""
    bound = Decimal("0.009")
    anthropic = Scripted()
    plan = journey(
        attempt("openai", 15.0, cost_bound_usd=bound), attempt("anthropic", 15.0), left_usd=bound
    )
    run = priced(
        Price(Decimal(1), Decimal(10)),
        Board(),
        openai=Scripted([fails(ErrorKind.TIMEOUT)]),
        anthropic=anthropic,
    )
    with pytest.raises(NoPlatformAvailable):
        await run.complete(plan)
    assert anthropic.asked == []


async def test_time_runs_out_as_deadline_exceeded_with_everyone_who_was_asked() -> None:
    """When nothing is left, nobody else is asked; the caller hears who used the time up."""
    openai = Scripted([30.0, fails(ErrorKind.TIMEOUT)])
    anthropic = Scripted()
    with pytest.raises(DeadlineExceeded) as caught:
        await executor(Board(), openai=openai, anthropic=anthropic).complete(journey())
    assert [(e.platform, e.kind) for e in caught.value.attempts] == [("openai", ErrorKind.TIMEOUT)]
    assert anthropic.asked == []


async def test_a_fallback_gets_all_the_time_its_forerunner_left() -> None:
    """A failure after two seconds leaves twenty-eight of thirty."""
    openai = Scripted([2.0, fails(ErrorKind.CONNECTION)])
    anthropic = Scripted([reply()])
    await executor(Board(), openai=openai, anthropic=anthropic).complete(journey())
    assert anthropic.timeouts == [pytest.approx(28.0)]


async def test_a_middle_platform_without_time_does_not_cost_the_last_one_its_share() -> None:
    """Reserved time is used by whom it was reserved for."""
    openai = Scripted([28.0, fails(ErrorKind.TIMEOUT)])
    plan = journey(
        attempt("openai", 25.0), attempt("anthropic", 3.0), attempt("google_vertex", 2.0)
    )
    platforms = {"anthropic": Scripted(), "google_vertex": Scripted([reply()])}
    executed = await executor(Board(), openai=openai, **platforms).complete(plan)
    assert executed.platform == "google_vertex"


async def test_a_refused_probe_goes_on_to_the_next_platform_without_a_call() -> None:
    """Only one caller tries a platform whose breaker is open; the others have no outcome there."""
    openai, anthropic, board = Scripted(), Scripted([reply()]), Board(grants=False)
    plan = journey(attempt("openai", 27.0, is_probe=True), attempt("anthropic", 3.0))
    executed = await executor(board, openai=openai, anthropic=anthropic).complete(plan)
    assert executed.platform == "anthropic"
    assert board.claims == [("openai/openai-model", "ans_1/0")]
    assert (openai.asked, board.told) == ([], [("anthropic", "ok")])


async def test_the_probe_reports_under_the_name_it_was_claimed_by() -> None:
    """The breaker recognises its probe by answer and attempt."""
    board = Board()
    run = executor(board, openai=Scripted([reply()]))
    await run.complete(journey(attempt("openai", 30.0, is_probe=True)))
    [outcome] = board.outcomes
    assert board.claims == [("openai/openai-model", f"{outcome.answer_id}/{outcome.attempt}")]


async def test_a_caller_who_leaves_ends_the_call_and_the_attempt_is_abandoned() -> None:
    """Cancelled is neither the platform's failure nor forgotten."""
    openai, board = Scripted([60.0, reply()]), Board()
    run = asyncio.create_task(executor(board, openai=openai).complete(journey()))
    await asyncio.sleep(1.0)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert (openai.cut, board.told) == (1, [("openai", "abandoned")])


async def test_a_reader_who_leaves_a_stream_ends_the_call_and_the_attempt_is_abandoned() -> None:
    """Closing the generator is enough: nothing runs on for nobody."""
    openai, board = Scripted(["a", 60.0, reply()]), Board()
    async with contextlib.aclosing(executor(board, openai=openai).stream(journey())) as steps:
        assert await anext(steps) == TextDelta("a")
    assert (openai.cut, board.told) == (1, [("openai", "abandoned")])


async def test_a_bug_is_raised_and_its_attempt_still_has_an_outcome() -> None:
    """What is counted as begun is counted as ended, whatever happens in between."""
    board = Board()
    with pytest.raises(KeyError):
        await executor(board, openai=Scripted([KeyError("bug")])).complete(journey())
    assert board.told == [("openai", "abandoned")]


async def test_every_attempt_ends_in_exactly_one_outcome() -> None:
    """Begun and ended are the same list, in the same order, over any chain of failures."""
    board = Board()
    platforms = {
        "openai": Scripted([fails(ErrorKind.RATE_LIMITED)]),
        "anthropic": Scripted([fails(ErrorKind.BAD_REPLY)], [fails(ErrorKind.CREDENTIALS)]),
    }
    with pytest.raises(NoPlatformAvailable):
        await executor(board, **platforms).complete(journey())
    assert [o.platform for o in board.outcomes] == ["openai", "anthropic", "anthropic"]
    assert [o.target for o in board.outcomes] == board.begun
    assert [o.attempt for o in board.outcomes] == [0, 1, 2]
