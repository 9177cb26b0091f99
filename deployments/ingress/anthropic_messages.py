"""POST /v1/messages: Anthropic's messages into our words and back. Pure.

The usage of a stream is known at its end: `message_start` says zero, `message_delta` the truth.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import orjson
from typing_extensions import override

from deployments.ingress import anthropic_errors, events
from deployments.ingress.anthropic_schema import (
    MessagesAddress,
    MessagesBody,
    MessagesImage,
    MessagesText,
    MessagesToolResult,
    MessagesToolUse,
    MessagesTurn,
)
from deployments.ingress.dialect import Dialect, Stamp, Wanted, Writer
from deployments.ingress.vendor_errors import invalid
from deployments.ingress.vendor_images import from_address, from_base64
from deployments.ingress.vendor_tools import asked, beside, chosen, turns
from routing.exchange import ChatReply, ChatRequest, FinishReason, ResponseSchema, Usage
from routing.message import Image, Message, ToolCall, ToolResult, ToolSpec

_REASONS: Mapping[FinishReason, str] = {
    FinishReason.STOP: "end_turn",
    FinishReason.TOOL_CALLS: "tool_use",
    FinishReason.LENGTH: "max_tokens",
    FinishReason.CONTENT_FILTER: "refusal",
    FinishReason.REFUSAL: "refusal",
    FinishReason.CONTEXT_OVERFLOW: "model_context_window_exceeded",
    FinishReason.PAUSED: "pause_turn",
    FinishReason.HANDOFF: "end_turn",
}
_MODES: Mapping[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "any": "required",
    "tool": "required",
    "none": "none",
}
# Anthropic's format has no name, and other platforms insist on one.
_SCHEMA_NAME = "answer"


class Messages(Dialect[MessagesBody]):
    """The dialect of Anthropic's messages."""

    @override
    def read(self, body: MessagesBody, max_tokens: int, tools: tuple[ToolSpec, ...] = ()) -> Wanted:
        tools, choice = _tools(body, tools)
        form = body.output_config and body.output_config.format
        single = body.tool_choice is not None and body.tool_choice.disable_parallel_tool_use
        system = [_text(body.system or ())]
        system += [_text(turn.content) for turn in body.messages if turn.role == "system"]
        request = ChatRequest(
            model="",
            messages=turns(_messages(body.messages), "/messages"),
            system="\n\n".join(text for text in system if text),
            max_tokens=body.max_tokens,
            tools=tools,
            tool_choice=choice,
            parallel_tools=not single,
            response_schema=ResponseSchema(_SCHEMA_NAME, form.schema_) if form else None,
            stable_system_chars=len(_stable(body)),
        )
        end_user = body.metadata.user_id if body.metadata else None
        return Wanted(body.model, request, bool(body.stream), end_user)

    @override
    def whole(self, body: MessagesBody, stamp: Stamp, reply: ChatReply) -> dict[str, object]:
        content: list[object] = [_text_block(reply.text)] if reply.text else []
        content += [_use(call, call.arguments) for call in reply.tool_calls]
        return {**_head(stamp), "content": content, **_stop(reply), "usage": _usage(reply.usage)}

    @override
    def writer(self, body: MessagesBody, stamp: Stamp) -> Writer:
        return _Events(stamp)


class _Events(Writer):
    """The events of one message; blocks come one after another and are numbered."""

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._spoke = False

    @override
    def begin(self) -> bytes:
        message = {
            **_head(self._stamp),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "usage": _usage(Usage()),
        }
        return _event("message_start", {"message": message})

    @override
    def text(self, more: str) -> bytes:
        start = b"" if self._spoke else _block_start(0, _text_block(""))
        self._spoke = True
        return start + _delta(0, {"type": "text_delta", "text": more})

    @override
    def end(self, reply: ChatReply) -> bytes:
        return b"".join(self._last(reply))

    @override
    def fail(self, error: Exception) -> bytes:
        return events.frame("error", anthropic_errors.body(error))

    def _last(self, reply: ChatReply) -> Iterator[bytes]:
        if reply.text and not self._spoke:
            yield self.text(reply.text)
        if self._spoke:
            yield _event("content_block_stop", {"index": 0})
        for index, call in enumerate(reply.tool_calls, start=int(self._spoke)):
            given = orjson.dumps(call.arguments).decode()
            yield _block_start(index, _use(call, {}))
            yield _delta(index, {"type": "input_json_delta", "partial_json": given})
            yield _event("content_block_stop", {"index": index})
        yield _event("message_delta", {"delta": _stop(reply), "usage": _usage(reply.usage)})
        yield _event("message_stop", {})


def _text(blocks: Sequence[object]) -> str:
    return "\n".join(block.text for block in blocks if isinstance(block, MessagesText))


def _stable(body: MessagesBody) -> str:
    """The beginning of the system prompt that the caller wants cached."""
    blocks = body.system or []
    if body.cache_control is not None:
        return _text(blocks)
    marked = [place for place, block in enumerate(blocks, 1) if block.cache_control is not None]
    return _text(blocks[: marked[-1]]) if marked else ""


def _image(block: MessagesImage, where: str) -> Image:
    source = block.source
    if isinstance(source, MessagesAddress):
        return from_address(source.url, f"{where}/source/url")
    return from_base64(source.media_type, source.data, f"{where}/source")


def _messages(given: Sequence[MessagesTurn]) -> Iterator[Message]:
    for index, turn in enumerate(given):
        if turn.role == "system":
            continue
        for place, block in enumerate(turn.content):
            where = f"/messages/{index}/content/{place}"
            if isinstance(block, MessagesToolResult) and turn.role != "user":
                raise invalid(where, "results are in a user's turn")
            if isinstance(block, MessagesToolUse) and turn.role != "assistant":
                raise invalid(where, "calls are in an assistant's turn")
            if isinstance(block, MessagesImage) and turn.role != "user":
                raise invalid(where, "images are in a user's turn")
        calls = tuple(
            ToolCall(b.id, b.name, b.input) for b in turn.content if isinstance(b, MessagesToolUse)
        )
        results = tuple(
            ToolResult(b.tool_use_id, _text(b.content or ()), b.is_error is True)
            for b in turn.content
            if isinstance(b, MessagesToolResult)
        )
        images = tuple(
            _image(block, f"/messages/{index}/content/{place}")
            for place, block in enumerate(turn.content)
            if isinstance(block, MessagesImage)
        )
        text = _text(turn.content)
        if turn.role == "user" and not results:
            yield asked(text, images, f"/messages/{index}/content")
        else:
            yield Message(turn.role, text, calls, results, images=images)


def _tools(
    body: MessagesBody, given: tuple[ToolSpec, ...]
) -> tuple[tuple[ToolSpec, ...], Literal["auto", "none", "required"]]:
    own = (
        ToolSpec(t.name, t.description or "", t.input_schema, strict=t.strict is True)
        for t in body.tools or ()
    )
    tools = beside(given, own)
    choice = body.tool_choice
    if choice is None:
        return tools, "auto"
    if not tools:
        raise invalid("/tool_choice", "there are no tools to choose from")
    if choice.type == "tool":
        if choice.name is None:
            raise invalid("/tool_choice/name", "say which tool")
        tools = chosen(tools, {choice.name}, "/tool_choice/name")
    return tools, _MODES[choice.type]


def _head(stamp: Stamp) -> dict[str, object]:
    return {
        "id": f"msg_{stamp.id}",
        "type": "message",
        "role": "assistant",
        "model": stamp.model,
    }


def _stop(reply: ChatReply) -> dict[str, object]:
    reason = _REASONS[reply.finish_reason]
    details = {"type": "refusal", "category": None, "explanation": None}
    return {
        "stop_reason": reason,
        "stop_sequence": None,
        "stop_details": details if reason == "refusal" else None,
    }


def _text_block(text: str) -> dict[str, object]:
    return {"type": "text", "text": text, "citations": None}


def _use(call: ToolCall, given: object) -> dict[str, object]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": given}


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def _event(name: str, data: Mapping[str, object]) -> bytes:
    return events.frame(name, {"type": name, **data})


def _block_start(index: int, block: Mapping[str, object]) -> bytes:
    return _event("content_block_start", {"index": index, "content_block": block})


def _delta(index: int, delta: Mapping[str, object]) -> bytes:
    return _event("content_block_delta", {"index": index, "delta": delta})
