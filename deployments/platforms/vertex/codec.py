"""Our words into those of Gemini's generateContent, and back. Pure: no client, no clock.

The model stands in the address and not in the body. `safety_id` is not sent: all Google
takes is a label, and labels are the lines of the customer's bill.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import cast

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from deployments.platforms import errors
from deployments.platforms.vendor_json import load_object, validated
from routing.exchange import STANDARD, ChatReply, ChatRequest, FinishReason, Usage
from routing.message import Json, JsonObject, Message, ProviderState, ToolCall, ToolSpec

VERTEX = "google_vertex"
# Google's own word (base64, as all bytes) for a call that its model did not make: unsigned
# calls are refused, and another platform's carry no signature of Google's.
UNSIGNED = b64encode(b"skip_thought_signature_validator").decode()
# Marks the id of a call that came without one; Google never hears of it.
MINTED = "minted_"

FINISH_REASONS = {
    "STOP": FinishReason.STOP,
    "MAX_TOKENS": FinishReason.LENGTH,
    "CONTINUATION": FinishReason.LENGTH,
    "SAFETY": FinishReason.CONTENT_FILTER,
    "PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "BLOCKLIST": FinishReason.CONTENT_FILTER,
    "SPII": FinishReason.CONTENT_FILTER,
    "RECITATION": FinishReason.CONTENT_FILTER,
    "IMAGE_SAFETY": FinishReason.CONTENT_FILTER,
    "IMAGE_PROHIBITED_CONTENT": FinishReason.CONTENT_FILTER,
    "IMAGE_RECITATION": FinishReason.CONTENT_FILTER,
}
# The model's own mistakes: asked again, it mostly does better.
_FAILURES = frozenset(
    {
        "",
        "FINISH_REASON_UNSPECIFIED",
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "LANGUAGE",
        "OTHER",
        "NO_IMAGE",
        "IMAGE_OTHER",
    }
)
_TIERS = {
    "ON_DEMAND": STANDARD,
    "TRAFFIC_TYPE_UNSPECIFIED": STANDARD,
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_PRIORITY": "priority",
}
# Parts that our own words can say again; any other must come back as it was.
_NEUTRAL_PARTS = (frozenset({"text"}), frozenset({"functionCall"}))


def encode_request(request: ChatRequest) -> dict[str, Json]:
    """The body of `:generateContent` and of `:streamGenerateContent`."""
    body: dict[str, Json] = {"contents": _contents(request.messages)}
    if request.system:
        body["systemInstruction"] = {"parts": [{"text": request.system}], "role": "user"}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in request.tools]}]
        mode = _mode(request)
        if mode:
            body["toolConfig"] = {"functionCallingConfig": {"mode": mode}}
    body["generationConfig"] = _generation_config(request)
    return body


def _generation_config(request: ChatRequest) -> JsonObject:
    config: dict[str, Json] = {"maxOutputTokens": request.max_tokens}
    if request.temperature is not None:
        config["temperature"] = request.temperature
    if request.response_schema:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = request.response_schema.schema
    return config


def _declaration(tool: ToolSpec) -> JsonObject:
    return {
        "name": tool.name,
        "description": tool.description,
        "parametersJsonSchema": tool.parameters,
    }


def _mode(request: ChatRequest) -> str | None:
    match request.tool_choice:
        case "none":
            return "NONE"
        case "required":
            return "ANY"
        case "auto":
            # The one mode which lets the model choose and holds it to the schema; AUTO does not.
            return "VALIDATED" if any(tool.strict for tool in request.tools) else None


def _contents(messages: Sequence[Message]) -> list[Json]:
    """Neighbours of one role are one turn; all results of a turn's calls follow it on their own."""
    contents: list[Json] = []
    names: dict[str, str] = {}
    for role, neighbours in groupby(messages, key=lambda message: message.role):
        turn = tuple(neighbours)
        if role == "assistant":
            names |= {call.id: call.name for message in turn for call in message.tool_calls}
            turns = [("model", [part for message in turn for part in _said(message)])]
        else:
            turns = [("user", list(_results(turn, names))), ("user", list(_asked(turn)))]
        contents += [{"role": name, "parts": parts} for name, parts in turns if parts]
    return contents


def _asked(turn: Sequence[Message]) -> Iterator[JsonObject]:
    for message in turn:
        for image in message.images:
            if image.url:
                yield {"fileData": {"mimeType": image.media_type, "fileUri": image.url}}
            else:
                yield {"inlineData": {"mimeType": image.media_type, "data": image.data}}
        if message.text.strip():  # an empty text is refused
            yield {"text": message.text}


def _results(turn: Sequence[Message], names: Mapping[str, str]) -> Iterator[JsonObject]:
    for result in (result for message in turn for result in message.tool_results):
        name = names.get(result.call_id, result.call_id)
        said = {"error" if result.is_error else "output": result.content}
        yield {"functionResponse": {**_id(result.call_id), "name": name, "response": said}}


def _said(message: Message) -> Iterator[JsonObject]:
    state = message.provider_state
    if state is not None and state.platform == VERTEX:
        yield from state.items
        return
    yield from _asked((message,))
    for index, call in enumerate(message.tool_calls):
        said = {"functionCall": {**_id(call.id), "name": call.name, "args": call.arguments}}
        yield said if index else {**said, "thoughtSignature": UNSIGNED}  # the first stands for all


def _id(call_id: str) -> dict[str, Json]:
    return {} if call_id.startswith(MINTED) else {"id": call_id}


class _Wire(BaseModel):
    # Agents write the names of the fields in Python's manner.
    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_alias=True, validate_by_name=True
    )


class UsageMetadata(_Wire):
    """The tokens Google counted."""

    prompt_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    cached_content_token_count: int | None = None
    candidates_token_count: int | None = None
    thoughts_token_count: int | None = None
    traffic_type: str | None = None

    def neutral(self) -> Usage:
        """Google's prompt includes what was cached, like ours; its candidates exclude thoughts."""
        thoughts = self.thoughts_token_count or 0
        return Usage(
            input_tokens=(self.prompt_token_count or 0) + (self.tool_use_prompt_token_count or 0),
            cached_tokens=self.cached_content_token_count or 0,
            output_tokens=(self.candidates_token_count or 0) + thoughts,
            reasoning_tokens=thoughts,
        )

    @property
    def tier(self) -> str:
        """The kind of traffic, where it is not pay-as-you-go at the list price."""
        said = self.traffic_type or "ON_DEMAND"
        return _TIERS.get(said, said.lower())


class _Content(_Wire):
    parts: list[dict[str, object]] | None = None


class _Candidate(_Wire):
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None

    @property
    def parts(self) -> list[JsonObject]:
        """What was said; a filtered candidate may have nothing."""
        return cast("list[JsonObject]", (self.content and self.content.parts) or [])


class _PromptFeedback(_Wire):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _Response(_Wire):
    candidates: list[_Candidate] = []
    prompt_feedback: _PromptFeedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str = ""
    response_id: str | None = None


class _Text(_Wire):
    text: str = ""
    thought: bool = False


class _FunctionCall(_Wire):
    name: str
    args: dict[str, object] | None = None
    id: str | None = None


def decode_reply(raw: bytes | JsonObject, request_id: str | None = None) -> ChatReply:
    """The reply in a GenerateContentResponse; its own id is preferred to the header's.

    Raises:
        PlatformError: It is not what the API promises, or ends for a reason that is no answer.
    """
    value = load_object(VERTEX, raw) if isinstance(raw, bytes) else raw
    response = validated(VERTEX, _Response, value)
    metadata = response.usage_metadata or UsageMetadata()
    usage, service_tier = metadata.neutral(), metadata.tier
    request_id = response.response_id or request_id
    if not response.candidates:
        text = _why_blocked(response.prompt_feedback)
        reason = FinishReason.CONTENT_FILTER
        return ChatReply(
            text,
            reason,
            usage,
            response.model_version,
            request_id=request_id,
            service_tier=service_tier,
        )
    candidate = response.candidates[0]
    calls = _calls(candidate.parts, response.response_id or "")
    reason = _finish_reason(candidate, has_calls=bool(calls))
    text = "".join(map(text_of, candidate.parts))
    if reason is FinishReason.CONTENT_FILTER:
        text = text or candidate.finish_message or ""
    is_whole = reason in (FinishReason.STOP, FinishReason.TOOL_CALLS)
    return ChatReply(
        text=text,
        finish_reason=reason,
        usage=usage,
        model=response.model_version,
        tool_calls=calls if is_whole else (),
        request_id=request_id,
        provider_state=_state(candidate.parts) if is_whole else None,
        service_tier=service_tier,
    )


def _why_blocked(feedback: _PromptFeedback | None) -> str:
    """What is said of a prompt that was not let through to the model."""
    if feedback is None or not feedback.block_reason:
        raise errors.bad_reply(VERTEX, "neither a candidate nor a reason why there is none")
    return feedback.block_reason_message or ""


def text_of(part: JsonObject) -> str:
    """The words of a part, if they are for the user: a thought is not."""
    if "text" not in part:
        return ""
    found = validated(VERTEX, _Text, part)
    return "" if found.thought else found.text


def _calls(parts: Sequence[JsonObject], response_id: str) -> tuple[ToolCall, ...]:
    called = [
        validated(VERTEX, _FunctionCall, part["functionCall"])
        for part in parts
        if "functionCall" in part
    ]
    return tuple(
        ToolCall(
            call.id or f"{MINTED}{response_id}_{index}",
            call.name,
            cast("JsonObject", call.args or {}),
        )
        for index, call in enumerate(called)
    )


def _finish_reason(candidate: _Candidate, *, has_calls: bool) -> FinishReason:
    said = candidate.finish_reason or ""
    reason = FINISH_REASONS.get(said)
    if reason is FinishReason.STOP:  # there is no word of its own for calls
        return FinishReason.TOOL_CALLS if has_calls else FinishReason.STOP
    if reason is not None:
        return reason
    if has_calls and said not in _FAILURES:  # other servers say FUNCTION_CALL
        return FinishReason.TOOL_CALLS
    detail = f"{said or 'no end of a candidate'}: {candidate.finish_message or 'no answer'}"
    raise errors.bad_reply(VERTEX, detail)


def _state(parts: Sequence[JsonObject]) -> ProviderState | None:
    """The turn verbatim where there is more to it than its words: signatures must come back."""
    if all(part.keys() in _NEUTRAL_PARTS for part in parts):
        return None
    # An empty text is sometimes said, and never accepted back.
    return ProviderState(VERTEX, tuple(part for part in parts if part != {"text": ""}))
