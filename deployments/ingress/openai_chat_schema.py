"""The body and the answer of POST /v1/chat/completions, as OpenAI documents them."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Discriminator, Field, Tag

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


class ChatTextPart(VendorBody):
    """Text, which every platform takes."""

    type: Literal["text"]
    text: str
    prompt_cache_breakpoint: ShallowJson = None


class ChatImageUrl(VendorBody):
    """An https address, or a data: URL. Every image is looked at in the same detail."""

    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ChatImagePart(VendorBody):
    """An image of a user, for a platform with vision."""

    type: Literal["image_url"]
    image_url: ChatImageUrl
    prompt_cache_breakpoint: ShallowJson = None


class ChatRefusalPart(VendorBody):
    """What the assistant declined with."""

    type: Literal["refusal"]
    refusal: str


ChatPart: TypeAlias = Annotated[
    ChatTextPart | ChatImagePart | ChatRefusalPart, Field(discriminator="type")
]
_Parts: TypeAlias = Annotated[list[ChatPart], Field(max_length=PARTS_MAX, fail_fast=True)]
ChatContent = Annotated[_Parts, expand_text("text", str | _Parts)]


class ChatCalled(VendorBody):
    """The function of a call, its arguments as JSON text."""

    name: Name
    arguments: str


class ChatToolCall(VendorBody):
    """A call the assistant made earlier."""

    id: CallId
    type: Literal["function"]
    function: ChatCalled
    index: int | None = None


class ChatMessage(VendorBody):
    """One message. `tool_calls` are an assistant's, `tool_call_id` a tool's."""

    role: Literal["developer", "system", "user", "assistant", "tool"]
    content: ChatContent | None = None
    name: str | None = None
    refusal: str | None = None
    tool_calls: list[ChatToolCall] | None = Field(None, max_length=TOOLS_MAX)
    tool_call_id: CallId | None = None
    annotations: Refused = None
    audio: Refused = None
    function_call: Refused = None


class ChatFunction(VendorBody):
    """A function; `strict` asks for arguments of exactly that schema."""

    name: Name
    description: str | None = None
    parameters: Schema | None = None
    strict: bool | None = None


class ChatTool(VendorBody):
    """A function the model may call; OpenAI's built-in tools are not among them."""

    type: Literal["function"]
    function: ChatFunction


class ChatNamed(VendorBody):
    """The name of a function."""

    name: Name


class ChatNamedTool(VendorBody):
    """The choice of one function."""

    type: Literal["function"]
    function: ChatNamed


class ChatAllowedTools(VendorBody):
    """Some of the functions."""

    mode: Literal["auto", "required"]
    tools: list[ChatNamedTool] = Field(min_length=1, max_length=TOOLS_MAX)


class ChatAllowed(VendorBody):
    """The choice among some of the functions."""

    type: Literal["allowed_tools"]
    allowed_tools: ChatAllowedTools


def _kind_of_choice(value: object) -> str | None:
    if isinstance(value, str):
        return "mode"
    kind = value.get("type") if isinstance(value, Mapping) else getattr(value, "type", None)
    # No key of the body has these names, so that they can be told apart from keys in an error.
    return {"function": "named", "allowed_tools": "some"}.get(str(kind))


TOOL_CHOICE = Discriminator(
    _kind_of_choice,
    custom_error_type="tool_choice",
    custom_error_message="Input should be none, auto, required, a function or allowed_tools",
)
"""Tells the branches of a tool choice apart: a word, one function, or some of them."""


ChatToolChoice: TypeAlias = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("mode")]
    | Annotated[ChatNamedTool, Tag("named")]
    | Annotated[ChatAllowed, Tag("some")],
    TOOL_CHOICE,
]


class ChatJsonSchema(VendorBody):
    """The schema an answer must have; it is always held to strictly."""

    name: Name
    description: str | None = None
    schema_: Schema = Field(alias="schema")
    strict: bool | None = None


class ChatSchemaFormat(VendorBody):
    """Structured output."""

    type: Literal["json_schema"]
    json_schema: ChatJsonSchema


class ChatTextFormat(VendorBody):
    """Plain text."""

    type: Literal["text"]


ChatFormat: TypeAlias = Annotated[ChatTextFormat | ChatSchemaFormat, Field(discriminator="type")]


class ChatStreamOptions(VendorBody):
    """Whether a last chunk brings the usage."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatCompletionsBody(VendorBody):
    """What an OpenAI client asks.

    Taken and not passed on, because the platform's profile decides or it means nothing
    here: sampling (`temperature`, `top_p`, `seed`, the penalties), `reasoning_effort`,
    `verbosity`, `prediction`, the `detail` of images, prompt caching and `metadata`.
    """

    model: ModelName = Field(description="auto, auto:cost, a platform, or a configured model")
    messages: list[ChatMessage] = Field(min_length=1, max_length=10_000, fail_fast=True)
    max_completion_tokens: int | None = Field(None, ge=1, le=TOKENS_MAX)
    max_tokens: int | None = Field(None, ge=1, le=TOKENS_MAX)
    tools: list[ChatTool] | None = Field(None, max_length=TOOLS_MAX)
    tool_choice: ChatToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ChatFormat | None = None
    stream: bool | None = None
    stream_options: ChatStreamOptions | None = None
    user: str | None = None
    safety_identifier: str | None = None

    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    store: Literal[False] | None = None
    service_tier: Literal["auto", "default"] | None = None
    modalities: list[Literal["text"]] | None = Field(None, max_length=WORDS_MAX)
    audio: Refused = None
    function_call: Refused = None
    functions: Refused = None
    logit_bias: Refused = None
    moderation: Refused = None
    stop: Refused = None
    web_search_options: Refused = None

    frequency_penalty: float | None = None
    metadata: Metadata | None = None
    prediction: ShallowJson = None
    presence_penalty: float | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: ShallowJson = None
    prompt_cache_retention: str | None = None
    reasoning_effort: str | None = None
    seed: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    verbosity: str | None = None


class ChatAnswerMessage(BaseModel):
    """The assistant's message."""

    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: list[ChatToolCall] | None = None


class ChatChoice(BaseModel):
    """The one answer there is."""

    index: int
    message: ChatAnswerMessage
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]
    logprobs: None


class ChatPromptDetails(BaseModel):
    """How much of the prompt was read from a cache or written to one."""

    cached_tokens: int
    cache_write_tokens: int


class ChatCompletionDetails(BaseModel):
    """How much of the completion was reasoning."""

    reasoning_tokens: int


class ChatUsage(BaseModel):
    """Tokens of the answer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: ChatPromptDetails
    completion_tokens_details: ChatCompletionDetails


class ChatCompletionAnswer(BaseModel):
    """A whole chat completion; `model` is the one that answered."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: ChatUsage
