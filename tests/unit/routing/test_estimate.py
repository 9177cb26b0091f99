from decimal import Decimal

import pytest

from routing.capability import Capability
from routing.estimate import (
    BOUND_BYTES_PER_PART,
    BOUND_TOKENS_OF_SCHEMA,
    BOUND_TOKENS_OF_TOOLS,
    TaskFacts,
    affordable_tokens,
    count_input_bytes,
)
from routing.exchange import ResponseSchema, Usage
from routing.message import Message, ProviderState, ToolCall, ToolResult, ToolSpec
from routing.money import Price
from tests.unit.routing.worlds import CHEAP

PLAIN = TaskFacts(input_bytes=4_000, messages=2, max_tokens=100)


def test_the_bound_counts_every_byte_as_a_token() -> None:
    """A limit on cost is a promise, so no text may have more tokens than were reckoned with."""
    assert PLAIN.input_tokens_bound > PLAIN.input_bytes


def test_the_expectation_is_about_a_quarter_of_the_bytes() -> None:
    """Strategies compare likely costs, not bounds."""
    assert PLAIN.input_tokens_expected == 1_000 + 2 * 4


@pytest.mark.parametrize(
    ("need", "hidden"),
    [
        (Capability.FUNCTION_CALLING, BOUND_TOKENS_OF_TOOLS),
        (Capability.JSON_SCHEMA, BOUND_TOKENS_OF_SCHEMA),
    ],
)
def test_prompts_that_vendors_add_unseen_are_within_the_bound(
    need: Capability, hidden: int
) -> None:
    """Anthropic bills up to 530 tokens for a tool prompt nobody sent; the promise covers it."""
    facts = TaskFacts(input_bytes=4_000, messages=2, max_tokens=100, needs=frozenset({need}))
    assert facts.input_tokens_bound == PLAIN.input_tokens_bound + hidden


def test_expected_cost_is_what_the_price_list_says() -> None:
    """The estimate and the bill come from one price."""
    billed = CHEAP.cost(Usage(input_tokens=1_000, output_tokens=200))
    assert CHEAP.expected(1_000, 200) == pytest.approx(float(billed or 0))


def test_money_clamps_the_answer_exactly() -> None:
    """The last affordable token is given, the first unaffordable one is not."""
    price = Price(Decimal(1), Decimal(10))
    limit = price.bound(1_000, 50)
    assert affordable_tokens(price, limit, 1_000, 800) == 50
    assert affordable_tokens(price, limit - Decimal("1e-9"), 1_000, 800) == 49
    assert affordable_tokens(price, limit, 1_000, 20) == 20


def test_a_limit_with_more_digits_than_decimal_reckons_with_is_still_kept() -> None:
    """Rounding at 28 digits never gives away the token that breaks the promise."""
    price = Price(Decimal(1), Decimal(10))
    barely_under = Decimal("0.0014" + 40 * "9")
    assert price.bound(1_000, 50) == Decimal("0.0015")
    assert affordable_tokens(price, barely_under, 1_000, 800) == 49


def test_no_token_is_affordable_when_the_input_alone_is_too_dear() -> None:
    """A long question under a small limit is refused, not answered at a loss."""
    assert affordable_tokens(CHEAP, CHEAP.bound(1_000, 0), 1_001, 800) <= 0


def test_an_answer_that_costs_nothing_is_not_clamped() -> None:
    """A platform that bills input only may answer at length."""
    free_output = Price(Decimal(1), Decimal(0))
    assert affordable_tokens(free_output, free_output.bound(10, 0), 10, 800) == 800
    assert affordable_tokens(free_output, free_output.bound(10, 0), 11, 800) == 0


def test_everything_that_is_sent_is_counted() -> None:
    """Tools, calls, results and replayed state are billed as input like any text."""
    question = Message("user", "How much?")
    turns = (
        Message(
            "assistant",
            tool_calls=(ToolCall("call_1", "price_of", {"item": "lamp"}),),
            provider_state=ProviderState("openai", ({"type": "reasoning", "data": "x" * 50},)),
        ),
        Message("user", tool_results=(ToolResult("call_1", "12 USD"),)),
    )
    tool = ToolSpec("price_of", "What an item costs.", {"type": "object"})
    alone = count_input_bytes("", (question,), ())
    assert alone == len("How much?")
    assert count_input_bytes("Be kind.", (question,), ()) == alone + 8
    assert count_input_bytes("", (question,), (tool,)) > alone + len("price_of")
    assert count_input_bytes("", (question, turns[0]), ()) > alone + 50 + len('{"item": "lamp"}')
    result = count_input_bytes("", (question, turns[1]), ())
    assert result == alone + len("call_1") + len("12 USD") + BOUND_BYTES_PER_PART


def test_text_that_normalising_would_lengthen_is_counted_at_its_longer_form() -> None:
    """U+FDFA is 3 bytes to us and 33 to a tokenizer that applies NFKC first."""
    assert count_input_bytes("\ufdfa", (), ()) == 33
    assert count_input_bytes("Grüße", (), ()) == 7


def test_text_that_is_not_valid_unicode_can_still_be_counted() -> None:
    """A lone surrogate in a customer's message does not become our exception."""
    assert count_input_bytes("\ud800", (), ()) == 6


def test_a_response_schema_is_part_of_what_is_sent() -> None:
    """Half a megabyte of schema is billed like half a megabyte of text."""
    schema = ResponseSchema("answer", {"type": "object", "description": "x" * 500_000})
    assert count_input_bytes("", (), (), schema) > 500_000 + count_input_bytes("", (), ())


def test_what_every_call_costs_is_expected_of_every_call() -> None:
    """A platform paid by the message is not free because it counts no tokens."""
    price = Price(Decimal(0), Decimal(0), per_call=Decimal("0.02"))
    assert price.expected(1000, 1000) == pytest.approx(0.02)
    assert price.bound(1000, 1000) == price.cost(Usage()) == Decimal("0.02")
