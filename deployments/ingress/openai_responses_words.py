"""A response object: how it begins, the items of its output, and how it ends. Pure."""

from collections.abc import Mapping, Sequence

import orjson

from deployments.ingress.dialect import Stamp
from routing.exchange import ChatReply, FinishReason, Usage
from routing.message import ToolCall

Item = dict[str, object]

_INCOMPLETE: Mapping[FinishReason, str] = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTEXT_OVERFLOW: "max_output_tokens",
    FinishReason.PAUSED: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
}


def opened(stamp: Stamp, echo: Mapping[str, object]) -> dict[str, object]:
    """The response before anything was said."""
    return {
        "id": f"resp_{stamp.id}",
        "object": "response",
        "created_at": stamp.created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": stamp.model,
        "output": [],
        "usage": None,
        **echo,
    }


def close(
    response: Mapping[str, object], output: Sequence[Item], reply: ChatReply
) -> dict[str, object]:
    """The response with its output and its end."""
    reason = _INCOMPLETE.get(reply.finish_reason)
    return {
        **response,
        "status": status_of(reply),
        "incomplete_details": {"reason": reason} if reason else None,
        "output": list(output),
        "usage": _usage(reply.usage),
    }


def status_of(reply: ChatReply) -> str:
    """Whether the answer is all of it: `completed` or `incomplete`."""
    return "incomplete" if reply.finish_reason in _INCOMPLETE else "completed"


def items(stamp: Stamp, reply: ChatReply) -> list[Item]:
    """The output of a reply that was not streamed."""
    said: list[Item] = []
    if reply.finish_reason is FinishReason.REFUSAL:
        said = [message(stamp, status_of(reply), [refusal(reply.text)])]
    elif reply.text:
        said = [message(stamp, status_of(reply), [text(reply.text)])]
    calls = enumerate(reply.tool_calls, start=len(said))
    return said + [call_item(stamp, index, call) for index, call in calls]


def message(stamp: Stamp, status: str, content: Sequence[Item]) -> Item:
    """The item with the words of the answer; there is one at most."""
    return {
        "id": f"msg_{stamp.id}",
        "type": "message",
        "role": "assistant",
        "status": status,
        "content": list(content),
    }


def text(said: str) -> Item:
    """A part of a message: words."""
    return {"type": "output_text", "text": said, "annotations": [], "logprobs": []}


def refusal(said: str) -> Item:
    """A part of a message: words of refusal."""
    return {"type": "refusal", "refusal": said}


def call_item(stamp: Stamp, index: int, call: ToolCall) -> Item:
    """The item of a call; `index` is its place in the output."""
    return {
        "id": f"fc_{stamp.id}_{index}",
        "type": "function_call",
        "status": "completed",
        "call_id": call.id,
        "name": call.name,
        "arguments": orjson.dumps(call.arguments).decode(),
    }


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
