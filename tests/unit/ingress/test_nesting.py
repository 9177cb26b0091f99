"""JSON that is nested deeper than anybody means is refused at the door, and what is let in is sealed."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from deployments.ingress.anthropic_schema import MessagesBody
from deployments.ingress.openai_chat import ChatCompletions
from deployments.ingress.openai_chat_schema import ChatCompletionsBody
from deployments.ingress.openai_errors import OPENAI_ERRORS
from deployments.ingress.openai_responses import Responses
from deployments.ingress.openai_responses_schema import ResponsesBody
from deployments.ingress.platform_settings_schema import ConfigureBody
from deployments.ingress.scim_schema import ScimBody
from deployments.nesting import LEVELS_MAX, SCHEMA_LEVELS_MAX, is_deeper
from deployments.privacy.find import Finder
from deployments.privacy.request import sealed_request
from deployments.privacy.seal import Seal
from routing.errors import RequestError
from routing.exchange import ChatRequest
from routing.message import Json
from routing.tool_schema import MAX_DEPTH

USER = {"role": "user", "content": "hi"}


def nested(levels: int) -> Any:
    """Lists in one another."""
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


def chat(arguments: Json) -> ChatRequest:
    called = {"name": "f", "arguments": json.dumps(arguments)}
    call = {"id": "c", "type": "function", "function": called}
    turns = [
        USER,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]
    body = {"model": "auto", "messages": turns}
    return (
        ChatCompletions().read(ChatCompletionsBody.model_validate_json(json.dumps(body)), 9).request
    )


def responses(arguments: Json) -> ChatRequest:
    call = {
        "type": "function_call",
        "call_id": "c",
        "name": "f",
        "arguments": json.dumps(arguments),
    }
    result = {"type": "function_call_output", "call_id": "c", "output": "done"}
    body = {"model": "auto", "input": [USER, call, result]}
    return Responses().read(ResponsesBody.model_validate_json(json.dumps(body)), 9).request


@pytest.mark.parametrize("read", [chat, responses])
def test_arguments_are_as_deep_as_can_be_sealed(read: Any) -> None:
    """A parser takes a thousand levels; the seal of that was a mistake of ours, and 325 KB in the log."""
    request = read({"a": nested(LEVELS_MAX - 1)})
    assert sealed_request(Seal(b"key", Finder()), request) == request
    for levels in (LEVELS_MAX, 900):
        with pytest.raises(RequestError, match=f"deeper than {LEVELS_MAX} levels") as refusal:
            read({"a": nested(levels)})
        assert OPENAI_ERRORS.response(refusal.value).status_code == 400


def said(role: str, *content: object) -> dict[str, object]:
    return {"model": "auto", "max_tokens": 9, "messages": [{"role": role, "content": content}]}


def used(value: object) -> dict[str, object]:
    return said("assistant", {"type": "tool_use", "id": "c", "name": "f", "input": {"a": value}})


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (MessagesBody, lambda value: used(value[0])),
        (MessagesBody, lambda value: {**said("user"), "thinking": value}),
        (
            ChatCompletionsBody,
            lambda value: {"model": "a", "messages": [USER], "prediction": value},
        ),
        (ResponsesBody, lambda value: {"model": "a", "input": [], "reasoning": value}),
        (ScimBody, lambda value: {"schemas": [], "nickName": value}),
        (ConfigureBody, lambda value: {"platform": "openai", "changes": {"models": value}}),
    ],
    ids=["arguments", "thinking", "prediction", "reasoning", "scim", "settings"],
)
def test_wherever_a_body_takes_any_json_it_takes_none_that_is_too_deep(
    model: type[BaseModel], body: Any
) -> None:
    model.model_validate_json(json.dumps(body(nested(LEVELS_MAX))))
    with pytest.raises(ValidationError, match="nested deeper"):
        model.model_validate_json(json.dumps(body(nested(LEVELS_MAX + 1))))


def test_a_schema_is_as_deep_as_32_schemas_are() -> None:
    """Whether it is too deep for a platform is for the platform to say, with the place."""
    schema: Any = {"type": "object", "enum": [[[]]]}
    for _ in range(MAX_DEPTH):
        schema = {"type": "object", "properties": {"a": schema}}
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    body = {"model": "a", "messages": [USER], "response_format": form}
    ChatCompletionsBody.model_validate_json(json.dumps(body))
    form["json_schema"] = {"name": "a", "schema": {"enum": nested(SCHEMA_LEVELS_MAX)}}
    with pytest.raises(ValidationError, match="nested deeper"):
        ChatCompletionsBody.model_validate_json(json.dumps(body))


def test_depth_is_of_lists_and_objects_and_the_deepest_counts() -> None:
    assert not is_deeper("[[[]]]", 0)
    assert not is_deeper([{"a": 1}, {"b": []}], 3)
    assert is_deeper([{"a": 1}, {"b": []}], 2)
