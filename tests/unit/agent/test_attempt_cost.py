"""What an attempt is booked at, about and at most: by how it was served, and by how it ended."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from deployments.agent.attempt import Journey, Spent
from routing.errors import ErrorKind, PlatformError, SupportMaxError
from routing.exchange import ChatReply, Usage
from routing.money import Price, Tier
from tests.unit.agent.worlds import (
    Board,
    Scripted,
    Step,
    attempt,
    fails,
    journey,
    priced,
    read,
    reply,
)

PRICE = Price(
    Decimal(1),
    Decimal(10),
    tiers=(
        Tier(Decimal(2), Decimal(20), service_tier="priority"),
        Tier(Decimal(2), Decimal(15), above_input_tokens=272_000),
    ),
)


@pytest.mark.parametrize(
    ("served", "cost_usd"),
    [
        (reply(), Decimal("0.002")),
        (replace(reply(), service_tier="priority"), Decimal("0.004")),
        (replace(reply(), service_tier="ultrafast"), None),
        (replace(reply(), usage=Usage(300_000, output_tokens=100)), Decimal("0.6015")),
        (replace(reply(), usage=Usage()), None),
    ],
)
async def test_an_attempt_is_booked_at_the_price_of_how_it_was_served(
    served: ChatReply, cost_usd: Decimal | None
) -> None:
    """By its size and its service tier; what has no price is unknown and not the standard figure."""
    board = Board()
    await priced(PRICE, board, openai=Scripted([served])).complete(journey(attempt("openai", 27.0)))
    assert [outcome.cost_usd for outcome in board.outcomes] == [cost_usd]


# 1,000 tokens in at most, 800 out: 1,000 * 2 + 800 * 20 millionths at the dearest tier.
BOUND, INPUT_BOUND = Decimal("0.018"), Decimal("0.002")


async def ended(*script: Step) -> tuple[Journey, Board]:
    """A journey of one call that went so, with a dollar to spend."""
    plan, board = journey(attempt("openai", 27.0), left_usd=Decimal(1)), Board()
    scripts: Sequence[Sequence[Step]] = [script, [fails(ErrorKind.INVALID_REQUEST)]]
    with contextlib.suppress(SupportMaxError):
        await read(priced(PRICE, board, openai=Scripted(*scripts)), plan)
    return plan, board


def refused(kind: ErrorKind, status: int | None) -> PlatformError:
    return PlatformError("openai", kind, "words of the vendor", None, status)


@pytest.mark.parametrize(
    ("script", "at_most_usd"),
    [
        ([refused(ErrorKind.RATE_LIMITED, 429)], Decimal(0)),
        ([refused(ErrorKind.INVALID_REQUEST, 400)], Decimal(0)),
        ([refused(ErrorKind.CONTENT_FILTERED, 400)], INPUT_BOUND),
        ([refused(ErrorKind.CONTENT_FILTERED, None)], BOUND),
        ([fails(ErrorKind.TIMEOUT)], BOUND),
        (["some words", refused(ErrorKind.CONTENT_FILTERED, None)], BOUND),
        ([reply(output_tokens=300)], Decimal("0.004")),
        ([replace(reply(), service_tier="ultrafast")], BOUND),
        ([replace(reply(), usage=Usage())], BOUND),
    ],
)
async def test_what_may_have_been_charged_is_taken_from_the_limit_and_from_budgets_alike(
    script: Sequence[Step], at_most_usd: Decimal
) -> None:
    """The bill where it is known, else the bound: a guess would let a limit be passed."""
    plan, board = await ended(*script)
    assert plan.spent.at_most_usd == at_most_usd
    assert plan.left_usd == 1 - at_most_usd
    assert plan.at_stake_usd == 0
    assert len(board.begun) == len(board.outcomes) == 1


async def test_a_lost_connection_is_shown_as_free_and_reckoned_as_charged() -> None:
    """Mostly nobody was there; a limit must hold where it was the way back that was lost."""
    plan, board = await ended(fails(ErrorKind.CONNECTION))
    assert (board.told[0], board.outcomes[0].cost_usd) == (("openai", "connection"), Decimal(0))
    assert plan.spent == Spent(Decimal(0), is_estimate=True, at_most_usd=BOUND)


async def test_an_answer_that_began_anew_is_paid_from_the_limit() -> None:
    """It was billed whole and is of no use: what is left for the next is less by that."""
    said = "Your invoice of November was paid twice by mistake, and you will"
    price = Price(Decimal(1), Decimal(10))
    limit = 2 * price.bound(1_000, 800) + Decimal("0.0006")
    openai = Scripted([said, fails(ErrorKind.CONNECTION)])
    anthropic = Scripted([said[:40], reply(said[:40], output_tokens=784)])
    vertex = Scripted()
    plan = journey(
        *(attempt(name, 10.0) for name in ("openai", "anthropic", "google_vertex")), left_usd=limit
    )
    run = priced(price, Board(), openai=openai, anthropic=anthropic, google_vertex=vertex)
    text, end = await read(run, plan)
    assert (text, type(end)) == (said, PlatformError)
    assert vertex.asked == []
    # The first at its bound, the second at what it was: 1,000 in and 784 out.
    assert plan.left_usd == limit - price.bound(1_000, 800) - Decimal("0.00884")


@pytest.mark.parametrize(
    ("text", "cost_usd"),
    [("x" * 1_200, Decimal("0.003234")), ("返金は" * 400, Decimal("0.009234"))],
)
async def test_a_cut_text_is_counted_in_bytes(text: str, cost_usd: Decimal) -> None:
    """1,200 characters are 300 tokens of English and 900 of Japanese, by a rule of four bytes."""
    _, board = await ended(text, fails(ErrorKind.STREAM_TRUNCATED))
    assert board.outcomes[0].cost_usd == cost_usd


async def test_a_bill_over_its_bound_is_logged_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The promise of a cost rests on calibration; where it is wrong, somebody must hear of it."""
    _, board = await ended(reply(output_tokens=2_000))
    assert [outcome.is_over_bound for outcome in board.outcomes] == [True]
    assert "openai/openai-model billed 0.021 USD" in caplog.text
    _, board = await ended(reply(output_tokens=800))
    assert [outcome.is_over_bound for outcome in board.outcomes] == [False]


async def test_the_loser_of_a_race_that_had_answered_is_paid_from_the_limit() -> None:
    """Both were whole in the same moment: one is passed on, both are on the bill."""
    openai, anthropic, board = Scripted([2.0, reply()]), Scripted([1.0, reply()]), Board()
    run = priced(PRICE, board, openai=openai, anthropic=anthropic)
    openai.scripts[:0] = [[reply()]] * 40
    for _ in range(40):
        await run.complete(journey())
        run._gate.in_time()  # as forty calls that could have been hedged
    plan = journey(left_usd=Decimal(1))
    plan.plan = replace(plan.plan, hedge_after_s=1.0)
    began = asyncio.get_running_loop().time()
    await run.complete(plan)
    assert asyncio.get_running_loop().time() == began + 2.0
    assert board.told[-2:] == [("anthropic", "abandoned"), ("openai", "ok")]
    assert plan.left_usd == 1 - 2 * Decimal("0.002")
    assert plan.spent.usd == plan.spent.at_most_usd == 2 * Decimal("0.002")
