"""Chat completions into our words and back, held against the types of OpenAI's own SDK."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import ValidationError

from deployments.ingress import problem, vendor_tools
from deployments.ingress.dialect import Stamp, Wanted
from deployments.ingress.openai_chat import ChatCompletions
from deployments.ingress.openai_chat_schema import ChatCompletionAnswer, ChatCompletionsBody
from deployments.ingress.vendor_errors import Fault, fault_of
from deployments.ingress.vendor_tools import NO_PARAMETERS
from routing.errors import RequestError
from routing.exchange import ChatReply, FinishReason, Usage
from routing.message import Message, ToolCall, ToolResult
from routing.tool_schema import Dialect, tool_findings

STAMP = Stamp("abc", "gpt-real", 1_767_225_600)
USAGE = Usage(100, 30, 10, 20, 5)
HI = [{"role": "user", "content": "hi"}]
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "d", "strict": True}},
    {"type": "function", "function": {"name": "time", "parameters": {"type": "object"}}},
]


def parse(**fields: object) -> ChatCompletionsBody:
    return ChatCompletionsBody.model_validate_json(
        json.dumps({"model": "auto", "messages": HI, **fields})
    )


def read(**fields: object) -> Wanted:
    return ChatCompletions().read(parse(**fields), 800)


def refusal(**fields: object) -> Fault:
    """What an OpenAI client is told of a body that is not taken."""
    try:
        read(**fields)
    except ValidationError as error:
        return fault_of(problem.from_validation(error))
    except RequestError as error:
        return fault_of(error)
    raise AssertionError("it was taken")


def streamed(reply: ChatReply, *texts: str, **fields: object) -> list[Any]:
    """The data of every event of a stream; the last is `[DONE]`."""
    writer = ChatCompletions().writer(parse(stream=True, **fields), STAMP)
    raw = writer.begin() + b"".join(map(writer.text, texts)) + writer.end(reply)
    lines = raw.decode().split("\n\n")[:-1]
    data = [line.removeprefix("data: ") for line in lines]
    assert data[-1] == "[DONE]"
    return [json.loads(line) for line in data[:-1]]


def test_system_and_developer_messages_become_one_system_prompt() -> None:
    """In their order, wherever they stand."""
    messages = [
        {"role": "system", "content": "be kind"},
        *HI,
        {"role": "developer", "content": [{"type": "text", "text": "be brief"}]},
    ]
    request = read(messages=messages).request
    assert request.system == "be kind\n\nbe brief"
    assert request.messages == (Message("user", "hi"),)


def test_results_of_one_turn_are_one_turn() -> None:
    """OpenAI sends each in a message of its own; other platforms want them together."""
    called = {"type": "function", "function": {"name": "time", "arguments": '{"a": [1]}'}}
    messages = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", **called}, {"id": "2", **called}]},
        {"role": "tool", "tool_call_id": "2", "content": "b"},
        {"role": "tool", "tool_call_id": "1", "content": "a"},
        {"role": "user", "content": "go on"},
    ]  # fmt: skip
    calls = (ToolCall("1", "time", {"a": [1]}), ToolCall("2", "time", {"a": [1]}))
    assert read(messages=messages).request.messages == (
        Message("user", "hi"),
        Message("assistant", "", calls),
        Message("user", tool_results=(ToolResult("2", "b"), ToolResult("1", "a"))),
        Message("user", "go on"),
    )


@pytest.mark.parametrize(
    ("choice", "names", "mode"),
    [
        (None, ["weather", "time"], "auto"),
        ("none", ["weather", "time"], "none"),
        ("required", ["weather", "time"], "required"),
        ({"type": "function", "function": {"name": "time"}}, ["time"], "required"),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "weather"}}],
                },
            },
            ["weather"],
            "auto",
        ),
    ],
)
def test_a_choice_of_tools_shows_the_model_those_alone(
    choice: object, names: list[str], mode: str
) -> None:
    """A model that sees one tool and has to call one calls that one."""
    request = read(tools=TOOLS, tool_choice=choice, parallel_tool_calls=False).request
    assert ([tool.name for tool in request.tools], request.tool_choice) == (names, mode)
    assert not request.parallel_tools


def test_tools_keep_their_schema_and_strictness() -> None:
    """A function without parameters is one that takes nothing."""
    weather, time = read(tools=TOOLS).request.tools
    assert (weather.strict, weather.description) == (True, "d")
    assert weather.parameters == NO_PARAMETERS
    assert not tool_findings(weather, Dialect.OPENAI).complaints
    assert (time.strict, time.parameters) == (False, {"type": "object"})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, 800), ({"max_tokens": 5}, 5), ({"max_tokens": 5, "max_completion_tokens": 7}, 7)],
)
def test_the_newer_name_of_the_token_limit_wins(fields: dict[str, int], expected: int) -> None:
    """Without either it is the configuration's."""
    assert read(**fields).request.max_tokens == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities[1]"),
        ({"store": True}, "store"),
        ({"stop": ["\n"]}, "stop"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"colour": "red"}, "colour"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}}, "response_format.json_schema.schema"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice.function.name"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {}}}, "tool_choice.function.name"),
        ({"tools": TOOLS, "tool_choice": {"type": "custom"}}, "tool_choice"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "system", "content": "be kind"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "messages[0].content[0].image_url.url"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [*HI, {"role": "tool", "tool_call_id": "1", "content": "x"}]}, "messages"),
        (
            {"messages": [*HI, {"role": "assistant", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{"}}]}]},
            "messages[1].tool_calls[0].function.arguments",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_by_name(fields: dict[str, object], param: str) -> None:
    """With 400, and before anybody was asked."""
    fault = refusal(**fields)
    assert (fault.status, fault.param) == (400, param)
    assert param in fault.message


def test_what_only_tunes_is_taken() -> None:
    """Clients write out their defaults, and frameworks set a temperature without being asked."""
    taken = read(
        n=1, temperature=0.7, top_p=1, seed=7, presence_penalty=0.5, frequency_penalty=0, user="u",
        metadata={"a": "b"}, store=False, service_tier="auto", reasoning_effort="low", stop=None,
        verbosity="low", logprobs=False, prompt_cache_key="k", logit_bias={}, functions=[],
        stream_options={"include_usage": True}, response_format={"type": "text"},
    )  # fmt: skip
    assert taken.request.temperature is None
    assert (taken.end_user, taken.stream) == ("u", False)


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        (FinishReason.STOP, "stop"),
        (FinishReason.LENGTH, "length"),
        (FinishReason.CONTENT_FILTER, "content_filter"),
        (FinishReason.CONTEXT_OVERFLOW, "length"),
        (FinishReason.PAUSED, "length"),
        (FinishReason.HANDOFF, "stop"),
        (FinishReason.REFUSAL, "stop"),
    ],
)
def test_every_end_of_an_answer_has_a_finish_reason(reason: FinishReason, said: str) -> None:
    """The same in JSON and in a stream."""
    reply = ChatReply("text", reason, USAGE, "gpt-real")
    whole = ChatCompletions().whole(parse(), STAMP, reply)
    assert ChatCompletion.model_validate(whole).choices[0].finish_reason == said
    assert streamed(reply, "text")[-1]["choices"][0]["finish_reason"] == said


def test_a_refusal_is_a_refusal_and_no_content() -> None:
    """In a stream it may have been content before anybody knew."""
    reply = ChatReply("no", FinishReason.REFUSAL, USAGE, "gpt-real")
    message = ChatCompletion.model_validate(ChatCompletions().whole(parse(), STAMP, reply))
    assert message.choices[0].message.content is None
    assert message.choices[0].message.refusal == "no"
    deltas = [chunk["choices"][0]["delta"] for chunk in streamed(reply)]
    assert {"refusal": "no"} in deltas
    assert not any(delta.get("content") for delta in deltas)


def test_usage_is_in_every_chunk_or_in_none() -> None:
    """Null until the last one, which has no choices, as OpenAI documents it."""
    reply = ChatReply("text", FinishReason.STOP, USAGE, "gpt-real")
    chunks = streamed(reply, "text", stream_options={"include_usage": True})
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["usage"] == {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    assert not any("usage" in chunk for chunk in streamed(reply, "text"))


def test_a_failed_stream_ends_in_an_error_and_not_in_done() -> None:
    """Neither a finish reason nor `[DONE]`: nothing in it looks like an end."""
    writer = ChatCompletions().writer(parse(stream=True), STAMP)
    raw = writer.begin() + writer.text("a") + writer.fail(RequestError("content_refused", "no"))
    assert b"[DONE]" not in raw
    last = json.loads(raw.decode().split("\n\n")[-2].removeprefix("data: "))
    assert last["error"]["code"] == "content_policy_violation"


words = st.text(max_size=40)
calls = st.builds(
    ToolCall, st.just("call_1"), st.just("f"), st.dictionaries(words, words | st.integers(0, 9))
)


@given(texts=st.lists(words.filter(bool), max_size=5), called=st.lists(calls, max_size=3))
def test_a_stream_adds_up_to_the_json_answer(texts: list[str], called: list[ToolCall]) -> None:
    """Whatever the pieces: content, calls and finish are those of the whole."""
    reason = FinishReason.TOOL_CALLS if called else FinishReason.STOP
    reply = ChatReply("".join(texts), reason, USAGE, "gpt-real", tuple(called))
    body = ChatCompletions().whole(parse(), STAMP, reply)
    ChatCompletionAnswer.model_validate(body)
    whole = ChatCompletion.model_validate(body).choices[0]
    chunks = [ChatCompletionChunk.model_validate(chunk) for chunk in streamed(reply, *texts)]
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == (whole.message.content or "")
    pieces = [piece for delta in deltas for piece in delta.tool_calls or ()]
    said = [
        (c.id, c.function.name, c.function.arguments)
        for c in whole.message.tool_calls or ()
        if c.type == "function"
    ]
    assert [
        (p.id, p.function.name, p.function.arguments) for p in pieces if p.function is not None
    ] == said
    assert [p.index for p in pieces] == list(range(len(called)))
    assert chunks[-1].choices[0].finish_reason == whole.finish_reason


@given(
    texts=st.lists(words.filter(bool), min_size=1, max_size=5), called=st.lists(calls, max_size=3)
)
def test_an_answer_that_comes_back_is_the_turn_it_was(
    texts: list[str], called: list[ToolCall]
) -> None:
    """A client that appends the message it got has changed nothing."""
    reason = FinishReason.TOOL_CALLS if called else FinishReason.STOP
    reply = ChatReply("".join(texts), reason, USAGE, "gpt-real", tuple(called))
    whole = ChatCompletion.model_validate(ChatCompletions().whole(parse(), STAMP, reply))
    turn = whole.choices[0].message.model_dump(exclude_unset=True)
    read_back = read(messages=[*HI, turn]).request.messages[1]
    assert read_back == Message("assistant", reply.text, reply.tool_calls)


def test_thousands_of_results_are_put_into_one_turn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each that is put to those before it copies them: ten thousand took a quarter of a second."""
    made: list[Message] = []

    def replaced(message: Message, **changes: Any) -> Message:
        made.append(replace(message, **changes))
        return made[-1]

    monkeypatch.setattr(vendor_tools, "replace", replaced)
    call = Message("assistant", "", (ToolCall("c", "f", {}),))
    result = Message("user", tool_results=(ToolResult("c", "x"),))
    whole = vendor_tools.turns([Message("user", "hi"), call, *[result] * 500], "/messages")
    assert [len(turn.tool_results) for turn in whole] == [0, 0, 500]
    assert len(made) == 1
