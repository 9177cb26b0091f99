"""A Responses answer: the response object, and the events which stream it.

Pure: identifiers and times come in, JSON goes out. The stream is derived from the finished
response, so the two can never disagree.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import orjson

from deployments.simulators.exchange import mint
from deployments.simulators.faults import ErrorEvent
from deployments.simulators.frames import Event, place_after
from deployments.simulators.openai_request import ResponsesRequest
from deployments.simulators.reply import Reply, split_arguments, split_text
from deployments.simulators.schema import as_list, as_object

Json: TypeAlias = dict[str, object]

SERVER_ERROR = "The server had an error while processing your request. Sorry about that!"

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


@dataclass(frozen=True, slots=True)
class OpenAIUsage:
    """The tokens of an answer; cached and written ones are part of the input, as OpenAI counts."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0

    def as_json(self) -> Json:
        """Return the usage as the wire carries it."""
        return {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {
                "cached_tokens": self.cached_tokens,
                "cache_write_tokens": self.cache_write_tokens,
            },
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
            "total_tokens": self.input_tokens + self.output_tokens,
        }


def build_response(
    request: ResponsesRequest,
    reply: Reply,
    usage: OpenAIUsage,
    *,
    response_id: str,
    created_at: datetime,
) -> Json:
    """Return the finished response object."""
    reason = _INCOMPLETE.get(reply.stop)
    status = "incomplete" if reason else "completed"
    second = int(created_at.timestamp())
    return {
        "id": response_id,
        "object": "response",
        "created_at": second,
        "completed_at": None if reason else second,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": _output(request, reply, status),
        "usage": usage.as_json(),
        **_echo(request),
    }


def fail(response: Json, fault: ErrorEvent) -> Json:
    """Return the response as OpenAI reports one which failed on its side."""
    error = {"code": fault.code or "server_error", "message": fault.message or SERVER_ERROR}
    return {**_begun(response), "status": "failed", "error": error}


def stream_response(response: Json, reply: Reply, fault: ErrorEvent | None = None) -> list[Event]:
    """Return the events of a response, in the documented order and numbered."""
    events = list(_events(response, reply))
    if fault is not None:
        events = [*events[: place_after(fault.after_chunks, events)], _failure(response, fault)]
    return [
        Event(
            event.name,
            {"type": event.name, "sequence_number": number, **event.payload},
            event.is_chunk,
        )
        for number, event in enumerate(events)
    ]


def _echo(request: ResponsesRequest) -> Json:
    """Return what a response repeats of its request, with OpenAI's defaults filled in."""
    reasoning = request.reasoning
    choice = request.tool_choice
    return {
        "model": request.model,
        "conversation": request.conversation_id and {"id": request.conversation_id},
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "metadata": request.metadata or {},
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {
            "effort": reasoning.effort if reasoning else None,
            "summary": reasoning.summary if reasoning else None,
        },
        "safety_identifier": request.safety_identifier,
        "service_tier": _tier(request.service_tier),
        "store": request.store is not False,
        "temperature": 1.0 if request.temperature is None else request.temperature,
        "text": {
            "format": request.text.format.model_dump(by_alias=True, exclude_none=True),
            "verbosity": request.text.verbosity or "medium",
        },
        "tool_choice": choice if isinstance(choice, str) else choice.model_dump(),
        "tools": [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.parameters,
                "strict": tool.strict is not False,
            }
            for tool in request.tools
        ],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1.0 if request.top_p is None else request.top_p,
        "truncation": request.truncation or "disabled",
        "user": request.user,
    }


def _tier(asked: str | None) -> str:
    match asked:
        case None | "auto":
            return "default"
        case "fast":
            return "priority"
        case _:
            return asked


def _output(request: ResponsesRequest, reply: Reply, status: str) -> list[Json]:
    items: list[Json] = []
    if "reasoning.encrypted_content" in (request.include or ()):
        sealed = hashlib.sha256(reply.text.encode()).digest()
        items.append(
            {
                "id": mint("rs_"),
                "type": "reasoning",
                "summary": [],
                "encrypted_content": base64.urlsafe_b64encode(sealed).decode(),
            }
        )
    if reply.calls:
        return items + [
            {
                "id": mint("fc_"),
                "type": "function_call",
                "status": "completed",
                "call_id": mint("call_"),
                "name": call.name,
                "arguments": orjson.dumps(call.arguments).decode(),
            }
            for call in reply.calls
        ]
    part: Json = (
        {"type": "refusal", "refusal": reply.text}
        if reply.stop == "refusal"
        else {"type": "output_text", "annotations": [], "logprobs": [], "text": reply.text}
    )
    message: Json = {"id": mint("msg_"), "type": "message", "role": "assistant", "status": status}
    return [*items, {**message, "content": [part]}]


def _begun(response: Json) -> Json:
    return {
        **response,
        "status": "in_progress",
        "completed_at": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }


def _events(response: Json, reply: Reply) -> Iterator[Event]:
    yield Event("response.created", {"response": _begun(response)})
    yield Event("response.in_progress", {"response": _begun(response)})
    for index, item in enumerate(map(as_object, as_list(response["output"]))):
        match item["type"]:
            case "message":
                yield from _message_events(dict(item), index, split_text(reply.text, reply.chunks))
            case "function_call":
                yield from _call_events(dict(item), index)
            case _:
                yield Event("response.output_item.added", {"output_index": index, "item": item})
                yield Event("response.output_item.done", {"output_index": index, "item": item})
    yield Event(f"response.{response['status']}", {"response": response})


def _message_events(item: Json, index: int, deltas: Sequence[str]) -> Iterator[Event]:
    begun = {**item, "status": "in_progress", "content": []}
    yield Event("response.output_item.added", {"output_index": index, "item": begun})
    [part] = map(as_object, as_list(item["content"]))
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    says = "refusal" if part["type"] == "refusal" else "text"
    kind = "refusal" if says == "refusal" else "output_text"
    extra: Json = {} if says == "refusal" else {"logprobs": []}
    yield Event("response.content_part.added", {**place, "part": {**part, says: ""}})
    for delta in deltas:
        yield Event(f"response.{kind}.delta", {**place, "delta": delta, **extra}, is_chunk=True)
    yield Event(f"response.{kind}.done", {**place, says: part[says], **extra})
    yield Event("response.content_part.done", {**place, "part": part})
    yield Event("response.output_item.done", {"output_index": index, "item": item})


def _call_events(item: Json, index: int) -> Iterator[Event]:
    begun = {**item, "status": "in_progress", "arguments": ""}
    yield Event("response.output_item.added", {"output_index": index, "item": begun})
    arguments = str(item["arguments"])
    place = {"item_id": item["id"], "output_index": index}
    for delta in split_arguments(arguments):
        name = "response.function_call_arguments.delta"
        yield Event(name, {**place, "delta": delta}, is_chunk=True)
    yield Event("response.function_call_arguments.done", {**place, "arguments": arguments})
    yield Event("response.output_item.done", {"output_index": index, "item": item})


def _failure(response: Json, fault: ErrorEvent) -> Event:
    failed = fail(response, fault)
    if fault.event == "failed":
        return Event("response.failed", {"response": failed})
    return Event("error", {**as_object(failed["error"]), "param": None})
