"""Our words into those of OpenAI's Responses API, and back. Pure: no client, no clock.

Azure speaks the same wire under another name, hence `platform`: a provider state goes
back only to the platform that wrote it.
"""

from collections.abc import Iterator, Sequence
from typing import cast

from pydantic import BaseModel

from deployments.platforms import errors
from deployments.platforms.openai.words import WORDS, complaint_of
from deployments.platforms.sse import SseEvent
from deployments.platforms.vendor_json import (
    dump,
    kind_of,
    load_arguments,
    load_object,
    object_in,
    text_in,
    validated,
)
from routing.exchange import (
    STANDARD,
    ChatChunk,
    ChatReply,
    ChatRequest,
    FinishReason,
    ReplyDone,
    ResponseSchema,
    TextDelta,
    Usage,
)
from routing.message import Json, JsonObject, Message, ProviderState, ToolCall, ToolSpec

OPENAI = "openai"
LEAST_OUTPUT_TOKENS = 16  # the API refuses less
MAX_SAFETY_ID = 128  # characters
# Said aloud: left to itself ("auto"), a model of 2026 may read a photograph at its full size and
# bill 14,000 tokens for it. This much has a documented end, on which the promise of a cost rests.
IMAGE_DETAIL = "high"
# These do not reason, and asking for their reasoning is a 400; every later model does.
_UNREASONING = ("gpt-3", "gpt-4")

_INCOMPLETE = {
    "max_output_tokens": FinishReason.LENGTH,
    "max_messages": FinishReason.LENGTH,
    "content_filter": FinishReason.CONTENT_FILTER,
}
# "auto" stays what it is: what was asked for, and no word of what was served.
_TIERS = {"default": STANDARD, "fast": "priority"}


def encode_request(request: ChatRequest, stream: bool, platform: str = OPENAI) -> dict[str, Json]:
    """The body of `POST /responses`.

    Nothing is stored at OpenAI, unless the request names a conversation that is kept there.
    """
    body: dict[str, Json] = {
        "model": request.model,
        "input": [item for message in request.messages for item in _items(message, platform)],
        "max_output_tokens": max(request.max_tokens, LEAST_OUTPUT_TOKENS),
        "store": False,
        "stream": stream,
    }
    if request.system:
        body["instructions"] = request.system
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.safety_id:
        body["safety_identifier"] = request.safety_id[:MAX_SAFETY_ID]
    if request.response_schema:
        body["text"] = {"format": _format(request.response_schema)}
    if request.tools:
        body |= _tools(request)
    if request.vendor_conversation:
        body |= {"conversation": request.vendor_conversation, "store": True}
    return body


def _format(schema: ResponseSchema) -> JsonObject:
    return {
        "type": "json_schema",
        "name": schema.name,
        "schema": schema.schema,
        "strict": True,
    }


def _tools(request: ChatRequest) -> dict[str, Json]:
    fields: dict[str, Json] = {"tools": [_tool(tool) for tool in request.tools]}
    if request.tool_choice != "auto":
        fields["tool_choice"] = request.tool_choice
    if not request.parallel_tools:
        fields["parallel_tool_calls"] = False
    if not request.vendor_conversation and not request.model.startswith(_UNREASONING):
        # Within a tool loop the model needs its own reasoning back, and as nothing is
        # stored it has to travel with us.
        fields["include"] = ["reasoning.encrypted_content"]
    return fields


def _tool(tool: ToolSpec) -> JsonObject:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
    }


def _items(message: Message, platform: str) -> Iterator[JsonObject]:
    state = message.provider_state
    if state is not None and state.platform == platform:
        yield from state.items
        return
    for result in message.tool_results:
        # The wire has no mark for a call that failed, and the model should know.
        output = f"Error: {result.content}" if result.is_error else result.content
        yield {"type": "function_call_output", "call_id": result.call_id, "output": output}
    if message.images:
        yield {"type": "message", "role": message.role, "content": list(_seen(message))}
    elif message.text:
        yield {"type": "message", "role": message.role, "content": message.text}
    for call in message.tool_calls:
        arguments = dump(call.arguments).decode()
        yield {
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": arguments,
        }


class _CacheWriteDetails(BaseModel):
    ttl_12h_tokens: int | None = None


def _seen(message: Message) -> Iterator[JsonObject]:
    for image in message.images:
        address = image.url or f"data:{image.media_type};base64,{image.data}"
        yield {"type": "input_image", "image_url": address, "detail": IMAGE_DETAIL}
    if message.text:
        yield {"type": "input_text", "text": message.text}


class _TokenDetails(BaseModel):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: _CacheWriteDetails | None = None
    reasoning_tokens: int | None = None


class _Usage(BaseModel):
    input_tokens: int = 0
    output_tokens: int = 0
    # Typed as required by the SDK, and yet null from minimal servers.
    input_tokens_details: _TokenDetails | None = None
    output_tokens_details: _TokenDetails | None = None

    def neutral(self) -> Usage:
        """OpenAI's input includes what was cached, and its output the reasoning, like ours."""
        read, written = self.input_tokens_details, self.output_tokens_details
        kept = read and read.cache_write_tokens_details
        return Usage(
            input_tokens=self.input_tokens,
            cached_tokens=(read and read.cached_tokens) or 0,
            cache_write_tokens=(read and read.cache_write_tokens) or 0,
            output_tokens=self.output_tokens,
            reasoning_tokens=(written and written.reasoning_tokens) or 0,
            long_cache_write_tokens=(kept and kept.ttl_12h_tokens) or 0,
        )


class _IncompleteDetails(BaseModel):
    reason: str | None = None


class _Response(BaseModel):
    status: str
    output: list[dict[str, object]] = []
    model: str = ""
    usage: _Usage | None = None
    incomplete_details: _IncompleteDetails | None = None
    service_tier: str | None = None

    @property
    def tier(self) -> str:
        """How it was served, as far as that is said."""
        said = self.service_tier or "default"
        return _TIERS.get(said, said)


class _Part(BaseModel):
    type: str
    text: str = ""
    refusal: str = ""


class _Message(BaseModel):
    content: list[_Part]


class _FunctionCall(BaseModel):
    call_id: str
    name: str
    arguments: str


def decode_reply(
    raw: bytes | JsonObject, request_id: str | None = None, platform: str = OPENAI
) -> ChatReply:
    """The reply in a response object.

    Raises:
        PlatformError: The response failed, or is not what the API promises.
    """
    value = load_object(platform, raw) if isinstance(raw, bytes) else raw
    response = validated(platform, _Response, value)
    if response.status == "failed":
        raise errors.vendor_error(platform, complaint_of(object_in(value, "error")), WORDS)
    output = cast("list[JsonObject]", response.output)
    parts = [part for item in output for part in _parts(platform, item)]
    is_whole = response.status == "completed"
    calls = _calls(platform, output) if is_whole else ()
    is_refused = any(part.type == "refusal" for part in parts)
    return ChatReply(
        text="".join(part.refusal or part.text for part in parts),
        finish_reason=_finish_reason(platform, response, is_refused, bool(calls)),
        usage=response.usage.neutral() if response.usage else Usage(),
        model=response.model,
        tool_calls=calls,
        request_id=request_id,
        provider_state=_state(platform, output) if is_whole else None,
        service_tier=response.tier,
    )


def _parts(platform: str, item: JsonObject) -> list[_Part]:
    return validated(platform, _Message, item).content if item.get("type") == "message" else []


def _calls(platform: str, output: Sequence[JsonObject]) -> tuple[ToolCall, ...]:
    calls = (
        validated(platform, _FunctionCall, item)
        for item in output
        if item.get("type") == "function_call"
    )
    return tuple(
        ToolCall(call.call_id, call.name, load_arguments(platform, call.arguments))
        for call in calls
    )


def _finish_reason(
    platform: str, response: _Response, is_refused: bool, has_calls: bool
) -> FinishReason:
    if response.status == "completed":
        if has_calls:
            return FinishReason.TOOL_CALLS
        return FinishReason.REFUSAL if is_refused else FinishReason.STOP
    reason = response.incomplete_details and response.incomplete_details.reason
    if response.status == "incomplete" and reason in _INCOMPLETE:
        return _INCOMPLETE[reason]
    said = f"unknown end of a response: {response.status} ({reason})"
    raise errors.bad_reply(platform, said)


def _state(platform: str, output: Sequence[JsonObject]) -> ProviderState | None:
    """The turn verbatim, where there is more to it than its words."""
    for item in output:
        if item.get("type") == "reasoning" and not item.get("encrypted_content"):
            # A bare reference to reasoning that nobody stored is refused when it comes back,
            # and so are the calls that followed from it: better the neutral turn.
            return None
    is_plain = all(item.get("type") == "message" and not item.get("phase") for item in output)
    return None if is_plain else ProviderState(platform, tuple(output))


class StreamDecoder:
    """Decodes one stream of Responses events. Kinds of event it does not know are passed over."""

    def __init__(self, request_id: str | None = None, platform: str = OPENAI) -> None:
        self._request_id = request_id
        self._platform = platform
        self._items: list[Json] = []

    def feed(self, event: SseEvent) -> list[ChatChunk]:
        """The chunks this event amounts to; `ReplyDone` ends them.

        Raises:
            PlatformError: The event reports a failure, or is not what the API promises.
        """
        match kind_of(event):
            case "response.output_text.delta" | "response.refusal.delta":
                text = text_in(load_object(self._platform, event.data), "delta")
                return [TextDelta(text)] if text else []
            case "response.output_item.done":
                self._items.append(load_object(self._platform, event.data).get("item"))
                return []
            case "response.completed" | "response.incomplete" | "response.failed":
                return [ReplyDone(self._reply(event.data))]
            case "error":
                value = load_object(self._platform, event.data)
                said = complaint_of(object_in(value, "error") or value)
                raise errors.vendor_error(self._platform, said, WORDS)
            case _:
                return []

    def _reply(self, data: bytes) -> ChatReply:
        response = object_in(load_object(self._platform, data), "response")
        if not response.get("output"):
            # Some gateways send the last event without what they have streamed already.
            response = {**response, "output": self._items}
        return decode_reply(response, self._request_id, self._platform)
