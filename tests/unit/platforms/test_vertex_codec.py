"""Gemini's codec: what is sent, and what every answer comes to."""

import orjson
import pytest
from inline_snapshot import snapshot

from deployments.platforms.sse import SseEvent
from deployments.platforms.vertex.codec import UNSIGNED, decode_reply, encode_request
from deployments.platforms.vertex.stream import StreamDecoder
from deployments.platforms.vertex.words import status_error
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

K = ErrorKind
MODEL = "gemini-3.8-flash"
SCHEMA: JsonObject = {"type": "object", "properties": {}, "additionalProperties": False}
TOOL = ToolSpec("find", "Find it.", SCHEMA)
STRICT = ToolSpec("find", "Find it.", SCHEMA, strict=True)
QUESTION = Message("user", "Where is it?")
THOUGHT: JsonObject = {"text": "Hm.", "thought": True}
CALL: JsonObject = {"functionCall": {"id": "c1", "name": "find", "args": {"number": "7"}}}
SIGNED: JsonObject = {**CALL, "thoughtSignature": "c2lnbmVk"}
TEXT: JsonObject = {"text": "Here."}
USAGE: JsonObject = {
    "promptTokenCount": 90,
    "toolUsePromptTokenCount": 10,
    "cachedContentTokenCount": 60,
    "candidatesTokenCount": 10,
    "thoughtsTokenCount": 20,
    "totalTokenCount": 130,
    "trafficType": "ON_DEMAND",
}


def response(*parts: object, finish: str | None = "STOP", **more: object) -> bytes:
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": finish}
    return orjson.dumps(
        {
            "candidates": [candidate],
            "usageMetadata": USAGE,
            "modelVersion": MODEL,
            "responseId": "r1",
            **more,
        }
    )


def test_a_plain_question_asks_for_nothing_it_does_not_need() -> None:
    """The model is in the address; an end user's hash would become a line of the bill."""
    request = ChatRequest(MODEL, (QUESTION,), system="Be kind.", max_tokens=8, safety_id="0f0f")
    assert encode_request(request) == snapshot(
        {
            "contents": [{"role": "user", "parts": [{"text": "Where is it?"}]}],
            "systemInstruction": {"parts": [{"text": "Be kind."}], "role": "user"},
            "generationConfig": {"maxOutputTokens": 8},
        }
    )


def test_a_full_request_uses_every_field() -> None:
    """Schemas go as JSON Schema, not as OpenAPI's dialect of it."""
    request = ChatRequest(
        MODEL,
        (QUESTION,),
        temperature=0.0,
        tools=(TOOL,),
        tool_choice="required",
        response_schema=ResponseSchema("verdict", SCHEMA),
    )
    assert encode_request(request) == snapshot(
        {
            "contents": [{"role": "user", "parts": [{"text": "Where is it?"}]}],
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "find",
                            "description": "Find it.",
                            "parametersJsonSchema": {
                                "type": "object",
                                "properties": {},
                                "additionalProperties": False,
                            },
                        }
                    ]
                }
            ],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
            "generationConfig": {
                "maxOutputTokens": 1024,
                "temperature": 0.0,
                "responseMimeType": "application/json",
                "responseJsonSchema": {
                    "type": "object",
                    "properties": {},
                    "additionalProperties": False,
                },
            },
        }
    )


@pytest.mark.parametrize(
    ("choice", "tool", "mode"),
    [
        ("auto", TOOL, None),
        ("auto", STRICT, "VALIDATED"),
        ("required", STRICT, "ANY"),
        ("none", STRICT, "NONE"),
    ],
)
def test_the_choice_of_tools_is_said_in_googles_words(
    choice: str, tool: ToolSpec, mode: str | None
) -> None:
    """A strict tool asks for the mode that keeps to the schema."""
    request = ChatRequest(MODEL, (QUESTION,), tools=(tool,), tool_choice=choice)  # type: ignore[arg-type]
    config = encode_request(request).get("toolConfig")
    assert config == (mode and {"functionCallingConfig": {"mode": mode}})


def test_all_results_of_a_turn_follow_it_in_one_content_of_their_own() -> None:
    """Named after their calls, which the platform matches them by; the question comes after."""
    calls = (ToolCall("toolu_1", "find", {"number": "7"}), ToolCall("toolu_2", "list", {}))
    turns = (
        QUESTION,
        Message("assistant", " ", calls),
        Message("user", tool_results=(ToolResult("toolu_1", "here"),)),
        Message("user", "Well?"),
        Message("user", tool_results=(ToolResult("toolu_2", "gone", True),)),
        Message("assistant"),
    )
    assert encode_request(ChatRequest(MODEL, turns))["contents"] == snapshot(
        [
            {"role": "user", "parts": [{"text": "Where is it?"}]},
            {
                "role": "model",
                "parts": [
                    {
                        "functionCall": {
                            "id": "toolu_1",
                            "name": "find",
                            "args": {"number": "7"},
                        },
                        "thoughtSignature": "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",
                    },
                    {"functionCall": {"id": "toolu_2", "name": "list", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {
                        "functionResponse": {
                            "id": "toolu_1",
                            "name": "find",
                            "response": {"output": "here"},
                        }
                    },
                    {
                        "functionResponse": {
                            "id": "toolu_2",
                            "name": "list",
                            "response": {"error": "gone"},
                        }
                    },
                ],
            },
            {"role": "user", "parts": [{"text": "Well?"}]},
        ]
    )


def test_a_signed_turn_is_replayed_verbatim_and_to_google_alone() -> None:
    """A call without its signature is refused with a 400."""
    reply = decode_reply(response(THOUGHT, {"text": ""}, SIGNED, CALL))
    assert reply.provider_state == ProviderState("google_vertex", (THOUGHT, SIGNED, CALL))
    unsigned = [{**CALL, "thoughtSignature": UNSIGNED}, CALL]
    for platform, parts in (("google_vertex", [THOUGHT, SIGNED, CALL]), ("openai", unsigned)):
        state = ProviderState(platform, reply.provider_state.items)
        turn = Message("assistant", reply.text, reply.tool_calls, provider_state=state)
        body = encode_request(ChatRequest(MODEL, (turn,)))
        assert body["contents"] == [{"role": "model", "parts": parts}]


def test_a_call_without_an_id_gets_one_that_google_never_hears_of() -> None:
    """Ours tells two calls apart; theirs are matched by name and order."""
    bare: JsonObject = {"functionCall": {"name": "find"}}
    reply = decode_reply(response(bare, bare))
    assert reply.tool_calls == (
        ToolCall("minted_r1_0", "find", {}),
        ToolCall("minted_r1_1", "find", {}),
    )
    results = tuple(ToolResult(call.id, "here") for call in reply.tool_calls)
    turns = (Message("assistant", "", reply.tool_calls), Message("user", tool_results=results))
    body = encode_request(ChatRequest(MODEL, turns))
    assert b"minted" not in orjson.dumps(body)
    assert orjson.dumps(body).count(b'{"name":"find","response"') == 2


def test_a_reply_has_text_usage_and_model() -> None:
    """Google's output excludes thoughts, ours includes them; its own id beats the header's."""
    assert decode_reply(response(TEXT), "header") == ChatReply(
        "Here.", FinishReason.STOP, Usage(100, 60, 0, 30, 20), MODEL, request_id="r1"
    )


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        ("STOP", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("CONTINUATION", FinishReason.LENGTH),
        ("SAFETY", FinishReason.CONTENT_FILTER),
        ("PROHIBITED_CONTENT", FinishReason.CONTENT_FILTER),
        ("BLOCKLIST", FinishReason.CONTENT_FILTER),
        ("SPII", FinishReason.CONTENT_FILTER),
        ("RECITATION", FinishReason.CONTENT_FILTER),
        ("IMAGE_SAFETY", FinishReason.CONTENT_FILTER),
        ("IMAGE_PROHIBITED_CONTENT", FinishReason.CONTENT_FILTER),
        ("IMAGE_RECITATION", FinishReason.CONTENT_FILTER),
    ],
)
def test_every_finish_reason_is_known(finish: str, expected: FinishReason) -> None:
    """And only a whole answer offers calls: the last may be half a call."""
    reply = decode_reply(response(TEXT, finish=finish))
    assert (reply.finish_reason, reply.text) == (expected, "Here.")
    calls = decode_reply(response(TEXT, SIGNED, finish=finish))
    is_whole = expected is FinishReason.STOP
    assert bool(calls.tool_calls) is bool(calls.provider_state) is is_whole
    assert calls.finish_reason is (FinishReason.TOOL_CALLS if is_whole else expected)


@pytest.mark.parametrize(
    "finish",
    [
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "LANGUAGE",
        "OTHER",
        "NO_IMAGE",
        "IMAGE_OTHER",
        "FINISH_REASON_UNSPECIFIED",
    ],
)
def test_a_models_own_mistake_may_be_tried_again(finish: str) -> None:
    """It is no answer, whatever came before it."""
    candidate = {"finishReason": finish, "finishMessage": "Malformed function call: find("}
    raw = orjson.dumps({"candidates": [candidate], "usageMetadata": USAGE})
    for said in (raw, response(SIGNED, finish=finish)):
        with pytest.raises(PlatformError, match=finish) as caught:
            decode_reply(said)
        assert caught.value.kind is K.BAD_REPLY
        assert caught.value.handling.retry_same


def test_an_unknown_finish_reason_does_not_hide_a_call() -> None:
    """Gateways say FUNCTION_CALL where Google says STOP; an unknown end of words is no end."""
    assert decode_reply(response(CALL, finish="FUNCTION_CALL")).finish_reason == "tool_calls"
    with pytest.raises(PlatformError, match="SOME_NEW_REASON"):
        decode_reply(response(TEXT, finish="SOME_NEW_REASON"))


@pytest.mark.parametrize("reason", ["SAFETY", "MODEL_ARMOR", "JAILBREAK", "SOME_NEW_REASON"])
def test_a_blocked_prompt_is_filtered_and_its_reason_is_the_text(reason: str) -> None:
    """There is no candidate then, and yet a bill."""
    feedback = {"blockReason": reason, "blockReasonMessage": "Blocked."}
    value = {"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 9}}
    reply = decode_reply(orjson.dumps(value), "header")
    assert (reply.text, reply.finish_reason) == ("Blocked.", FinishReason.CONTENT_FILTER)
    assert reply.usage == Usage(9)
    assert feed(value) == [TextDelta("Blocked."), ReplyDone(reply)]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"candidates":[{}]}',
        b'{"candidates":[{"content":{"parts":[7]},"finishReason":"STOP"}]}',
        response(TEXT, finish=None),
        response({"text": 7}),
        response({"functionCall": {"args": {}}}),
        response({"functionCall": {"name": "find", "args": "{}"}}),
        response(TEXT, usageMetadata={"promptTokenCount": "many"}),
    ],
)
def test_what_is_not_as_promised_is_a_bad_reply(raw: bytes) -> None:
    """Never an exception of ours, never half an answer."""
    with pytest.raises(PlatformError) as caught:
        decode_reply(raw)
    assert caught.value.kind is K.BAD_REPLY


def feed(*payloads: object) -> list[ChatChunk]:
    decoder = StreamDecoder("header")
    return [
        chunk for payload in payloads for chunk in decoder.feed(SseEvent("", orjson.dumps(payload)))
    ]


def chunk(*parts: JsonObject, **more: str) -> JsonObject:
    return {
        "candidates": [{"content": {"role": "model", "parts": parts}, **more}],
        "usageMetadata": {"trafficType": "ON_DEMAND"},
        "modelVersion": MODEL,
        "responseId": "r1",
    }


def test_chunks_fold_back_into_the_response() -> None:
    """Thoughts and texts are joined, a signed part stays as it came, usage is the last one's."""
    chunks = feed(
        chunk({"text": "H", "thought": True}),
        chunk({"text": "m.", "thought": True}, {"text": "He"}),
        chunk({"text": "re."}),
        chunk(SIGNED),
        {**chunk({"text": ""}, finishReason="STOP"), "usageMetadata": USAGE},
    )
    whole = decode_reply(response(THOUGHT, TEXT, SIGNED))
    assert chunks == [TextDelta("He"), TextDelta("re."), ReplyDone(whole)]


def test_a_filtered_stream_says_why_when_it_has_said_nothing() -> None:
    """The content of the last chunk is empty then."""
    *texts, done = feed({"candidates": [{"finishReason": "SAFETY", "finishMessage": "Unsafe."}]})
    assert texts == [TextDelta("Unsafe.")]
    assert isinstance(done, ReplyDone)
    assert done.reply.finish_reason is FinishReason.CONTENT_FILTER


def google_says(code: int, status: str, message: str = "", *details: object) -> PlatformError:
    error = {"code": code, "status": status, "message": message, "details": details}
    return status_error("google_vertex", orjson.dumps({"error": error}), code, {})


def reason(said: str, **metadata: str) -> JsonObject:
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return {"@type": kind, "reason": said, "metadata": metadata}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (google_says(401, "UNAUTHENTICATED"), K.CREDENTIALS),
        (google_says(403, "PERMISSION_DENIED"), K.PERMISSION),
        (google_says(403, "PERMISSION_DENIED", "", reason("BILLING_DISABLED")), K.QUOTA_EXHAUSTED),
        (google_says(404, "NOT_FOUND"), K.MODEL_GONE),
        (google_says(400, "INVALID_ARGUMENT", "Unknown name"), K.INVALID_REQUEST),
        (google_says(400, "INVALID_ARGUMENT", "", reason("API_KEY_INVALID")), K.CREDENTIALS),
        (
            google_says(
                400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number (8)."
            ),
            K.CONTEXT_TOO_LONG,
        ),
        (google_says(400, "FAILED_PRECONDITION", "location is not supported"), K.PERMISSION),
        (google_says(429, "RESOURCE_EXHAUSTED"), K.RATE_LIMITED),
        (
            google_says(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota."),
            K.RATE_LIMITED,
        ),
        (
            google_says(
                429, "RESOURCE_EXHAUSTED", "", reason("RATE_LIMIT_EXCEEDED", quota_limit_value="0")
            ),
            K.QUOTA_EXHAUSTED,
        ),
        (google_says(409, "ABORTED"), K.OVERLOADED),
        (google_says(499, "CANCELLED"), K.TIMEOUT),
        (google_says(500, "INTERNAL"), K.OVERLOADED),
        (google_says(503, "UNAVAILABLE"), K.OVERLOADED),
        (google_says(504, "DEADLINE_EXCEEDED"), K.TIMEOUT),
        (status_error("google_vertex", b"<html>502", 502, {}), K.OVERLOADED),
        (status_error("google_vertex", b'[{"error":{"status":"ABORTED"}}]', 409, {}), K.OVERLOADED),
    ],
)
def test_googles_codes_are_understood(error: PlatformError, kind: ErrorKind) -> None:
    """The reason of an ErrorInfo first, then the status."""
    assert error.kind is kind


def test_googles_own_delay_is_finer_than_the_header() -> None:
    """google.rpc.RetryInfo has fractions of a second."""
    kind = "type.googleapis.com/google.rpc.RetryInfo"
    details = [{"@type": kind, "retryDelay": "1.5s"}]
    body = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": details}}
    said = status_error("google_vertex", orjson.dumps(body), 429, {"retry-after": "2"})
    assert said.retry_after_s == 1.5
    plain = status_error("google_vertex", b"{}", 429, {"retry-after": "2"})
    assert plain.retry_after_s == 2.0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("UNAVAILABLE", K.OVERLOADED),
        ("RESOURCE_EXHAUSTED", K.RATE_LIMITED),
        ("DEADLINE_EXCEEDED", K.TIMEOUT),
        ("SOME_NEW_STATUS", K.BAD_REPLY),
    ],
)
def test_an_error_in_the_stream_is_mapped_by_its_status(status: str, kind: ErrorKind) -> None:
    """The HTTP status was 200."""
    with pytest.raises(PlatformError) as caught:
        feed({"error": {"code": 503, "status": status, "message": "Not now."}})
    assert (caught.value.kind, caught.value.status) == (kind, None)


def test_an_image_is_bytes_or_an_address_with_its_media_type() -> None:
    """Each is a part of its own, before the text."""
    images = (
        Image("image/png", data="iVBORw0KGgo="),
        Image("image/webp", url="https://example.com/a.webp"),
    )
    request = ChatRequest(MODEL, (Message("user", "What is it?", images=images),))
    assert encode_request(request)["contents"] == [
        {
            "role": "user",
            "parts": [
                {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
                {"fileData": {"mimeType": "image/webp", "fileUri": "https://example.com/a.webp"}},
                {"text": "What is it?"},
            ],
        }
    ]
