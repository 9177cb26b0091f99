"""POST /v1/chat/completions: OpenAI's chat completions into our words and back. Pure.

System and developer messages are gathered into one system prompt, wherever they stand:
not every platform takes them in the middle. A refusal that was streamed before it was known
to be one stands in `content` and, at the end, in `refusal`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import orjson
from typing_extensions import override

from deployments.ingress import openai_errors
from deployments.ingress.dialect import Dialect, Stamp, Wanted, Writer
from deployments.ingress.openai_chat_schema import (
    ChatAllowed,
    ChatCompletionsBody,
    ChatImagePart,
    ChatMessage,
    ChatNamedTool,
    ChatPart,
    ChatSchemaFormat,
    ChatTextPart,
)
from deployments.ingress.vendor_errors import invalid
from deployments.ingress.vendor_images import from_address
from deployments.ingress.vendor_tools import (
    NO_PARAMETERS,
    arguments,
    asked,
    beside,
    chosen,
    turns,
)
from routing.exchange import ChatReply, ChatRequest, FinishReason, ResponseSchema, Usage
from routing.message import Image, Message, ToolCall, ToolResult, ToolSpec

_REASONS: Mapping[FinishReason, str] = {
    FinishReason.STOP: "stop",
    FinishReason.TOOL_CALLS: "tool_calls",
    FinishReason.LENGTH: "length",
    FinishReason.CONTENT_FILTER: "content_filter",
    FinishReason.REFUSAL: "stop",
    FinishReason.CONTEXT_OVERFLOW: "length",
    FinishReason.PAUSED: "length",
    FinishReason.HANDOFF: "stop",
}
_DONE = b"data: [DONE]\n\n"


class ChatCompletions(Dialect[ChatCompletionsBody]):
    """The dialect of OpenAI's chat completions."""

    @override
    def read(
        self, body: ChatCompletionsBody, max_tokens: int, tools: tuple[ToolSpec, ...] = ()
    ) -> Wanted:
        tools, choice = _tools(body, tools)
        form = body.response_format
        schema = form.json_schema if isinstance(form, ChatSchemaFormat) else None
        request = ChatRequest(
            model="",
            messages=turns(_messages(body.messages), "/messages"),
            system="\n\n".join(
                _text(message.content) for message in body.messages if _is_system(message)
            ),
            max_tokens=body.max_completion_tokens or body.max_tokens or max_tokens,
            tools=tools,
            tool_choice=choice,
            parallel_tools=body.parallel_tool_calls is not False,
            response_schema=None if schema is None else ResponseSchema(schema.name, schema.schema_),
        )
        return Wanted(body.model, request, bool(body.stream), body.safety_identifier or body.user)

    @override
    def whole(self, body: ChatCompletionsBody, stamp: Stamp, reply: ChatReply) -> dict[str, object]:
        is_refused = reply.finish_reason is FinishReason.REFUSAL
        message: dict[str, object] = {
            "role": "assistant",
            "content": None if is_refused else reply.text or None,
            "refusal": reply.text if is_refused else None,
        }
        if reply.tool_calls:
            message["tool_calls"] = [_call(call) for call in reply.tool_calls]
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": _REASONS[reply.finish_reason],
            "logprobs": None,
        }
        return {
            "id": f"chatcmpl-{stamp.id}",
            "object": "chat.completion",
            "created": stamp.created,
            "model": stamp.model,
            "choices": [choice],
            "usage": _usage(reply.usage),
        }

    @override
    def writer(self, body: ChatCompletionsBody, stamp: Stamp) -> Writer:
        options = body.stream_options
        return _Chunks(stamp, with_usage=bool(options and options.include_usage))


class _Chunks(Writer):
    """The chunks of one chat completion."""

    def __init__(self, stamp: Stamp, *, with_usage: bool) -> None:
        self._frame: dict[str, object] = {
            "id": f"chatcmpl-{stamp.id}",
            "object": "chat.completion.chunk",
            "created": stamp.created,
            "model": stamp.model,
        }
        if with_usage:
            self._frame["usage"] = None
        self._with_usage = with_usage
        self._spoke = False

    @override
    def begin(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    @override
    def text(self, more: str) -> bytes:
        self._spoke = True
        return self._chunk({"content": more})

    @override
    def end(self, reply: ChatReply) -> bytes:
        return b"".join(self._last(reply))

    @override
    def fail(self, error: Exception) -> bytes:
        return _data(openai_errors.body(error))

    def _last(self, reply: ChatReply) -> Iterator[bytes]:
        if reply.finish_reason is FinishReason.REFUSAL:
            yield self._chunk({"refusal": reply.text})
        elif reply.text and not self._spoke:
            yield self.text(reply.text)
        if reply.tool_calls:
            calls = [{"index": i, **_call(call)} for i, call in enumerate(reply.tool_calls)]
            yield self._chunk({"tool_calls": calls})
        yield self._chunk({}, _REASONS[reply.finish_reason])
        if self._with_usage:
            yield _data({**self._frame, "choices": [], "usage": _usage(reply.usage)})
        yield _DONE

    def _chunk(self, delta: Mapping[str, object], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return _data({**self._frame, "choices": [choice]})


def _is_system(message: ChatMessage) -> bool:
    return message.role in {"system", "developer"}


def _text(parts: Sequence[ChatPart] | None) -> str:
    return "\n".join(
        part.text if isinstance(part, ChatTextPart) else part.refusal
        for part in parts or ()
        if not isinstance(part, ChatImagePart)
    )


def _images(message: ChatMessage, where: str) -> Iterator[Image]:
    for place, part in enumerate(message.content or ()):
        if isinstance(part, ChatImagePart):
            if message.role != "user":
                raise invalid(f"{where}/content/{place}", "images are in a user's message")
            yield from_address(part.image_url.url, f"{where}/content/{place}/image_url/url")


def _messages(messages: Sequence[ChatMessage]) -> Iterator[Message]:
    for index, message in enumerate(messages):
        text = _text(message.content)
        where = f"/messages/{index}"
        images = tuple(_images(message, where))
        if message.tool_calls and message.role != "assistant":
            raise invalid(f"{where}/tool_calls", "only an assistant calls tools")
        match message.role:
            case "system" | "developer":
                continue
            case "user":
                yield asked(text, images, f"{where}/content")
            case "assistant":
                calls = tuple(
                    ToolCall(
                        call.id,
                        call.function.name,
                        arguments(
                            call.function.arguments, f"{where}/tool_calls/{i}/function/arguments"
                        ),
                    )
                    for i, call in enumerate(message.tool_calls or ())
                )
                yield Message("assistant", text or message.refusal or "", calls)
            case "tool":
                if message.tool_call_id is None:
                    raise invalid(f"{where}/tool_call_id", "a tool's message says which call")
                yield Message("user", tool_results=(ToolResult(message.tool_call_id, text),))


def _tools(
    body: ChatCompletionsBody, given: tuple[ToolSpec, ...]
) -> tuple[tuple[ToolSpec, ...], Literal["auto", "none", "required"]]:
    own = (
        ToolSpec(
            tool.function.name,
            tool.function.description or "",
            tool.function.parameters or NO_PARAMETERS,
            strict=tool.function.strict is True,
        )
        for tool in body.tools or ()
    )
    tools = beside(given, own)
    match body.tool_choice:
        case None:
            return tools, "auto"
        case ChatNamedTool(function=named):
            return chosen(tools, {named.name}, "/tool_choice/function/name"), "required"
        case ChatAllowed(allowed_tools=allowed):
            names = {tool.function.name for tool in allowed.tools}
            return chosen(tools, names, "/tool_choice/allowed_tools/tools"), allowed.mode
        case mode:
            if not tools:
                raise invalid("/tool_choice", "there are no tools to choose from")
            return tools, mode


def _call(call: ToolCall) -> dict[str, object]:
    function = {"name": call.name, "arguments": orjson.dumps(call.arguments).decode()}
    return {"id": call.id, "type": "function", "function": function}


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _data(value: object) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
