"""The body and the answer of POST /v1/messages, as Anthropic documents them."""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field, JsonValue

from deployments.ingress.vendor_schema import (
    PARTS_MAX,
    TOKENS_MAX,
    TOOLS_MAX,
    WORDS_MAX,
    CallId,
    ModelName,
    Name,
    Refused,
    Schema,
    VendorBody,
    expand_text,
)
from deployments.nesting import ShallowJson, ShallowObject


class MessagesText(VendorBody):
    """Text, which every platform takes. `cache_control` in the system prompt marks what stays."""

    type: Literal["text"]
    text: str
    cache_control: ShallowJson = None
    citations: Refused = None


class MessagesBytes(VendorBody):
    """The bytes of an image in base64."""

    type: Literal["base64"]
    media_type: str
    data: str


class MessagesAddress(VendorBody):
    """The https address of an image."""

    type: Literal["url"]
    url: str


class MessagesImage(VendorBody):
    """An image of a user, for a platform with vision."""

    type: Literal["image"]
    source: MessagesBytes | MessagesAddress = Field(discriminator="type")
    cache_control: ShallowJson = None
    transformations: Refused = None


_Texts: TypeAlias = Annotated[list[MessagesText], Field(max_length=PARTS_MAX, fail_fast=True)]
MessagesTexts = Annotated[_Texts, expand_text("text", str | _Texts)]


class MessagesToolUse(VendorBody):
    """A call the assistant made earlier."""

    type: Literal["tool_use"]
    id: CallId
    name: Name
    input: ShallowObject
    cache_control: ShallowJson = None
    caller: ShallowJson = None
    toolset_name: Refused = None


class MessagesToolResult(VendorBody):
    """What a call returned: text."""

    type: Literal["tool_result"]
    tool_use_id: CallId
    content: MessagesTexts | None = None
    is_error: bool | None = None
    cache_control: ShallowJson = None
    toolset_name: Refused = None


class MessagesThinking(VendorBody):
    """Thinking of a turn that was not answered here; passed over, as Anthropic allows."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class MessagesRedacted(VendorBody):
    """The same where it was sealed."""

    type: Literal["redacted_thinking"]
    data: str


MessagesBlock: TypeAlias = Annotated[
    MessagesText
    | MessagesImage
    | MessagesToolUse
    | MessagesToolResult
    | MessagesThinking
    | MessagesRedacted,
    Field(discriminator="type"),
]
_Blocks: TypeAlias = Annotated[list[MessagesBlock], Field(max_length=PARTS_MAX, fail_fast=True)]
MessagesContent = Annotated[_Blocks, expand_text("text", str | _Blocks)]


class MessagesTurn(VendorBody):
    """One turn; a system turn joins the system prompt."""

    role: Literal["user", "assistant", "system"]
    content: MessagesContent


class MessagesTool(VendorBody):
    """A function the model may call; Anthropic's own tools are not among them."""

    type: Literal["custom"] | None = None
    name: Name
    description: str | None = None
    input_schema: Schema
    strict: bool | None = None
    allowed_callers: list[Literal["direct"]] | None = Field(None, max_length=WORDS_MAX)
    cache_control: ShallowJson = None
    defer_loading: Literal[False] | None = None
    eager_input_streaming: bool | None = None
    input_examples: Refused = None


class MessagesToolChoice(VendorBody):
    """Whether tools are called, or which one (`name`, where `type` is tool)."""

    type: Literal["auto", "any", "tool", "none"]
    name: Name | None = None
    disable_parallel_tool_use: bool | None = None


class MessagesFormat(VendorBody):
    """The schema an answer must have."""

    type: Literal["json_schema"]
    schema_: Schema = Field(alias="schema")


class MessagesOutput(VendorBody):
    """Structured output; `effort` is the platform's profile's to decide."""

    effort: str | None = None
    format: MessagesFormat | None = None


class MessagesMetadata(VendorBody):
    """Whom this is about; a hash of it is passed on."""

    user_id: str | None = None


class MessagesBody(VendorBody):
    """What an Anthropic client asks.

    Taken and not passed on, because the platform's profile decides or it means nothing
    here: sampling (`temperature`, `top_p`, `top_k`), `thinking`, `output_config.effort`, and
    `cache_control` outside the system prompt, where it says how much of that stays the same.
    """

    model: ModelName = Field(description="auto, auto:cost, a platform, or a configured model")
    max_tokens: int = Field(ge=1, le=TOKENS_MAX)
    messages: list[MessagesTurn] = Field(min_length=1, max_length=10_000, fail_fast=True)
    system: MessagesTexts | None = None
    tools: list[MessagesTool] | None = Field(None, max_length=TOOLS_MAX)
    tool_choice: MessagesToolChoice | None = None
    output_config: MessagesOutput | None = None
    stream: bool | None = None
    metadata: MessagesMetadata | None = None

    service_tier: Literal["auto"] | None = None
    speed: Literal["standard"] | None = None
    container: Refused = None
    diagnostics: Refused = None
    inference_geo: Refused = None
    stop_sequences: Refused = None
    user_profile_id: Refused = None
    workspace_id: Refused = None

    cache_control: ShallowJson = None
    temperature: float | None = None
    thinking: ShallowJson = None
    top_k: int | None = None
    top_p: float | None = None


class MessagesAnswerText(BaseModel):
    """Text of the answer."""

    type: Literal["text"]
    text: str
    citations: None


class MessagesAnswerCall(BaseModel):
    """A call the caller is asked to make."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, JsonValue]


class MessagesOutputDetails(BaseModel):
    """How much of the output was thinking."""

    thinking_tokens: int


class MessagesUsage(BaseModel):
    """Tokens of the answer; `input_tokens` has none that were read from or written to a cache."""

    input_tokens: int
    cache_read_input_tokens: int
    cache_creation_input_tokens: int
    output_tokens: int
    output_tokens_details: MessagesOutputDetails


class MessagesStopDetails(BaseModel):
    """Why the model declined."""

    type: Literal["refusal"]
    category: str | None
    explanation: str | None


class MessagesAnswer(BaseModel):
    """A whole message; `model` is the one that answered."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[MessagesAnswerText | MessagesAnswerCall]
    stop_reason: Literal[
        "end_turn",
        "max_tokens",
        "tool_use",
        "pause_turn",
        "refusal",
        "model_context_window_exceeded",
    ]
    stop_sequence: None
    stop_details: MessagesStopDetails | None
    usage: MessagesUsage
