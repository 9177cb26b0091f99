"""What an attempt is booked at: the price of how it was served, or nothing that is known."""

from dataclasses import replace
from decimal import Decimal

import pytest

from routing.exchange import ChatReply, Usage
from routing.money import Price, Tier
from tests.unit.agent.worlds import Board, Scripted, attempt, journey, priced, reply

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
