"""Anthropic's messages into our words and back, held against the types of its own SDK."""

import json
from typing import Any

import pytest
from anthropic.types import Message as TheirMessage
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deployments.ingress import problem
from deployments.ingress.anthropic_messages import Messages
from deployments.ingress.anthropic_schema import MessagesAnswer, MessagesBody
from deployments.ingress.dialect import Stamp, Wanted
from deployments.ingress.vendor_errors import Fault, fault_of
from routing.errors import NoPlatformAvailable, RequestError
from routing.exchange import ChatReply, FinishReason, Usage
from routing.message import Message, ToolCall, ToolResult

STAMP = Stamp("abc", "claude-real", 1_767_225_600)
USAGE = Usage(100, 30, 10, 20, 5)
HI = [{"role": "user", "content": "hi"}]
TOOLS = [
    {"name": "weather", "input_schema": {"type": "object"}, "strict": True},
    {"name": "time", "input_schema": {"type": "object"}, "description": "d", "type": "custom"},
]
USE = {"type": "tool_use", "id": "1", "name": "time", "input": {"a": [1]}}


def parse(**fields: object) -> MessagesBody:
    return MessagesBody.model_validate_json(
        json.dumps({"model": "auto", "max_tokens": 50, "messages": HI, **fields})
    )


def read(**fields: object) -> Wanted:
    return Messages().read(parse(**fields), 800)


def refusal(**fields: object) -> Fault:
    """What an Anthropic client is told of a body that is not taken."""
    try:
        read(**fields)
    except ValidationError as error:
        return fault_of(problem.from_validation(error))
    except RequestError as error:
        return fault_of(error)
    raise AssertionError("it was taken")


def streamed(reply: ChatReply, *texts: str) -> list[Any]:
    """Every event of a stream; its name and the `type` in its data agree."""
    writer = Messages().writer(parse(stream=True), STAMP)
    return events(writer.begin() + b"".join(map(writer.text, texts)) + writer.end(reply))


def events(raw: bytes) -> list[Any]:
    found = []
    for block in raw.decode().split("\n\n")[:-1]:
        name, data = block.split("\n", 1)
        found.append(json.loads(data.removeprefix("data: ")))
        assert found[-1]["type"] == name.removeprefix("event: ")
    return found


def test_blocks_become_the_turns_they_are_of() -> None:
    """System turns join the system prompt; thinking of elsewhere is passed over."""
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]},
        {"role": "system", "content": "be brief"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "let me see", "citations": None},
                USE,
                {**USE, "id": "2", "caller": {"type": "direct"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": "a"},
                {"type": "tool_result", "tool_use_id": "2", "is_error": True, "content": [{"type": "text", "text": "b"}]},
                {"type": "text", "text": "go on"},
            ],
        },
    ]  # fmt: skip
    request = read(messages=messages, system=[{"type": "text", "text": "be kind"}]).request
    assert request.system == "be kind\n\nbe brief"
    calls = (ToolCall("1", "time", {"a": [1]}), ToolCall("2", "time", {"a": [1]}))
    results = (ToolResult("1", "a"), ToolResult("2", "b", is_error=True))
    assert request.messages == (
        Message("user", "hi"),
        Message("assistant", "let me see", calls),
        Message("user", "go on", tool_results=results),
    )


@pytest.mark.parametrize(
    ("choice", "names", "mode"),
    [
        ({"type": "auto"}, ["weather", "time"], "auto"),
        ({"type": "none"}, ["weather", "time"], "none"),
        ({"type": "any"}, ["weather", "time"], "required"),
        ({"type": "tool", "name": "time"}, ["time"], "required"),
    ],
)
def test_a_choice_of_tools_shows_the_model_those_alone(
    choice: dict[str, object], names: list[str], mode: str
) -> None:
    """A model that sees one tool and has to call one calls that one."""
    request = read(tools=TOOLS, tool_choice=choice).request
    assert ([tool.name for tool in request.tools], request.tool_choice) == (names, mode)
    assert request.parallel_tools
    single = {**choice, "disable_parallel_tool_use": True}
    assert not read(tools=TOOLS, tool_choice=single).request.parallel_tools


def test_a_schema_is_passed_on_as_it_is() -> None:
    """Anthropic gives it no name; other platforms need one."""
    form = {"type": "json_schema", "schema": {"type": "object"}}
    schema = read(output_config={"format": form, "effort": "low"}).request.response_schema
    assert schema is not None
    assert (schema.name, schema.schema) == ("answer", {"type": "object"})


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stop_sequences": ["\n"]}, "stop_sequences"),
        ({"container": "c"}, "container"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"service_tier": "standard_only"}, "service_tier"),
        ({"speed": "fast"}, "speed"),
        ({"mcp_servers": []}, "mcp_servers"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"tools": [{"type": "web_search_20260318", "name": "web_search"}]}, "tools[0].type"),
        ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": "x"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}]}]}, "messages[0].content[0].source"),
        ({"messages": [{"role": "user", "content": [USE]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{**USE, "input": 5}]}]}, "messages[0].content[0].input"),
        ({"messages": [{"role": "assistant", "content": [{"type": "tool_result", "tool_use_id": "1"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]}]}, "messages"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    """With 400, and before anybody was asked."""
    fault = refusal(**fields)
    assert (fault.status, fault.param) == (400, param)
    assert param in fault.message


def test_what_only_tunes_is_taken() -> None:
    """Older clients set a temperature; others ask for thinking, which the profile decides."""
    taken = read(
        temperature=0.7, top_p=0.9, top_k=5, thinking={"type": "adaptive"}, service_tier="auto",
        cache_control={"type": "ephemeral"}, stop_sequences=[], metadata={"user_id": "u"},
        speed="standard",
    )  # fmt: skip
    assert taken.end_user == "u"
    assert taken.request.temperature is None


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (FinishReason.STOP, "end_turn"),
        (FinishReason.LENGTH, "max_tokens"),
        (FinishReason.REFUSAL, "refusal"),
        (FinishReason.CONTENT_FILTER, "refusal"),
        (FinishReason.CONTEXT_OVERFLOW, "model_context_window_exceeded"),
        (FinishReason.PAUSED, "pause_turn"),
        (FinishReason.HANDOFF, "end_turn"),
    ],
)
def test_every_end_of_an_answer_has_a_stop_reason(reason: FinishReason, said: str) -> None:
    """The same in JSON and in a stream."""
    reply = ChatReply("text", reason, USAGE, "claude-real")
    whole = TheirMessage.model_validate(Messages().whole(parse(), STAMP, reply))
    assert whole.stop_reason == said
    assert (whole.stop_details is not None) == (said == "refusal")
    assert streamed(reply, "text")[-2]["delta"]["stop_reason"] == said


def test_a_failed_stream_ends_in_an_error_and_no_block_is_closed() -> None:
    """The event Anthropic's clients raise on."""
    writer = Messages().writer(parse(stream=True), STAMP)
    found = events(writer.begin() + writer.text("a") + writer.fail(NoPlatformAvailable("down")))
    assert found[-1]["error"] == {"type": "overloaded_error", "message": "down"}
    assert found[-1]["request_id"].startswith("req_")
    assert "content_block_stop" not in {event["type"] for event in found}


words = st.text(max_size=40)
calls = st.builds(
    ToolCall, st.just("call_1"), st.just("f"), st.dictionaries(words, words | st.integers(0, 9))
)


@given(texts=st.lists(words.filter(bool), max_size=5), called=st.lists(calls, max_size=3))
def test_a_stream_adds_up_to_the_json_answer(texts: list[str], called: list[ToolCall]) -> None:
    """Block by block, with the usage and the stop reason of the whole."""
    reason = FinishReason.TOOL_CALLS if called else FinishReason.STOP
    reply = ChatReply("".join(texts), reason, USAGE, "claude-real", tuple(called))
    whole = Messages().whole(parse(), STAMP, reply)
    MessagesAnswer.model_validate(whole)
    TheirMessage.model_validate(whole)
    found = streamed(reply, *texts)
    blocks: list[dict[str, Any]] = []
    for event in found:
        match event:
            case {"type": "content_block_start", "index": index, "content_block": block}:
                assert index == len(blocks)
                blocks.append(block)
            case {"type": "content_block_delta", "delta": {"text": text}}:
                blocks[-1]["text"] += text
            case {"type": "content_block_delta", "delta": {"partial_json": given}}:
                blocks[-1]["input"] = json.loads(given)
            case _:
                continue
    assert blocks == whole["content"]
    assert found[-2]["usage"] == whole["usage"]
    assert found[-2]["delta"]["stop_reason"] == whole["stop_reason"]
    assert found[-1] == {"type": "message_stop"}
    starts = [event["type"] for event in found].count("content_block_start")
    assert [event["type"] for event in found].count("content_block_stop") == starts


@given(
    texts=st.lists(words.filter(bool), min_size=1, max_size=5), called=st.lists(calls, max_size=3)
)
def test_an_answer_that_comes_back_is_the_turn_it_was(
    texts: list[str], called: list[ToolCall]
) -> None:
    """A client that appends the content it got has changed nothing."""
    reason = FinishReason.TOOL_CALLS if called else FinishReason.STOP
    reply = ChatReply("".join(texts), reason, USAGE, "claude-real", tuple(called))
    whole = TheirMessage.model_validate(Messages().whole(parse(), STAMP, reply))
    back = [block.model_dump(exclude_unset=True) for block in whole.content]
    messages = [*HI, {"role": "assistant", "content": back}]
    turn = read(messages=messages).request.messages[1]
    assert turn == Message("assistant", reply.text, reply.tool_calls)
