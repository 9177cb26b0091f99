"""A Messages answer: the message, and the events which stream it.

Pure, and the stream is derived from the finished message, so the two can never disagree.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import orjson

from deployments.simulators.anthropic_errors import error_body
from deployments.simulators.anthropic_request import MessagesRequest
from deployments.simulators.anthropic_turns import sign
from deployments.simulators.exchange import mint
from deployments.simulators.faults import ErrorEvent
from deployments.simulators.frames import Event, place_after
from deployments.simulators.reply import Reply, split_arguments, split_text
from deployments.simulators.schema import JsonObject, as_list, as_object

Json: TypeAlias = dict[str, object]

THOUGHT = "The passages in the system prompt are all I know; I look for the ones which answer this."

_STOP_REASONS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "refusal": "refusal",
}


@dataclass(frozen=True, slots=True)
class AnthropicUsage:
    """The tokens of an answer; cached ones are not part of the input, as Anthropic counts."""

    input_tokens: int
    output_tokens: int
    cache_creation_tokens: int = 0
    cache_read_tokens: int = 0

    def as_json(self) -> Json:
        """Return the usage as the wire carries it."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cache_creation_input_tokens": self.cache_creation_tokens,
            "cache_read_input_tokens": self.cache_read_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_creation_tokens,
                "ephemeral_1h_input_tokens": 0,
            },
            "service_tier": "standard",
        }


def build_message(
    request: MessagesRequest, reply: Reply, usage: AnthropicUsage, *, message_id: str
) -> Json:
    """Return the finished message; an honest answer ends at the first stop sequence it says."""
    text, stopped_by = _until_stop(reply.text, request.stop_sequences)
    is_refusal = reply.stop == "refusal"
    content: list[Json] = []
    if request.thinking is not None and request.thinking.type in ("enabled", "adaptive"):
        content.append(_thinking(is_shown=request.thinking.display != "omitted"))
    if text and not is_refusal:
        content.append({"type": "text", "text": text})
    content += [
        {"type": "tool_use", "id": mint("toolu_"), "name": call.name, "input": call.arguments}
        for call in reply.calls
    ]
    return {
        "id": message_id,
        "type": "message",
        "role": "assistant",
        "model": request.model,
        # What a refusal says is an explanation; its content is empty.
        "content": [] if is_refusal else content,
        "stop_reason": "stop_sequence" if stopped_by else _STOP_REASONS[reply.stop],
        "stop_sequence": stopped_by,
        "stop_details": (
            {"type": "refusal", "category": "general_harms", "explanation": reply.text}
            if is_refusal
            else None
        ),
        "usage": usage.as_json(),
    }


def stream_message(message: Json, reply: Reply, fault: ErrorEvent | None = None) -> list[Event]:
    """Return the events of a message, in the documented order."""
    events = [
        Event(event.name, {"type": event.name, **event.payload}, event.is_chunk)
        for event in _events(message, reply)
    ]
    if fault is None:
        return events
    body = error_body(fault.code or "overloaded_error", fault.message or "Overloaded", mint("req_"))
    return [*events[: place_after(fault.after_chunks, events)], Event("error", body)]


def _until_stop(text: str, sequences: list[str]) -> tuple[str, str | None]:
    places = [(text.find(sequence), sequence) for sequence in sequences if sequence in text]
    if not places:
        return text, None
    place, sequence = min(places)
    return text[:place], sequence


def _thinking(*, is_shown: bool) -> Json:
    thinking = THOUGHT if is_shown else ""
    return {"type": "thinking", "thinking": thinking, "signature": sign(thinking)}


def _events(message: Json, reply: Reply) -> Iterator[Event]:
    usage = as_object(message["usage"])
    begun = {
        **message,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "usage": {**usage, "output_tokens": 1},
    }
    yield Event("message_start", {"message": begun})
    for index, block in enumerate(map(as_object, as_list(message["content"]))):
        yield Event("content_block_start", {"index": index, "content_block": _begun(block)})
        if index == 0:
            yield Event("ping", {})
        for delta in _deltas(block, reply):
            yield replace(delta, payload={"index": index, **delta.payload})
        yield Event("content_block_stop", {"index": index})
    ending = {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")}
    cumulative = {
        name: usage[name]
        for name in (
            "input_tokens",
            "output_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
        )
    }
    yield Event("message_delta", {"delta": ending, "usage": cumulative})
    yield Event("message_stop", {})


def _begun(block: JsonObject) -> Json:
    match block["type"]:
        case "tool_use":
            return {**block, "input": {}}
        case "thinking":
            return {**block, "thinking": "", "signature": ""}
        case "mcp_tool_use":
            return {**block, "input": {}}
        case "mcp_tool_result":
            return dict(block)
        case _:
            return {**block, "text": ""}


def _deltas(block: JsonObject, reply: Reply) -> Iterator[Event]:
    match block["type"]:
        case "mcp_tool_result":
            return
        case "tool_use" | "mcp_tool_use":
            arguments = orjson.dumps(block["input"]).decode()
            # Anthropic opens every tool_use with an empty fragment.
            for fragment in ("", *split_arguments(arguments)):
                yield _delta("input_json_delta", "partial_json", fragment, is_chunk=True)
        case "thinking":
            yield _delta("thinking_delta", "thinking", str(block["thinking"]))
            yield _delta("signature_delta", "signature", str(block["signature"]))
        case _:
            for piece in split_text(str(block["text"]), reply.chunks):
                yield _delta("text_delta", "text", piece, is_chunk=True)


def _delta(kind: str, field: str, value: str, *, is_chunk: bool = False) -> Event:
    return Event("content_block_delta", {"delta": {"type": kind, field: value}}, is_chunk)
