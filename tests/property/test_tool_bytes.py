"""However tools are spelt out, no adapter sends more bytes of them than are reckoned with."""

import re
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.platforms.anthropic import codec as anthropic
from deployments.platforms.openai import codec as openai
from deployments.platforms.vendor_json import dump
from deployments.platforms.vertex import codec as vertex
from routing.capability import Capability
from routing.estimate import TaskFacts, count_input_bytes
from routing.exchange import ChatRequest
from routing.message import Json, Message, ToolCall, ToolResult, ToolSpec

ENCODERS: Mapping[str, Callable[[ChatRequest], Json]] = {
    "openai": lambda request: openai.encode_request(request, stream=False),
    "azure_openai": lambda request: openai.encode_request(request, False, "azure_openai"),
    "anthropic": lambda request: anthropic.encode_request(request, stream=False),
    "google_vertex": vertex.encode_request,
}
QUESTION = Message("user", "Hi")
# What says nothing to a model: the mark of a call that Google's did not make.
_OPAQUE = re.compile(rb'"thoughtSignature":"[^"]*",?')

NAMES = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=40)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(TEXTS, VALUES, max_size=4)
TOOLS = st.lists(st.builds(ToolSpec, NAMES, TEXTS, OBJECTS, st.booleans()), min_size=1, max_size=9)


def bound(messages: tuple[Message, ...], tools: tuple[ToolSpec, ...] = ()) -> int:
    """The most input tokens that may be billed, as a decision reckons."""
    needs = frozenset({Capability.FUNCTION_CALLING} if tools else ())
    counted = count_input_bytes("", messages, tools)
    return TaskFacts(counted, len(messages) + 1, 100, needs, tools=tools).input_tokens_bound


def sent(wire: str, messages: tuple[Message, ...], tools: tuple[ToolSpec, ...] = ()) -> int:
    """Bytes of the whole body; a quotation mark within a text is one, as the model reads it."""
    body = dump(ENCODERS[wire](ChatRequest("m", messages, tools=tools)))
    return len(_OPAQUE.sub(b"", body).replace(b'\\"', b'"'))


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("wire", ENCODERS)
def test_a_hundred_and_twenty_eight_empty_tools_are_within_the_bound(
    wire: str, *, strict: bool
) -> None:
    """They are 10,548 bytes on OpenAI's wire, of which 768 are theirs."""
    tools = tuple(ToolSpec(f"t{n:03}", "", {}, strict) for n in range(128))
    assert sent(wire, (QUESTION,), tools) <= bound((QUESTION,), tools)


@pytest.mark.parametrize("is_error", [False, True])
@pytest.mark.parametrize("wire", ENCODERS)
def test_a_hundred_and_twenty_eight_calls_and_their_results_are_within_the_bound(
    wire: str, *, is_error: bool
) -> None:
    """Parallel calls of one turn: one message each way, and a part for each."""
    calls = tuple(ToolCall(f"c{n}", "t" * 64, {}) for n in range(128))
    results = tuple(ToolResult(call.id, "", is_error) for call in calls)
    turns = (QUESTION, Message("assistant", "", calls), Message("user", tool_results=results))
    assert sent(wire, turns) <= bound(turns)


@pytest.mark.parametrize("wire", ENCODERS)
@given(tools=TOOLS)
def test_no_schema_is_longer_on_the_wire_than_reckoned_with(
    wire: str, tools: list[ToolSpec]
) -> None:
    """Whatever its words and its script."""
    assert sent(wire, (QUESTION,), tuple(tools)) <= bound((QUESTION,), tuple(tools))


@pytest.mark.parametrize("wire", ENCODERS)
@given(arguments=st.lists(OBJECTS, min_size=1, max_size=9), name=NAMES)
def test_no_call_is_longer_on_the_wire_than_reckoned_with(
    wire: str, arguments: list[dict[str, Json]], name: str
) -> None:
    calls = tuple(ToolCall(f"c{n}", name, given) for n, given in enumerate(arguments))
    results = tuple(ToolResult(call.id, "ok") for call in calls)
    turns = (QUESTION, Message("assistant", "", calls), Message("user", tool_results=results))
    assert sent(wire, turns) <= bound(turns)
