"""The conversation every platform understands: messages, images, tool calls, tool results.

Vendors disagree about roles and content blocks; their codecs translate. A system
prompt is not a message here: it belongs to the request (`routing.exchange`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
JsonObject: TypeAlias = Mapping[str, Json]

ImageType = Literal["image/png", "image/jpeg", "image/gif", "image/webp"]
IMAGE_TYPES: frozenset[ImageType] = frozenset(get_args(ImageType))
"""What every vendor's documentation names; each platform may take fewer."""

MAX_IMAGE_LENGTH = 5 * 1024 * 1024
"""Characters of base64: Anthropic takes 5 MB an image and measures it as it is sent; others take more."""

MAX_IMAGES = 20
"""In one request: fewer than any vendor takes (Azure 50, Anthropic 100), and with more than 20
Anthropic lowers what each may measure."""


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: its bytes in base64, or the https address at which the platform fetches it.

    Exactly one of `data` and `url` is set. SupportMax never fetches an address: a caller
    could then make it ask its own neighbours. `media_type` is None where an address does
    not tell it.
    """

    media_type: ImageType | None
    data: str = field(default="", repr=False)  # megabytes, which no log needs
    url: str = ""


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
    """One turn: text, the calls an assistant made in it, or the results a user side returns.

    `images` are a user's, and come before the text.
    """

    role: Literal["user", "assistant"]
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_results: tuple[ToolResult, ...] = ()
    provider_state: ProviderState | None = None
    images: tuple[Image, ...] = ()


def images_of(messages: Sequence[Message]) -> tuple[Image, ...]:
    """Every image of a conversation, in its order."""
    return tuple(image for message in messages for image in message.images)
