"""OpenAI's codec: what is sent, and what every answer comes to."""

import orjson
import pytest
from inline_snapshot import snapshot

from deployments.platforms.openai.codec import StreamDecoder, decode_reply, encode_request
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
REASONING: JsonObject = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [],
    "encrypted_content": "sealed",
    "some_new_field": 1,
}
CALL: JsonObject = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "find",
    "arguments": '{"number":"7"}',
    "status": "completed",
}


def said(text: str, **more: object) -> dict[str, object]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "role": "assistant", "content": [part], **more}


def response(*output: object, status: str = "completed", **more: object) -> bytes:
    return orjson.dumps({"status": status, "model": "gpt-6-luna", "output": output, **more})


def test_a_plain_question_asks_for_nothing_it_does_not_need() -> None:
    """Nothing is stored at the vendor, and no parameter is sent that a model may refuse."""
    request = ChatRequest("gpt-6-luna", (QUESTION,), system="Be kind.", max_tokens=8)
    assert encode_request(request, stream=True) == snapshot(
        {
            "model": "gpt-6-luna",
            "input": [{"type": "message", "role": "user", "content": "Where is it?"}],
            "max_output_tokens": 16,
            "store": False,
            "stream": True,
            "instructions": "Be kind.",
        }
    )


def test_a_full_request_uses_every_field() -> None:
    """Tools are flat and strict, the schema stands under `text`, the end user is a hash."""
    request = ChatRequest(
        "gpt-6-luna",
        (QUESTION,),
        temperature=0.2,
        tools=(TOOL,),
        tool_choice="required",
        parallel_tools=False,
        response_schema=ResponseSchema("verdict", SCHEMA),
        safety_id="h" * 200,
    )
    assert encode_request(request, stream=False) == snapshot(
        {
            "model": "gpt-6-luna",
            "input": [{"type": "message", "role": "user", "content": "Where is it?"}],
            "max_output_tokens": 1024,
            "store": False,
            "stream": False,
            "temperature": 0.2,
            "safety_identifier": "h" * 128,
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "verdict",
                    "schema": {"type": "object", "properties": {}, "additionalProperties": False},
                    "strict": True,
                }
            },
            "tools": [
                {
                    "type": "function",
                    "name": "find",
                    "description": "Find it.",
                    "parameters": {
                        "type": "object",
                        "properties": {},
                        "additionalProperties": False,
                    },
                    "strict": True,
                }
            ],
            "tool_choice": "required",
            "parallel_tool_calls": False,
            "include": ["reasoning.encrypted_content"],
        }
    )


def test_a_model_that_does_not_reason_is_not_asked_for_its_reasoning() -> None:
    """It would answer 400."""
    request = ChatRequest("gpt-4o-mini", (QUESTION,), tools=(TOOL,))
    assert "include" not in encode_request(request, stream=False)


def test_a_tool_loop_is_items_in_the_order_it_happened() -> None:
    """Calls, then their results; a failed one says so in words, as the wire has no mark for it."""
    turns = (
        QUESTION,
        Message("assistant", "A moment.", (ToolCall("call_1", "find", {"number": "7"}),)),
        Message("user", "Well?", tool_results=(ToolResult("call_1", "no such number", True),)),
    )
    assert encode_request(ChatRequest("gpt-6-luna", turns), stream=False)["input"] == snapshot(
        [
            {"type": "message", "role": "user", "content": "Where is it?"},
            {"type": "message", "role": "assistant", "content": "A moment."},
            {
                "type": "function_call",
                "call_id": "call_1",
                "name": "find",
                "arguments": '{"number":"7"}',
            },
            {
                "type": "function_call_output",
                "call_id": "call_1",
                "output": "Error: no such number",
            },
            {"type": "message", "role": "user", "content": "Well?"},
        ]
    )


@pytest.mark.parametrize(("platform", "is_replayed"), [("openai", True), ("azure", False)])
def test_a_state_goes_back_only_to_the_platform_that_wrote_it(
    platform: str, *, is_replayed: bool
) -> None:
    """Azure speaks this wire and cannot read what OpenAI sealed."""
    reply = decode_reply(response(REASONING, CALL), platform=platform)
    turn = Message("assistant", reply.text, reply.tool_calls, provider_state=reply.provider_state)
    items = encode_request(ChatRequest("gpt-6-luna", (turn,)), stream=False)["input"]
    assert (items == [REASONING, CALL]) is is_replayed


def test_a_reply_has_text_usage_and_model() -> None:
    """OpenAI's input includes what was cached and its output the reasoning, as ours do."""
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "output_tokens": 30,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 130,
    }
    assert decode_reply(response(said("Here."), usage=usage), "req_1") == ChatReply(
        "Here.", FinishReason.STOP, Usage(100, 60, 10, 30, 20), "gpt-6-luna", request_id="req_1"
    )


@pytest.mark.parametrize("usage", [None, {}, {"input_tokens": 1, "input_tokens_details": None}])
def test_missing_details_of_usage_are_no_failure(usage: object) -> None:
    """The SDK types them as required; minimal servers send null."""
    assert decode_reply(response(said("Here."), usage=usage)).usage.cached_tokens == 0


def test_calls_are_decoded_and_the_turn_is_kept_verbatim() -> None:
    """Unknown fields and unknown items pass: the vendor wants its own turn back as it was."""
    news = {"type": "some_new_item", "x": [1]}
    reply = decode_reply(response(REASONING, news, said("Let me look."), CALL))
    assert reply.finish_reason is FinishReason.TOOL_CALLS
    assert reply.tool_calls == (ToolCall("call_1", "find", {"number": "7"}),)
    assert reply.provider_state == ProviderState(
        "openai",
        (REASONING, news, said("Let me look."), CALL),  # type: ignore[arg-type]
    )


def test_reasoning_that_was_not_sealed_is_not_replayed() -> None:
    """A reference to what nobody stored is refused, and so are the calls that followed from it."""
    bare = {**REASONING, "encrypted_content": None}
    assert decode_reply(response(bare, CALL)).provider_state is None


def test_a_phase_is_kept() -> None:
    """OpenAI asks for it back: without it answers get worse."""
    assert decode_reply(response(said("Here.", phase="final_answer"))).provider_state
    assert decode_reply(response(said("Here."))).provider_state is None


def test_a_call_without_arguments_has_none() -> None:
    """Tools without parameters are called with an empty string."""
    [call] = decode_reply(response({**CALL, "arguments": ""})).tool_calls
    assert call.arguments == {}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("max_output_tokens", FinishReason.LENGTH),
        ("max_messages", FinishReason.LENGTH),
        ("content_filter", FinishReason.CONTENT_FILTER),
    ],
)
def test_an_incomplete_response_says_why_and_offers_no_calls(
    reason: str, expected: FinishReason
) -> None:
    """Its last call may be half a call."""
    half = {**CALL, "arguments": '{"num', "status": "incomplete"}
    more = {"incomplete_details": {"reason": reason}}
    reply = decode_reply(response(said("Her"), half, status="incomplete", **more))
    assert (reply.text, reply.finish_reason) == ("Her", expected)
    assert (reply.tool_calls, reply.provider_state) == ((), None)


def test_a_refusal_is_text_with_its_own_reason() -> None:
    """The user is told."""
    part = {"type": "refusal", "refusal": "I cannot."}
    reply = decode_reply(response({"type": "message", "content": [part]}))
    assert (reply.text, reply.finish_reason) == ("I cannot.", FinishReason.REFUSAL)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", ErrorKind.OVERLOADED),
        ("rate_limit_exceeded", ErrorKind.RATE_LIMITED),
        ("invalid_prompt", ErrorKind.CONTENT_FILTERED),
        ("data_residency_mismatch", ErrorKind.PERMISSION),
        ("some_new_code", ErrorKind.BAD_REPLY),
    ],
)
def test_a_failed_response_is_an_error_of_its_code(code: str, kind: ErrorKind) -> None:
    """It comes with a 200."""
    with pytest.raises(PlatformError) as caught:
        decode_reply(response(status="failed", error={"code": code, "message": "Sorry."}))
    assert (caught.value.kind, caught.value.detail) == (kind, f"{code}: Sorry.")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        response(status="cancelled"),
        response(status="in_progress"),
        response(status="incomplete"),
        response(status="incomplete", incomplete_details={"reason": "some_new_reason"}),
        response({**CALL, "arguments": "{"}),
        response({**CALL, "arguments": "[]"}),
        response({"type": "function_call"}),
        response({"type": "message", "content": "text"}),
        response(said("Here."), usage={"input_tokens": "many"}),
        b'{"status": "completed", "output": [7]}',
    ],
)
def test_what_is_not_as_promised_is_a_bad_reply(raw: bytes) -> None:
    """Never an exception of ours, never half an answer."""
    with pytest.raises(PlatformError) as caught:
        decode_reply(raw)
    assert caught.value.kind is ErrorKind.BAD_REPLY


def feed(*events: tuple[str, object]) -> list[ChatChunk]:
    decoder = StreamDecoder("req_1")
    return [
        chunk
        for name, payload in events
        for chunk in decoder.feed(SseEvent(name, orjson.dumps(payload)))
    ]


def test_a_stream_is_text_and_the_reply() -> None:
    """Kinds of event we do not know are passed over, and are not even parsed."""
    decoder = StreamDecoder()
    assert decoder.feed(SseEvent("response.some_new_kind", b"no JSON")) == []
    last = orjson.loads(response(said("Here.")))
    assert feed(
        ("response.created", {}),
        ("response.output_text.delta", {"delta": "He"}),
        ("response.output_text.delta", {"delta": ""}),
        ("response.output_text.delta", {"delta": "re."}),
        ("response.completed", {"response": last}),
    ) == [TextDelta("He"), TextDelta("re."), ReplyDone(decode_reply(last, "req_1"))]


def test_a_stream_without_event_names_is_read_by_its_types() -> None:
    """Some gateways drop the names."""
    assert feed(("", {"type": "response.output_text.delta", "delta": "Hi"})) == [TextDelta("Hi")]


def test_a_last_event_without_output_is_completed_from_the_stream() -> None:
    """Some gateways do not repeat what they have sent."""
    [done] = feed(
        ("response.output_item.done", {"item": said("Here.")}),
        ("response.completed", {"response": {"status": "completed", "output": []}}),
    )
    assert isinstance(done, ReplyDone)
    assert done.reply.text == "Here."


@pytest.mark.parametrize(
    "payload",
    [
        {"code": "rate_limit_exceeded", "message": "Slow down."},
        {"error": {"code": "rate_limit_exceeded", "message": "Slow down."}},
    ],
)
def test_an_error_event_is_an_error_in_either_shape(payload: object) -> None:
    """The API sends it flat, its gateways nested."""
    with pytest.raises(PlatformError) as caught:
        feed(("error", payload))
    assert caught.value.kind is ErrorKind.RATE_LIMITED
    assert caught.value.detail == "rate_limit_exceeded: Slow down."


def test_images_are_looked_at_in_a_detail_whose_cost_has_an_end() -> None:
    """Left to itself, a model may bill a photograph at its full size."""
    images = (Image("image/png", data="iVBORw0KGgo="), Image(None, url="https://example.com/a"))
    request = ChatRequest("gpt-6-luna", (Message("user", "What is it?", images=images),))
    assert encode_request(request, stream=False)["input"] == [
        {
            "type": "message",
            "role": "user",
            "content": [
                {
                    "type": "input_image",
                    "image_url": "data:image/png;base64,iVBORw0KGgo=",
                    "detail": "high",
                },
                {"type": "input_image", "image_url": "https://example.com/a", "detail": "high"},
                {"type": "input_text", "text": "What is it?"},
            ],
        }
    ]
