"""One call to a platform and what came back: request, reply, stream chunks, usage."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

from routing.message import JsonObject, Message, ProviderState, ToolCall, ToolSpec


class FinishReason(StrEnum):
    """Why a platform stopped, in one vocabulary."""

    STOP = "stop"
    TOOL_CALLS = "tool_calls"
    LENGTH = "length"
    CONTENT_FILTER = "content_filter"
    REFUSAL = "refusal"
    CONTEXT_OVERFLOW = "context_overflow"
    PAUSED = "paused"
    HANDOFF = "handoff"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more calls.

    `input_tokens` includes what was read from and written to a cache;
    `output_tokens` includes reasoning. Vendors count differently: codecs adjust.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


@dataclass(frozen=True, slots=True)
class ResponseSchema:
    """Structured output: the reply's text must be JSON of this schema."""

    name: str
    schema: JsonObject


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What one platform is asked, in nobody's wire format.

    `temperature` is None unless the platform's profile allows it. `safety_id` is a
    hash that stands for the end user towards the vendor, never an identity.
    """

    model: str
    messages: tuple[Message, ...]
    system: str = ""
    max_tokens: int = 1024
    temperature: float | None = None
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: Literal["auto", "none", "required"] = "auto"
    parallel_tools: bool = True
    response_schema: ResponseSchema | None = None
    safety_id: str | None = None


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A whole answer of one platform."""

    text: str
    finish_reason: FinishReason
    usage: Usage
    model: str
    tool_calls: tuple[ToolCall, ...] = ()
    request_id: str | None = None
    provider_state: ProviderState | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """The stream's end; only a stream that yields it was whole. `reply.text` is the full text."""

    reply: ChatReply


ChatChunk: TypeAlias = TextDelta | ReplyDone
