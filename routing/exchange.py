"""One call to a platform and what came back: request, reply, stream chunks, usage."""

from collections.abc import Mapping
from dataclasses import dataclass, field
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


STANDARD = "standard"
"""The service tier of calls that cost what the list says: no premium, no discount."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more calls.

    `input_tokens` includes what was read from and written to a cache;
    `output_tokens` includes reasoning. Vendors count differently: codecs adjust.
    `long_cache_write_tokens` are those of `cache_write_tokens` that the vendor keeps for the
    longer of its two times, which costs more.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    long_cache_write_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_tokens + other.cached_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.long_cache_write_tokens + other.long_cache_write_tokens,
        )


@dataclass(frozen=True, slots=True)
class ResponseSchema:
    """Structured output: the reply's text must be JSON of this schema."""

    name: str
    schema: JsonObject


@dataclass(frozen=True, slots=True)
class HostedTools:
    """Tools that a vendor may call by itself, at our address, with a token for them alone."""

    server_url: str
    token: str = field(repr=False)
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What one platform is asked, in nobody's wire format.

    `temperature` is None unless the platform's profile allows it. `safety_id` is a
    hash that stands for the end user towards the vendor, never an identity. The first
    `stable_system_chars` of `system` are the same for other questions too: a platform that
    has to be told what to cache is told this much, and the tools. `vendor_conversation` is
    None where the vendor is to store nothing; else it is the conversation the vendor keeps
    what was said before in, empty where it has yet to begin one. `thread_key` is a hash
    that stands for the customer's conversation: a platform that remembers conversations by
    itself goes on with the one it had under it, and is then told only what it has not heard.
    `hosted` is for platforms that are configured to call tools themselves; others are not told.
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
    stable_system_chars: int = 0
    vendor_conversation: str | None = None
    thread_key: str | None = None
    hosted: HostedTools | None = None


@dataclass(frozen=True, slots=True)
class Handoff:
    """The platform passes the customer on to a person: why, and what the person should know."""

    reason: str | None
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What a vendor said, at `at`, is left of our allowance; None where it did not say.

    `resets_at` is when all of it is whole again. Times are seconds since the epoch.
    """

    at: float
    remaining_requests: int | None = None
    limit_requests: int | None = None
    remaining_tokens: int | None = None
    limit_tokens: int | None = None
    resets_at: float | None = None


@dataclass(frozen=True, slots=True)
class ChatReply:
    """A whole answer of one platform.

    `service_tier` is how it was served, as far as that changes its price, in the vendor's
    word; vendors who say nothing serve everybody at the standard tier. `rate_limit` came
    with the answer and is no part of it: the same answer given twice is equal.
    `vendor_conversation` is the one the vendor added it to, None where it stored nothing.
    `handoff` says more where that is why it finished.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage
    model: str
    tool_calls: tuple[ToolCall, ...] = ()
    request_id: str | None = None
    provider_state: ProviderState | None = None
    service_tier: str = STANDARD
    rate_limit: RateLimit | None = field(default=None, compare=False)
    vendor_conversation: str | None = None
    handoff: Handoff | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class ReplyDone:
    """The stream's end; only a stream that yields it was whole. `reply.text` is the full text."""

    reply: ChatReply


ChatChunk: TypeAlias = TextDelta | ReplyDone
