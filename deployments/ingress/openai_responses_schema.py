"""The body and the answer of POST /v1/responses, as OpenAI documents them."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)

from deployments.ingress.openai_chat_schema import TOOL_CHOICE
from deployments.ingress.vendor_schema import (
    PARTS_MAX,
    TOKENS_MAX,
    TOOLS_MAX,
    WORDS_MAX,
    CallId,
    Metadata,
    ModelName,
    Name,
    Refused,
    Schema,
    VendorBody,
    expand_text,
)
from deployments.nesting import ShallowJson


class ResponsesText(VendorBody):
    """Text: `input_text` from a user, `output_text` from the assistant."""

    type: Literal["input_text", "output_text"]
    text: str
    annotations: Refused = None
    logprobs: Refused = None
    prompt_cache_breakpoint: ShallowJson = None


class ResponsesImage(VendorBody):
    """An image of a user: an https address or a data: URL, looked at in one detail for all."""

    type: Literal["input_image"]
    image_url: str
    detail: Literal["auto", "low", "high", "original"] | None = None
    file_id: Refused = None
    prompt_cache_breakpoint: ShallowJson = None


class ResponsesRefusal(VendorBody):
    """What the assistant declined with."""

    type: Literal["refusal"]
    refusal: str


ResponsesPart: TypeAlias = Annotated[
    ResponsesText | ResponsesImage | ResponsesRefusal, Field(discriminator="type")
]
_Parts: TypeAlias = Annotated[list[ResponsesPart], Field(max_length=PARTS_MAX, fail_fast=True)]
ResponsesContent = Annotated[_Parts, expand_text("input_text", str | _Parts)]
_Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]


class ResponsesMessage(VendorBody):
    """A message of the conversation."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: ResponsesContent
    id: str | None = None
    phase: str | None = None
    status: _Status | None = None


class ResponsesCall(VendorBody):
    """A call the model made earlier, its arguments as JSON text."""

    type: Literal["function_call"]
    call_id: CallId
    name: Name
    arguments: str
    id: str | None = None
    status: _Status | None = None
    caller: Refused = None
    namespace: Refused = None


class ResponsesResult(VendorBody):
    """What a call returned: text."""

    type: Literal["function_call_output"]
    call_id: CallId
    output: ResponsesContent
    id: str | None = None
    name: str | None = None
    status: _Status | None = None
    caller: Refused = None
    namespace: Refused = None


class ResponsesReasoning(VendorBody):
    """Reasoning of a turn that was not answered here; passed over, as OpenAI allows."""

    type: Literal["reasoning"]
    id: str | None = None
    summary: ShallowJson = None
    content: ShallowJson = None
    encrypted_content: str | None = None
    status: _Status | None = None


def _kind_of_item(value: object) -> object:
    if isinstance(value, Mapping):
        return value.get("type", "message")
    return getattr(value, "type", None)


ResponsesItem: TypeAlias = Annotated[
    Annotated[ResponsesMessage, Tag("message")]
    | Annotated[ResponsesCall, Tag("function_call")]
    | Annotated[ResponsesResult, Tag("function_call_output")]
    | Annotated[ResponsesReasoning, Tag("reasoning")],
    Discriminator(_kind_of_item),
]


def _expand_input(value: object) -> object:
    return [{"role": "user", "content": value}] if isinstance(value, str) else value


ResponsesInput = Annotated[
    list[ResponsesItem],
    BeforeValidator(_expand_input, json_schema_input_type=str | list[ResponsesItem]),
]


class ResponsesTool(VendorBody):
    """A function the model may call; OpenAI's built-in tools are not among them."""

    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: Schema | None = None
    strict: bool | None = None
    allowed_callers: list[Literal["direct"]] | None = Field(None, max_length=WORDS_MAX)
    async_: Literal[False] | None = Field(None, alias="async")
    defer_loading: Literal[False] | None = None
    output_schema: Schema | None = None


class ResponsesNamed(VendorBody):
    """The choice of one function."""

    type: Literal["function"]
    name: Name


class ResponsesAllowed(VendorBody):
    """The choice among some of the functions."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[ResponsesNamed] = Field(min_length=1, max_length=TOOLS_MAX)


ResponsesToolChoice: TypeAlias = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("mode")]
    | Annotated[ResponsesNamed, Tag("named")]
    | Annotated[ResponsesAllowed, Tag("some")],
    TOOL_CHOICE,
]


class ResponsesSchemaFormat(VendorBody):
    """Structured output; it is always held to strictly."""

    type: Literal["json_schema"]
    name: Name
    schema_: Schema = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class ResponsesTextFormat(VendorBody):
    """Plain text."""

    type: Literal["text"]


ResponsesFormat: TypeAlias = Annotated[
    ResponsesTextFormat | ResponsesSchemaFormat, Field(discriminator="type")
]


class ResponsesTextOptions(VendorBody):
    """The shape of the text."""

    format: ResponsesFormat | None = None
    verbosity: str | None = None


class ResponsesStreamOptions(VendorBody):
    """Nothing that matters here."""

    include_obfuscation: bool | None = None


class ResponsesConversationId(VendorBody):
    """A conversation by its id."""

    id: Annotated[str, StringConstraints(min_length=1, max_length=128)]


def _expand_conversation(value: object) -> object:
    return {"id": value} if isinstance(value, str) else value


ResponsesConversation = Annotated[
    ResponsesConversationId,
    BeforeValidator(_expand_conversation, json_schema_input_type=str | ResponsesConversationId),
]


class ResponsesBody(VendorBody):
    """What an OpenAI client asks, after what its `conversation` holds, if it names one.

    Without one nothing is stored, so every request brings its whole input.

    Taken and not passed on, because the platform's profile decides or it means nothing
    here: sampling (`temperature`, `top_p`), `reasoning`, `text.verbosity`, `include`,
    `max_tool_calls`, the `detail` of images, prompt caching and `metadata`.
    """

    model: ModelName = Field(description="auto, auto:cost, a platform, or a configured model")
    input: ResponsesInput = Field(default_factory=list, max_length=10_000, fail_fast=True)
    conversation: ResponsesConversation | None = None
    instructions: str | None = None
    max_output_tokens: int | None = Field(None, ge=1, le=TOKENS_MAX)
    tools: list[ResponsesTool] | None = Field(None, max_length=TOOLS_MAX)
    tool_choice: ResponsesToolChoice | None = None
    parallel_tool_calls: bool | None = None
    text: ResponsesTextOptions | None = None
    stream: bool | None = None
    stream_options: ResponsesStreamOptions | None = None
    user: str | None = None
    safety_identifier: str | None = None

    background: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None
    store: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    truncation: Literal["disabled"] | None = None
    access_programs: Refused = None
    background_options: Refused = None
    context_management: Refused = None
    image: Refused = None
    moderation: Refused = None
    previous_response_id: Refused = None
    prompt: Refused = None

    include: list[Literal["reasoning.encrypted_content"]] | None = Field(None, max_length=WORDS_MAX)
    max_tool_calls: int | None = None
    metadata: Metadata | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: ShallowJson = None
    prompt_cache_retention: str | None = None
    reasoning: ShallowJson = None
    temperature: float | None = None
    top_p: float | None = None
