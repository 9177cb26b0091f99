"""Our words into those of Anthropic's Messages API, and back. Pure: no client, no clock.

A temperature is never sent: the API version of the SDK refuses it with a 400.

Anthropic caches a prompt only as far as it is told to, tools first, then the system prompt.
What is marked is what other questions begin with too. Its automatic caching marks the last
message instead, and writes, at 1.25 times the price, passages that nobody will ask for again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

from pydantic import BaseModel

from deployments.platforms import errors
from deployments.platforms.vendor_json import dump, load_object, validated
from routing.exchange import STANDARD, ChatReply, ChatRequest, FinishReason, HostedTools, Usage
from routing.message import (
    Image,
    Json,
    JsonObject,
    Message,
    ProviderState,
    ToolCall,
    ToolSpec,
)

ANTHROPIC = "anthropic"
SERVER_NAME = "supportmax"

_STOP_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "pause_turn": FinishReason.PAUSED,
    "refusal": FinishReason.REFUSAL,
    "model_context_window_exceeded": FinishReason.CONTEXT_OVERFLOW,
}
# Tier, speed and place of calls at the list price; older models know no places.
_USUAL = frozenset({"standard", "global", "not_available"})
# 512 tokens, the least that any model caches, at four bytes each. Where a model wants more (up
# to 4,096) the mark is passed over: it costs nothing, and no error is answered.
CACHEABLE_BYTES = 2_048
# Kept for five minutes, and again with every use; an hour would be written at twice the price.
EPHEMERAL: JsonObject = {"type": "ephemeral"}
# Blocks that our own words can say again; any other must come back as it was.
_NEUTRAL_BLOCKS = frozenset({"text", "tool_use"})


def encode_request(
    request: ChatRequest, stream: bool, *, is_hosted: bool = False
) -> dict[str, Json]:
    """The body of `POST /v1/messages`.

    With `is_hosted` Anthropic calls tools itself, where the request has some for that.
    """
    hosted = request.hosted if is_hosted else None
    if hosted is not None:
        own = tuple(tool for tool in request.tools if tool.name not in hosted.names)
        request = replace(request, tools=own)
    body: dict[str, Json] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": _turns(request.messages),
        "stream": stream,
    }
    if request.system:
        body["system"] = _system(request)
    if request.safety_id:
        body["metadata"] = {"user_id": request.safety_id}
    if request.response_schema:
        form: JsonObject = {"type": "json_schema", "schema": request.response_schema.schema}
        body["output_config"] = {"format": form}
    if request.tools:
        body["tools"] = _tools(request.tools)
        choice = _tool_choice(request)
        if choice:
            body["tool_choice"] = choice
    if hosted is not None:
        body |= _hosted(hosted, cast("list[Json]", body.get("tools", [])))
    return body


def _hosted(hosted: HostedTools, own: list[Json]) -> dict[str, Json]:
    """The server, and of its tools those alone that are named."""
    server: JsonObject = {
        "type": "url",
        "name": SERVER_NAME,
        "url": hosted.server_url,
        "authorization_token": hosted.token,
    }
    toolset: JsonObject = {
        "type": "mcp_toolset",
        "mcp_server_name": SERVER_NAME,
        "default_config": {"enabled": False},
        "configs": {name: {"enabled": True} for name in hosted.names},
    }
    return {"mcp_servers": [server], "tools": [*own, toolset]}


def _system(request: ChatRequest) -> Json:
    """The system prompt, in two blocks where its beginning is worth keeping."""
    stable = request.system[: request.stable_system_chars]
    rest = request.system[request.stable_system_chars :]
    if not stable.strip() or _length(request.tools) + len(stable.encode()) < CACHEABLE_BYTES:
        return request.system
    blocks: list[Json] = [{"type": "text", "text": stable, "cache_control": EPHEMERAL}]
    # A text of nothing but white space is refused.
    return [*blocks, {"type": "text", "text": rest}] if rest.strip() else blocks


def _tools(tools: Sequence[ToolSpec]) -> list[Json]:
    *others, last = [_tool(tool) for tool in tools]
    if _length(tools) >= CACHEABLE_BYTES:
        last = {**last, "cache_control": EPHEMERAL}
    return [*others, last]


def _length(tools: Sequence[ToolSpec]) -> int:
    return sum(len(dump(_tool(tool))) for tool in tools)


def _tool(tool: ToolSpec) -> JsonObject:
    spec: dict[str, Json] = {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.parameters,
    }
    return spec | {"strict": True} if tool.strict else spec


def _tool_choice(request: ChatRequest) -> JsonObject | None:
    if request.tool_choice == "none":
        return {"type": "none"}
    kind = "any" if request.tool_choice == "required" else "auto"
    if not request.parallel_tools:
        return {"type": kind, "disable_parallel_tool_use": True}
    return None if kind == "auto" else {"type": kind}


def _turns(messages: Sequence[Message]) -> list[Json]:
    """Turns of one role after another are one turn: all results of a turn's calls must be in it."""
    turns: list[tuple[str, list[Json]]] = []
    for message in messages:
        blocks: list[Json] = list(_blocks(message))
        if not blocks:
            continue
        if turns and turns[-1][0] == message.role:
            turns[-1][1].extend(blocks)
        else:
            turns.append((message.role, blocks))
    # Results come first in a turn, or the API looks for them in vain.
    return [{"role": role, "content": sorted(blocks, key=_after_results)} for role, blocks in turns]


def _after_results(block: Json) -> bool:
    return not (isinstance(block, dict) and block["type"] == "tool_result")


def _blocks(message: Message) -> Iterator[JsonObject]:
    state = message.provider_state
    if state is not None and state.platform == ANTHROPIC:
        yield from state.items
        return
    for result in message.tool_results:
        block: dict[str, Json] = {
            "type": "tool_result",
            "tool_use_id": result.call_id,
            "content": result.content,
        }
        yield block | {"is_error": True} if result.is_error else block
    for image in message.images:
        yield {"type": "image", "source": _source(image)}
    if message.text.strip():  # a text of nothing but white space is refused
        yield {"type": "text", "text": message.text}
    for call in message.tool_calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}


def _source(image: Image) -> JsonObject:
    if image.url:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.media_type, "data": image.data}


class _OutputDetails(BaseModel):
    thinking_tokens: int | None = None


class _CacheCreation(BaseModel):
    ephemeral_1h_input_tokens: int | None = None


class _Usage(BaseModel):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int = 0
    output_tokens_details: _OutputDetails | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None

    def neutral(self) -> Usage:
        """Anthropic's input excludes what was cached; ours includes it."""
        written = self.cache_creation_input_tokens or 0
        read = self.cache_read_input_tokens or 0
        kept, details = self.cache_creation, self.output_tokens_details
        return Usage(
            input_tokens=(self.input_tokens or 0) + written + read,
            cached_tokens=read,
            cache_write_tokens=written,
            output_tokens=self.output_tokens,
            reasoning_tokens=(details and details.thinking_tokens) or 0,
            long_cache_write_tokens=(kept and kept.ephemeral_1h_input_tokens) or 0,
        )

    @property
    def tier(self) -> str:
        """Everything beside the tokens that changes the price: tier, speed and place."""
        said = (self.service_tier, self.speed, self.inference_geo)
        return "+".join(mark for mark in said if mark and mark not in _USUAL) or STANDARD


class _StopDetails(BaseModel):
    explanation: str | None = None


class _Message(BaseModel):
    content: list[dict[str, object]]
    usage: _Usage
    model: str = ""
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None


class _TextBlock(BaseModel):
    text: str


class _ToolUse(BaseModel):
    id: str
    name: str
    input: dict[str, object]


def decode_reply(raw: bytes | JsonObject, request_id: str | None = None) -> ChatReply:
    """The reply in a message object.

    Raises:
        PlatformError: It is not what the API promises, or ends for a reason we do not know.
    """
    value = load_object(ANTHROPIC, raw) if isinstance(raw, bytes) else raw
    message = validated(ANTHROPIC, _Message, value)
    reason = _STOP_REASONS.get(message.stop_reason or "")
    if reason is None:
        raise errors.bad_reply(ANTHROPIC, f"unknown end of a message: {message.stop_reason}")
    content = cast("list[JsonObject]", message.content)
    text = "".join(
        validated(ANTHROPIC, _TextBlock, block).text
        for block in content
        if block.get("type") == "text"
    )
    if not text and message.stop_details:
        text = message.stop_details.explanation or ""  # a refusal has no content of its own
    return ChatReply(
        text=text,
        finish_reason=reason,
        usage=message.usage.neutral(),
        model=message.model,
        # At any other end the last call may be half a call.
        tool_calls=_calls(content) if reason is FinishReason.TOOL_CALLS else (),
        request_id=request_id,
        provider_state=_state(content, reason),
        service_tier=message.usage.tier,
    )


def _calls(content: Sequence[JsonObject]) -> tuple[ToolCall, ...]:
    uses = (
        validated(ANTHROPIC, _ToolUse, block)
        for block in content
        if block.get("type") == "tool_use"
    )
    return tuple(ToolCall(use.id, use.name, cast("JsonObject", use.input)) for use in uses)


def _state(content: Sequence[JsonObject], reason: FinishReason) -> ProviderState | None:
    """The turn verbatim where it was whole, or paused, and holds what only Anthropic can read."""
    if reason not in (FinishReason.STOP, FinishReason.TOOL_CALLS, FinishReason.PAUSED):
        return None
    if all(block.get("type") in _NEUTRAL_BLOCKS for block in content):
        return None
    # An empty text is sometimes said, and never accepted back.
    return ProviderState(ANTHROPIC, tuple(block for block in content if block.get("text") != ""))
