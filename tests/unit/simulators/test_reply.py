"""The reply: tools before words, one call a turn, and limits which cut."""

import orjson
import pytest

from deployments.simulators.answer import NO_ANSWER
from deployments.simulators.faults import Length, Text
from deployments.simulators.reply import (
    Prompt,
    SimToolResult,
    compose,
    split_arguments,
    split_text,
)
from deployments.simulators.tools import SimTool
from routing.continuation import INSTRUCTION

PASSAGE = '<passage id="kb-1" title="Refunds">Refunds take 14 days. They need a receipt.</passage>'
INVOICE = SimTool(
    "get_invoice",
    "Look up an invoice.",
    {"properties": {"invoice_id": {"type": "string"}}, "required": ["invoice_id"]},
)
ASKED = "Look up invoice INV-7"


def test_a_tool_is_called_once_a_turn_and_then_its_result_is_told() -> None:
    """The tool loop ends, and its result reaches the customer."""
    first = compose(Prompt(ASKED, tools=(INVOICE,)))
    assert [call.name for call in first.calls] == ["get_invoice"]
    result = SimToolResult("get_invoice", '{"status": "paid", "amount": 12.5}')
    second = compose(Prompt(ASKED, tools=(INVOICE,), results=(result,)))
    assert second.text == "get_invoice says: status: paid, amount: 12.5."
    assert second.stop == "stop"


def test_a_forced_tool_is_called_without_being_asked_for() -> None:
    """A caller may insist."""
    reply = compose(Prompt("Good morning", tools=(INVOICE,), must_call=True))
    assert reply.stop == "tool_calls"


BEGUN_FOR = "How long do refunds take?"


def test_an_answer_that_another_began_is_gone_on_with() -> None:
    """What a model does when it is shown its own unfinished words and asked for the rest."""
    whole = compose(Prompt(BEGUN_FOR, PASSAGE)).text
    for cut in (1, len(whole) // 2, len(whole) - 1, len(whole)):
        begun = Prompt(INSTRUCTION, PASSAGE, begun=whole[:cut], begun_for=BEGUN_FOR)
        assert compose(begun).text == whole[cut:]


def test_what_it_would_not_have_said_is_not_gone_on_with() -> None:
    """A simulator continues its own words, and makes nothing of a stranger's."""
    begun = Prompt(INSTRUCTION, PASSAGE, begun="Refunds are immediate", begun_for=BEGUN_FOR)
    assert compose(begun).text == NO_ANSWER


def test_an_ordinary_question_after_an_answer_is_answered_from_its_beginning() -> None:
    """Only who asks to continue gets the rest."""
    whole = compose(Prompt(BEGUN_FOR, PASSAGE)).text
    asked = Prompt(BEGUN_FOR, PASSAGE, begun=whole[:10], begun_for=BEGUN_FOR)
    assert compose(asked).text == whole


def test_a_schema_turns_the_answer_into_json() -> None:
    """Structured output still says what the passages say."""
    schema = {"type": "object", "properties": {"answer": {"type": "string"}}}
    reply = compose(Prompt("How long do refunds take?", PASSAGE, schema=schema))
    assert "14 days" in orjson.loads(reply.text)["answer"]


def test_a_token_limit_cuts_the_answer() -> None:
    """A limit too low is visible, as it is with a vendor."""
    reply = compose(Prompt("How long do refunds take?", PASSAGE, max_tokens=3))
    assert (reply.stop, reply.text) == ("length", "Refunds take")


def test_a_scripted_length_stop_says_half_of_the_answer() -> None:
    """A length stop leaves words behind which a client must judge."""
    whole = compose(Prompt("How long do refunds take?", PASSAGE))
    half = compose(Prompt("How long do refunds take?", PASSAGE), Length(kind="length"))
    assert half.stop == "length"
    assert whole.text.startswith(half.text)
    assert half.text != whole.text


def test_a_scripted_text_is_said_exactly() -> None:
    """A test may need an answer to the letter."""
    reply = compose(Prompt("Anything"), Text(kind="text", text=" as  it is \n", chunks=3))
    assert (reply.text, reply.chunks) == (" as  it is \n", 3)


def test_without_knowledge_it_says_so() -> None:
    """An empty knowledge base makes no answers."""
    assert compose(Prompt("How long do refunds take?")).text == NO_ANSWER


@pytest.mark.parametrize("chunks", [None, 1, 2, 5, 1_000])
@pytest.mark.parametrize("text", ["", " ", "one", "one two three four", " padded \n both ways \n"])
def test_the_pieces_of_a_text_are_the_text(text: str, chunks: int | None) -> None:
    """Streaming loses no character, however it is cut."""
    assert "".join(split_text(text, chunks)) == text


def test_a_text_streams_three_words_a_chunk() -> None:
    """The pace of a demo is that of reading."""
    assert split_text("one two three four five") == ["one two three", " four five"]


def test_the_pieces_of_arguments_are_the_arguments() -> None:
    """A call's arguments survive their fragments."""
    arguments = '{"invoice_id":"INV-2026-0007"}'
    pieces = split_arguments(arguments)
    assert len(pieces) > 1
    assert "".join(pieces) == arguments
