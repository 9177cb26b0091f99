"""The body of `POST /v1/messages`: the documented fields, in pydantic's words as Anthropic's own.

What one message must say about another is in `anthropic_turns.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import ConfigDict, Field, ValidationError, field_validator

from deployments.simulators.anthropic_errors import AnthropicWireError
from deployments.simulators.anthropic_image import AnthropicWire, CacheControl, ImageBlock
from deployments.simulators.schema import JsonObject, strict_violations

Json: TypeAlias = dict[str, object]


class TextBlock(AnthropicWire):
    """Words."""

    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None
    citations: list[object] | None = None


class AttachmentBlock(AnthropicWire):
    """A document: accepted, not looked at."""

    model_config = ConfigDict(extra="allow")

    type: Literal["document", "search_result"]
    cache_control: CacheControl | None = None


class ThinkingBlock(AnthropicWire):
    """Thinking the model is to be reminded of."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinkingBlock(AnthropicWire):
    """Thinking which only the model may read."""

    type: Literal["redacted_thinking"]
    data: str


class ToolUseBlock(AnthropicWire):
    """A call the model made earlier."""

    type: Literal["tool_use"]
    id: str = Field(pattern=r"^[a-zA-Z0-9_-]+$")
    name: str
    input: Json
    cache_control: CacheControl | None = None
    caller: Json | None = None
    toolset_name: str | None = None


ResultPart: TypeAlias = Annotated[
    TextBlock | ImageBlock | AttachmentBlock, Field(discriminator="type")
]


class ToolResultBlock(AnthropicWire):
    """What a call returned."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: list[ResultPart] = Field(default_factory=list)
    is_error: bool | None = None
    cache_control: CacheControl | None = None
    toolset_name: str | None = None

    @field_validator("content", mode="before")
    @classmethod
    def _expand_plain_text(cls, value: object) -> object:
        return _as_blocks(value)

    @property
    def text(self) -> str:
        """The words of the result."""
        return "\n".join(part.text for part in self.content if isinstance(part, TextBlock))


Block: TypeAlias = Annotated[
    TextBlock
    | ImageBlock
    | AttachmentBlock
    | ThinkingBlock
    | RedactedThinkingBlock
    | ToolUseBlock
    | ToolResultBlock,
    Field(discriminator="type"),
]


class Message(AnthropicWire):
    """A turn of the conversation."""

    role: Literal["user", "assistant"]
    content: list[Block]

    @field_validator("content", mode="before")
    @classmethod
    def _expand_plain_text(cls, value: object) -> object:
        return _as_blocks(value)

    @property
    def text(self) -> str:
        """The words of the message."""
        return "\n".join(block.text for block in self.content if isinstance(block, TextBlock))


class Tool(AnthropicWire):
    """A tool of the caller."""

    type: Literal["custom"] | None = None
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")
    input_schema: Json
    description: str | None = None
    strict: bool | None = None
    cache_control: CacheControl | None = None
    allowed_callers: list[str] | None = None
    defer_loading: bool | None = None
    eager_input_streaming: bool | None = None
    input_examples: list[Json] | None = None


class ToolChoice(AnthropicWire):
    """Whether and which tool to use."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Thinking(AnthropicWire):
    """How much to think."""

    type: Literal["enabled", "adaptive", "disabled", "between_tools"]
    budget_tokens: int | None = Field(default=None, ge=1024)
    display: Literal["summarized", "omitted"] | None = None


class OutputFormat(AnthropicWire):
    """The schema the answer's text must fit."""

    type: Literal["json_schema"]
    json_schema: Json = Field(alias="schema")


class OutputConfig(AnthropicWire):
    """How the answer is written."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class Metadata(AnthropicWire):
    """Whom the request is for."""

    user_id: str | None = Field(default=None, max_length=256)


class MessagesRequest(AnthropicWire):
    """What a caller asks of the Messages API; the sampling fields are the old API version's."""

    model: str
    max_tokens: int = Field(ge=0)
    messages: list[Message]
    system: list[TextBlock] = Field(default_factory=list)
    tools: list[Tool] = Field(default_factory=list)
    tool_choice: ToolChoice | None = None
    output_config: OutputConfig = OutputConfig()
    thinking: Thinking | None = None
    stop_sequences: list[str] = Field(default_factory=list)
    stream: bool | None = None
    metadata: Metadata | None = None
    cache_control: CacheControl | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    speed: Literal["standard", "fast"] | None = None
    inference_geo: str | None = None
    container: str | Json | None = None
    diagnostics: Json | None = None
    user_profile_id: str | None = None
    workspace_id: str | None = None
    temperature: float | None = Field(default=None, ge=0, le=1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=0)

    @field_validator("system", mode="before")
    @classmethod
    def _expand_plain_text(cls, value: object) -> object:
        return _as_blocks(value)


def parse_request(body: object) -> MessagesRequest:
    """Parse a body, or refuse it as Anthropic would.

    Raises:
        AnthropicWireError: The body is not a request Anthropic would answer.
    """
    if not isinstance(body, Mapping):
        raise AnthropicWireError(400, "The request body is not a JSON object.")
    try:
        request = MessagesRequest.model_validate(body)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        path = ".".join(map(str, problem["loc"]))
        raise AnthropicWireError(400, f"{path}: {problem['msg']}") from error
    _check_schemas(request)
    _check_choice(request)
    return request


def _check_schemas(request: MessagesRequest) -> None:
    form = request.output_config.format
    if form is not None:
        _check_closed(form.json_schema, "output_config.format.schema")
    for index, tool in enumerate(request.tools):
        if tool.strict:
            _check_closed(tool.input_schema, f"tools.{index}.custom.input_schema")


def _check_closed(schema: JsonObject, path: str) -> None:
    if any(violation.missing is None for violation in strict_violations(schema)):
        raise AnthropicWireError(
            400,
            f"{path}: For 'object' type, 'additionalProperties' must be explicitly set to false",
        )


def _check_choice(request: MessagesRequest) -> None:
    names = {tool.name for tool in request.tools}
    match request.tool_choice:
        case ToolChoice(type="tool", name=name) if name not in names:
            raise AnthropicWireError(400, f"tool_choice.tool.name: Tool '{name}' not found")
        case ToolChoice(type="any") if not names:
            raise AnthropicWireError(400, "tool_choice.any may only be specified with tools")
    budget = request.thinking.budget_tokens if request.thinking else None
    if budget is not None and budget >= request.max_tokens:
        raise AnthropicWireError(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")


def _as_blocks(value: object) -> object:
    return [{"type": "text", "text": value}] if isinstance(value, str) else value
