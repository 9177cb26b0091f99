"""Anthropic's codec: what is sent, and what every answer comes to."""

from typing import Any, cast

import orjson
import pytest
from inline_snapshot import snapshot

from deployments.platforms.anthropic.codec import CACHEABLE_BYTES, decode_reply, encode_request
from deployments.platforms.anthropic.stream import StreamDecoder
from deployments.platforms.sse import SseEvent
from routing.errors import ErrorKind, PlatformError
from routing.exchange import (
    ChatChunk,
    ChatReply,
    ChatRequest,
    FinishReason,
    ReplyDone,
    ResponseSchema,
    TextDelta,
    Usage,
)
from routing.message import (
    Image,
    JsonObject,
    Message,
    ProviderState,
    ToolCall,
    ToolResult,
    ToolSpec,
)

SCHEMA: JsonObject = {"type": "object", "properties": {}, "additionalProperties": False}
TOOL = ToolSpec("find", "Find it.", SCHEMA, strict=True)
QUESTION = Message("user", "Where is it?")
THINKING: JsonObject = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmVk"}
USE: JsonObject = {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"number": "7"}}
TEXT: JsonObject = {"type": "text", "text": "Here."}
USAGE: JsonObject = {
    "input_tokens": 30,
    "cache_creation_input_tokens": 10,
    "cache_read_input_tokens": 60,
    "output_tokens": 30,
    "output_tokens_details": {"thinking_tokens": 20},
}


def message(*content: object, stop_reason: str | None = "end_turn", **more: object) -> bytes:
    return orjson.dumps(
        {
            "type": "message",
            "model": "claude-haiku-5-5",
            "content": content,
            "stop_reason": stop_reason,
            "usage": USAGE,
            **more,
        }
    )


def test_a_plain_question_asks_for_nothing_it_does_not_need() -> None:
    """A temperature least of all: the API refuses it, whatever a configuration says."""
    request = ChatRequest(
        "claude-haiku-5-5", (QUESTION,), system="Be kind.", max_tokens=8, temperature=0.7
    )
    assert encode_request(request, stream=True) == snapshot(
        {
            "model": "claude-haiku-5-5",
            "max_tokens": 8,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Where is it?"}]}],
            "stream": True,
            "system": "Be kind.",
        }
    )


def test_a_full_request_uses_every_field() -> None:
    """The schema stands under `output_config`, the end user is a hash."""
    request = ChatRequest(
        "claude-haiku-5-5",
        (QUESTION,),
        tools=(TOOL, ToolSpec("list", "List them.", SCHEMA)),
        tool_choice="required",
        parallel_tools=False,
        response_schema=ResponseSchema("verdict", SCHEMA),
        safety_id="hash",
    )
    assert encode_request(request, stream=False) == snapshot(
        {
            "model": "claude-haiku-5-5",
            "max_tokens": 1024,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Where is it?"}]}],
            "stream": False,
            "metadata": {"user_id": "hash"},
            "output_config": {
                "format": {
                    "type": "json_schema",
                    "schema": {"type": "object", "properties": {}, "additionalProperties": False},
                }
            },
            "tools": [
                {
                    "name": "find",
                    "description": "Find it.",
                    "input_schema": {
                        "type": "object",
                        "properties": {},
                        "additionalProperties": False,
                    },
                    "strict": True,
                },
                {
                    "name": "list",
                    "description": "List them.",
                    "input_schema": {
                        "type": "object",
                        "properties": {},
                        "additionalProperties": False,
                    },
                },
            ],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        }
    )


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        ("auto", True, None),
        ("auto", False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", True, {"type": "any"}),
        ("none", True, {"type": "none"}),
        ("none", False, {"type": "none"}),
    ],
)
def test_the_choice_of_tools_is_said_in_anthropics_words(
    choice: str, sent: object, *, parallel: bool
) -> None:
    """`none` takes no further field."""
    request = ChatRequest(
        "claude-haiku-5-5",
        (QUESTION,),
        tools=(TOOL,),
        tool_choice=choice,  # type: ignore[arg-type]
        parallel_tools=parallel,
    )
    assert encode_request(request, stream=False).get("tool_choice") == sent


def test_all_results_of_a_turn_come_first_in_one_user_message() -> None:
    """The API looks for them there and nowhere else."""
    calls = (ToolCall("toolu_1", "find", {"number": "7"}), ToolCall("toolu_2", "find", {}))
    turns = (
        QUESTION,
        Message("assistant", " ", calls),
        Message("user", tool_results=(ToolResult("toolu_1", "here"),)),
        Message("user", "Well?"),
        Message("user", tool_results=(ToolResult("toolu_2", "gone", True),)),
        Message("assistant"),
    )
    body = encode_request(ChatRequest("claude-haiku-5-5", turns), stream=False)
    assert body["messages"] == snapshot(
        [
            {"role": "user", "content": [{"type": "text", "text": "Where is it?"}]},
            {
                "role": "assistant",
                "content": [
                    {
                        "type": "tool_use",
                        "id": "toolu_1",
                        "name": "find",
                        "input": {"number": "7"},
                    },
                    {"type": "tool_use", "id": "toolu_2", "name": "find", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "content": "here"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "toolu_2",
                        "content": "gone",
                        "is_error": True,
                    },
                    {"type": "text", "text": "Well?"},
                ],
            },
        ]
    )


def test_signed_thinking_is_replayed_verbatim_and_to_anthropic_alone() -> None:
    """A changed block is refused with a 400."""
    reply = decode_reply(
        message(THINKING, {"type": "text", "text": ""}, USE, stop_reason="tool_use")
    )
    assert reply.provider_state == ProviderState("anthropic", (THINKING, USE))
    for platform, content in (("anthropic", [THINKING, USE]), ("openai", [USE])):
        state = ProviderState(platform, reply.provider_state.items)
        turn = Message("assistant", reply.text, reply.tool_calls, provider_state=state)
        body = encode_request(ChatRequest("claude-haiku-5-5", (turn,)), stream=False)
        assert body["messages"] == [{"role": "assistant", "content": content}]


def test_a_reply_has_text_usage_and_model() -> None:
    """Anthropic's input excludes what was cached; ours includes it."""
    assert decode_reply(message(TEXT), "req_1") == ChatReply(
        "Here.",
        FinishReason.STOP,
        Usage(100, 60, 10, 30, 20),
        "claude-haiku-5-5",
        request_id="req_1",
    )


@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("pause_turn", FinishReason.PAUSED),
        ("refusal", FinishReason.REFUSAL),
        ("model_context_window_exceeded", FinishReason.CONTEXT_OVERFLOW),
    ],
)
def test_every_stop_reason_is_known(stop_reason: str, expected: FinishReason) -> None:
    """And none but `tool_use` offers calls: the last may be half a call."""
    reply = decode_reply(message(TEXT, USE, stop_reason=stop_reason))
    assert (reply.finish_reason, reply.tool_calls) == (expected, ())


def test_a_refusals_explanation_is_its_text() -> None:
    """Its content is empty."""
    details = {"type": "refusal", "category": None, "explanation": "I cannot."}
    reply = decode_reply(message(stop_reason="refusal", stop_details=details))
    assert (reply.text, reply.finish_reason) == ("I cannot.", FinishReason.REFUSAL)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        message(TEXT, stop_reason=None),
        message(TEXT, stop_reason="some_new_reason"),
        message({"type": "text"}),
        message(
            {"type": "tool_use", "id": "x", "name": "y", "input": "{}"}, stop_reason="tool_use"
        ),
        message(TEXT, usage={"input_tokens": "many"}),
        message(7),
    ],
)
def test_what_is_not_as_promised_is_a_bad_reply(raw: bytes) -> None:
    """Never an exception of ours, never half an answer."""
    with pytest.raises(PlatformError) as caught:
        decode_reply(raw)
    assert caught.value.kind is ErrorKind.BAD_REPLY


def feed(*payloads: JsonObject) -> list[ChatChunk]:
    decoder = StreamDecoder("req_1")
    return [
        chunk
        for payload in payloads
        for chunk in decoder.feed(SseEvent(str(payload["type"]), orjson.dumps(payload)))
    ]


def test_deltas_fold_back_into_the_message() -> None:
    """Thinking with its signature, text, and a call whose arguments come in pieces."""
    chunks = feed(
        {"type": "message_start", "message": {"model": "claude-haiku-5-5", "usage": USAGE}},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "thinking", "thinking": "", "signature": ""},
        },
        {"type": "ping"},
        delta(0, "thinking_delta", thinking="H"),
        delta(0, "thinking_delta", thinking="m."),
        delta(0, "signature_delta", signature="c2lnbmVk"),
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        delta(1, "text_delta", text="He"),
        delta(1, "text_delta", text="re."),
        delta(1, "some_new_delta", text="x"),
        {"type": "content_block_start", "index": 2, "content_block": {**USE, "input": {}}},
        delta(2, "input_json_delta", partial_json=""),
        delta(2, "input_json_delta", partial_json='{"number":'),
        delta(2, "input_json_delta", partial_json=' "7"}'),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use"},
            "usage": {**USAGE, "input_tokens": None, "output_tokens": 44},
        },
        {"type": "some_new_event"},
        {"type": "message_stop"},
    )
    usage = {**USAGE, "output_tokens": 44}
    whole = message(THINKING, TEXT, USE, stop_reason="tool_use", usage=usage)
    assert chunks == [TextDelta("He"), TextDelta("re."), ReplyDone(decode_reply(whole, "req_1"))]


def delta(index: int, kind: str, **fields: str) -> JsonObject:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def test_a_call_that_was_cut_is_not_parsed() -> None:
    """The limit may fall in the middle of its arguments."""
    [done] = feed(
        {"type": "message_start", "message": {"usage": USAGE}},
        {"type": "content_block_start", "index": 0, "content_block": {**USE, "input": {}}},
        delta(0, "input_json_delta", partial_json='{"numb'),
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {}},
        {"type": "message_stop"},
    )
    assert isinstance(done, ReplyDone)
    assert (done.reply.finish_reason, done.reply.tool_calls) == (FinishReason.LENGTH, ())


def test_a_stream_that_is_out_of_order_is_a_bad_reply() -> None:
    """A delta belongs to a block that has begun."""
    with pytest.raises(PlatformError) as caught:
        feed(delta(0, "text_delta", text="Here."))
    assert caught.value.kind is ErrorKind.BAD_REPLY


@pytest.mark.parametrize(
    ("kind_of_error", "kind"),
    [
        ("overloaded_error", ErrorKind.OVERLOADED),
        ("rate_limit_error", ErrorKind.RATE_LIMITED),
        ("api_error", ErrorKind.OVERLOADED),
        ("some_new_error", ErrorKind.BAD_REPLY),
    ],
)
def test_an_error_in_the_stream_is_mapped_by_its_type(kind_of_error: str, kind: ErrorKind) -> None:
    """Its status was 200."""
    with pytest.raises(PlatformError) as caught:
        feed({"type": "error", "error": {"type": kind_of_error, "message": "Not now."}})
    assert (caught.value.kind, caught.value.status) == (kind, None)


def asked(**fields: object) -> dict[str, Any]:
    request = ChatRequest("claude-haiku-5-5", (QUESTION,), **fields)  # type: ignore[arg-type]
    return encode_request(request, stream=False)


RULES = "Answer from the passages. " * 100
LONG = ToolSpec("find", "Find it. " * 300, SCHEMA)


def test_the_rules_are_marked_for_the_cache_and_the_passages_are_not() -> None:
    """What other questions begin with is kept; what is found for this one is not paid for twice."""
    body = asked(system=RULES + "<passages/>", stable_system_chars=len(RULES))
    assert body["system"] == [
        {"type": "text", "text": RULES, "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "<passages/>"},
    ]
    assert "cache_control" not in body


def test_a_beginning_too_short_for_any_model_is_not_marked() -> None:
    """512 tokens are the least that is ever cached; a short prompt stays one text."""
    short = RULES[: CACHEABLE_BYTES - 1]
    assert asked(system=short + "x", stable_system_chars=len(short))["system"] == short + "x"
    assert asked(system=RULES)["system"] == RULES


def test_a_system_prompt_that_is_stable_to_its_end_is_one_block() -> None:
    """An empty text would be refused."""
    for rest in ("", " \n"):
        [block] = asked(system=RULES + rest, stable_system_chars=len(RULES))["system"]
        assert block["text"] == RULES


def test_tools_are_marked_at_the_last_one_and_count_towards_the_rules() -> None:
    """The cache holds tools first, then the system prompt: a mark covers all before it."""
    body = asked(tools=(LONG, TOOL), system="Short. <passages/>", stable_system_chars=6)
    assert [tool.get("cache_control") for tool in body["tools"]] == [None, {"type": "ephemeral"}]
    assert body["system"][0] == {
        "type": "text",
        "text": "Short.",
        "cache_control": {"type": "ephemeral"},
    }
    assert "cache_control" not in asked(tools=(TOOL,))["tools"][0]


def test_images_come_before_the_text_of_their_message() -> None:
    """Bytes and addresses each as the kind of source they are; results stay first."""
    images = (Image("image/png", data="iVBORw0KGgo="), Image(None, url="https://example.com/a"))
    said = Message("user", "What is it?", tool_results=(ToolResult("t", "7"),), images=images)
    request = ChatRequest("claude-haiku-5-5", (said,))
    [turn] = cast("list[dict[str, Any]]", encode_request(request, stream=False)["messages"])
    assert turn["content"][1:] == [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
        },
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a"}},
        {"type": "text", "text": "What is it?"},
    ]
    assert turn["content"][0]["type"] == "tool_result"
