"""Responses into our words and back, held against the types of OpenAI's own SDK."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response
from pydantic import ValidationError

from deployments.ingress import problem
from deployments.ingress.dialect import Stamp, Wanted
from deployments.ingress.openai_responses import Responses
from deployments.ingress.openai_responses_answer import ResponsesAnswer
from deployments.ingress.openai_responses_schema import ResponsesBody
from deployments.ingress.vendor_errors import Fault, fault_of
from routing.errors import ErrorKind, PlatformError, RequestError
from routing.exchange import ChatReply, FinishReason, Usage
from routing.message import Message, ToolCall, ToolResult

STAMP = Stamp("abc", "gpt-real", 1_767_225_600)
USAGE = Usage(100, 30, 10, 20, 5)
TOOLS = [
    {"type": "function", "name": "weather", "strict": True, "parameters": {"type": "object"}},
    {"type": "function", "name": "time", "description": "d"},
]
CALL = {"type": "function_call", "call_id": "1", "name": "time", "arguments": "{}"}


def parse(**fields: object) -> ResponsesBody:
    return ResponsesBody.model_validate_json(json.dumps({"model": "auto", "input": "hi", **fields}))


def read(**fields: object) -> Wanted:
    return Responses().read(parse(**fields), 800)


def refusal(**fields: object) -> Fault:
    """What an OpenAI client is told of a body that is not taken."""
    try:
        read(**fields)
    except ValidationError as error:
        return fault_of(problem.from_validation(error))
    except RequestError as error:
        return fault_of(error)
    raise AssertionError("it was taken")


def streamed(reply: ChatReply, *texts: str) -> list[Any]:
    """Every event of a stream; its name and the `type` in its data agree."""
    writer = Responses().writer(parse(stream=True), STAMP)
    return events(writer.begin() + b"".join(map(writer.text, texts)) + writer.end(reply))


def events(raw: bytes) -> list[Any]:
    found = []
    for block in raw.decode().split("\n\n")[:-1]:
        name, data = block.split("\n", 1)
        found.append(json.loads(data.removeprefix("data: ")))
        assert found[-1]["type"] == name.removeprefix("event: ")
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    return found


def test_items_become_the_turns_they_are_of() -> None:
    """A message and the calls after it are one turn, and so are the results."""
    given = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "input_text", "text": "hi"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{"type": "output_text", "text": "let me see", "annotations": []}],
        },
        CALL,
        {**CALL, "call_id": "2", "id": "fc_2", "status": "completed"},
        {"type": "function_call_output", "call_id": "1", "output": "a"},
        {"type": "function_call_output", "call_id": "2", "output": [{"type": "input_text", "text": "b"}]},
        {"role": "user", "content": "go on"},
    ]  # fmt: skip
    request = read(input=given, instructions="be kind").request
    assert request.system == "be kind\n\nbe brief"
    assert request.messages == (
        Message("user", "hi"),
        Message("assistant", "let me see", (ToolCall("1", "time", {}), ToolCall("2", "time", {}))),
        Message("user", tool_results=(ToolResult("1", "a"), ToolResult("2", "b"))),
        Message("user", "go on"),
    )


@pytest.mark.parametrize(
    ("choice", "names", "mode"),
    [
        ("none", ["weather", "time"], "none"),
        ({"type": "function", "name": "time"}, ["time"], "required"),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "weather"}],
            },
            ["weather"],
            "required",
        ),
    ],
)
def test_a_choice_of_tools_shows_the_model_those_alone(
    choice: object, names: list[str], mode: str
) -> None:
    """A model that sees one tool and has to call one calls that one."""
    request = read(tools=TOOLS, tool_choice=choice).request
    assert ([tool.name for tool in request.tools], request.tool_choice) == (names, mode)


def test_a_schema_is_passed_on_as_it_is() -> None:
    """And what was asked is repeated in the answer."""
    form = {"type": "json_schema", "name": "verdict", "schema": {"type": "object"}, "strict": True}
    body = parse(
        text={"format": form}, tools=TOOLS, tool_choice={"type": "function", "name": "time"}
    )
    schema = Responses().read(body, 800).request.response_schema
    assert schema is not None
    assert (schema.name, schema.schema) == ("verdict", {"type": "object"})
    reply = ChatReply("{}", FinishReason.STOP, USAGE, "gpt-real")
    answer = Response.model_validate(Responses().whole(body, STAMP, reply))
    assert answer.text is not None
    assert answer.text.format is not None
    assert answer.text.format.type == "json_schema"
    assert [tool.type for tool in answer.tools] == ["function", "function"]
    assert not isinstance(answer.tool_choice, str)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"background": True}, "background"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"store": True}, "store"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"truncation": "auto"}, "truncation"),
        ({"include": ["message.output_text.logprobs"]}, "include[0]"),
        ({"colour": "red"}, "colour"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": TOOLS, "tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "name": "x"}}, "tool_choice.name"),
        ({"tools": TOOLS, "tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format"),
        ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
        ({"input": []}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]}, "input[0].content[0].image_url"),
        ({"input": [{**CALL, "arguments": "[1]"}]}, "input[0].arguments"),
        ({"input": [{**CALL, "name": 5}]}, "input[0].name"),
        ({"input": [{"type": "function_call_output", "call_id": "9", "output": "x"}]}, "input"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    """With 400, and before anybody was asked."""
    fault = refusal(**fields)
    assert (fault.status, fault.param) == (400, param)
    assert param in fault.message


def test_what_only_tunes_is_taken() -> None:
    """What OpenAI's own frameworks set without being asked."""
    taken = read(
        store=False, temperature=1, top_p=1, reasoning={"effort": "low"}, truncation="disabled",
        include=["reasoning.encrypted_content"], metadata={}, background=False, service_tier="auto",
        previous_response_id=None, conversation=None, max_tool_calls=3, safety_identifier="s",
        text={"verbosity": "low"}, stream_options={"include_obfuscation": False},
    )  # fmt: skip
    assert (taken.end_user, taken.request.max_tokens) == ("s", 800)


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        (FinishReason.STOP, "completed", None),
        (FinishReason.HANDOFF, "completed", None),
        (FinishReason.LENGTH, "incomplete", "max_output_tokens"),
        (FinishReason.CONTEXT_OVERFLOW, "incomplete", "max_output_tokens"),
        (FinishReason.CONTENT_FILTER, "incomplete", "content_filter"),
    ],
)
def test_every_end_of_an_answer_has_a_status(
    reason: FinishReason, status: str, why: str | None
) -> None:
    """The last event carries the same, and its name is the status."""
    reply = ChatReply("text", reason, USAGE, "gpt-real")
    whole = Response.model_validate(Responses().whole(parse(), STAMP, reply))
    assert whole.status == status
    assert (whole.incomplete_details and whole.incomplete_details.reason) == why
    assert streamed(reply, "text")[-1]["type"] == f"response.{status}"


@pytest.mark.parametrize("texts", [[], ["n", "o"]])
def test_a_refusal_is_found_where_clients_look_for_it(texts: list[str]) -> None:
    """As a part of its own; words that went out before it was known stay where they are."""
    reply = ChatReply("no", FinishReason.REFUSAL, USAGE, "gpt-real")
    whole = Response.model_validate(Responses().whole(parse(), STAMP, reply))
    assert whole.output[0].to_dict()["content"] == [{"type": "refusal", "refusal": "no"}]
    last = streamed(reply, *texts)[-1]["response"]
    parts = [part["type"] for part in last["output"][0]["content"]]
    assert parts == ["output_text", "refusal"][not texts :]


def test_a_failed_stream_ends_in_response_failed_and_no_item_is_done() -> None:
    """OpenAI's own event for it, with the reason in the response's error."""
    writer = Responses().writer(parse(stream=True), STAMP)
    lost = PlatformError("openai", ErrorKind.STREAM_TRUNCATED, "cut")
    found = events(writer.begin() + writer.text("a") + writer.fail(lost))
    assert found[-1]["type"] == "response.failed"
    failed = Response.model_validate(found[-1]["response"])
    assert failed.status == "failed"
    assert failed.error is not None
    assert (failed.error.code, "cut" in failed.error.message) == ("server_error", True)
    assert "response.output_item.done" not in {event["type"] for event in found}


words = st.text(max_size=40)
calls = st.builds(
    ToolCall, st.just("call_1"), st.just("f"), st.dictionaries(words, words | st.integers(0, 9))
)


@given(texts=st.lists(words.filter(bool), max_size=5), called=st.lists(calls, max_size=3))
def test_a_stream_adds_up_to_the_json_answer(texts: list[str], called: list[ToolCall]) -> None:
    """Its last event holds exactly that answer, and its items are those that were streamed."""
    reason = FinishReason.TOOL_CALLS if called else FinishReason.STOP
    reply = ChatReply("".join(texts), reason, USAGE, "gpt-real", tuple(called))
    whole = Responses().whole(parse(stream=True), STAMP, reply)
    ResponsesAnswer.model_validate(whole)
    Response.model_validate(whole)
    found = streamed(reply, *texts)
    assert found[-1]["response"] == json.loads(json.dumps(whole))
    done = [event["item"] for event in found if event["type"] == "response.output_item.done"]
    assert done == found[-1]["response"]["output"]
    deltas = [e["delta"] for e in found if e["type"] == "response.output_text.delta"]
    assert "".join(deltas) == reply.text


@given(
    texts=st.lists(words.filter(bool), min_size=1, max_size=5), called=st.lists(calls, max_size=3)
)
def test_an_output_that_comes_back_is_the_turn_it_was(
    texts: list[str], called: list[ToolCall]
) -> None:
    """A client that appends the items it got has changed nothing."""
    reason = FinishReason.TOOL_CALLS if called else FinishReason.STOP
    reply = ChatReply("".join(texts), reason, USAGE, "gpt-real", tuple(called))
    whole = Response.model_validate(Responses().whole(parse(), STAMP, reply))
    back = [item.model_dump(exclude_unset=True) for item in whole.output]
    turn = read(input=[{"role": "user", "content": "hi"}, *back]).request.messages[1]
    assert turn == Message("assistant", reply.text, reply.tool_calls)
