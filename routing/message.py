"""The conversation every platform understands: messages, tool calls, tool results.

Vendors disagree about roles and content blocks; their codecs translate. A system
prompt is not a message here: it belongs to the request (`routing.exchange`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A function the model may ask for.

    `parameters` is a JSON Schema of type object. `strict` asks the platform to
    guarantee arguments of that shape; the schema must then list every property
    as required and allow no others.
    """

    name: str
    description: str
    parameters: JsonObject
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a function; `id` is the platform's and not portable to another."""

    id: str
    name: str
    arguments: JsonObject


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool answered to the call `call_id`: text, or JSON as text."""

    call_id: str
    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class ProviderState:
    """A platform's own assistant turn, kept verbatim to be replayed to that platform alone.

    Encrypted reasoning items (OpenAI) and signed thinking blocks (Anthropic) must
    come back unchanged; they mean nothing to anybody else.
    """

    platform: str
    items: tuple[JsonObject, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: text, the calls an assistant made in it, or the results a user side returns."""

    role: Literal["user", "assistant"]
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    provider_state: ProviderState | None = None
