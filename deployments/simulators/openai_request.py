"""The body of `POST /v1/responses`: the documented fields, and what OpenAI refuses about them.

Fields which OpenAI documents and this simulator does not play are refused by name, not ignored.
"""

from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator

from deployments.simulators.openai_errors import OpenAIWireError, invalid_request
from deployments.simulators.openai_items import ITEM_TAGS, Item, Json, OpenAIWire
from deployments.simulators.schema import JsonObject, strict_violations


class FunctionTool(OpenAIWire):
    """A function the model may call."""

    type: Literal["function"]
    name: str = Field(pattern=r"^[a-zA-Z0-9_-]+$", max_length=128)
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None
    output_schema: Json | None = None
    allowed_callers: list[str] | None = None
    defer_loading: bool | None = None
    is_async: bool | None = Field(default=None, alias="async")


class NamedTool(OpenAIWire):
    """A choice of, or permission for, one function."""

    type: Literal["function"]
    name: str


class AllowedTools(OpenAIWire):
    """A choice among some of the functions."""

    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[NamedTool]


class TextFormat(OpenAIWire):
    """The shape the answer's text must have."""

    type: Literal["text", "json_object", "json_schema"]
    name: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9_-]{1,64}$")
    json_schema: Json | None = Field(default=None, alias="schema")
    description: str | None = None
    strict: bool | None = None


class TextOptions(OpenAIWire):
    """How the text is written."""

    format: TextFormat = TextFormat(type="text")
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(OpenAIWire):
    """How hard to think."""

    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None
    generate_summary: Literal["auto", "concise", "detailed"] | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None
    mode: str | None = None


class StreamOptions(OpenAIWire):
    """Options of a stream."""

    include_obfuscation: bool | None = None


class ResponsesRequest(OpenAIWire):
    """What a caller asks of the Responses API."""

    model: str
    input: list[Item] = Field(default_factory=list)
    instructions: str | None = None
    tools: list[FunctionTool] = Field(default_factory=list, max_length=128)
    tool_choice: Annotated[
        Literal["none", "auto", "required"] | NamedTool | AllowedTools, Field(union_mode="smart")
    ] = "auto"
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = Field(default=None, ge=16)
    max_tool_calls: int | None = None
    text: TextOptions = TextOptions()
    reasoning: Reasoning | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    store: bool | None = None
    include: list[str] | None = None
    metadata: dict[str, Annotated[str, Field(max_length=512)]] | None = Field(
        default=None, max_length=16
    )
    previous_response_id: str | None = None
    conversation: str | Json | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Json | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None
    safety_identifier: str | None = Field(default=None, max_length=128)
    service_tier: (
        Literal["auto", "default", "flex", "scale", "priority", "fast", "ultrafast"] | None
    ) = None
    truncation: Literal["auto", "disabled"] | None = None
    user: str | None = None
    background: object = None
    background_options: object = None
    prompt: object = None
    context_management: object = None
    moderation: object = None
    image: object = None
    access_programs: object = None

    @property
    def conversation_id(self) -> str | None:
        """The conversation that is gone on with, however it was named."""
        named = self.conversation
        return named if isinstance(named, str) or named is None else str(named.get("id"))

    @field_validator("input", mode="before")
    @classmethod
    def _expand_plain_text(cls, value: object) -> object:
        return [{"role": "user", "content": value}] if isinstance(value, str) else value


_NOT_PLAYED = (
    "background",
    "background_options",
    "prompt",
    "context_management",
    "moderation",
    "image",
    "access_programs",
)


def parse_request(body: object) -> ResponsesRequest:
    """Parse a body, or refuse it as OpenAI would.

    Raises:
        OpenAIWireError: The body is not a request OpenAI would answer.
    """
    try:
        request = ResponsesRequest.model_validate(body)
    except ValidationError as error:
        raise invalid_request(error.errors(include_url=False)[0], ITEM_TAGS) from error
    for name in _NOT_PLAYED:
        if getattr(request, name):
            raise OpenAIWireError(
                400, f"The simulator does not play '{name}'.", param=name, code="not_simulated"
            )
    before = (request.conversation, request.previous_response_id)
    if "input" not in request.model_fields_set and before == (None, None):
        raise OpenAIWireError(
            400,
            "Missing required parameter: 'input'.",
            param="input",
            code="missing_required_parameter",
        )
    _check_tools(request)
    return request


def _check_tools(request: ResponsesRequest) -> None:
    for index, tool in enumerate(request.tools):
        problem = _strict_problem(tool.parameters, is_strict=tool.strict)
        if problem:
            raise OpenAIWireError(
                400,
                f"Invalid schema for function '{tool.name}': {problem}",
                param=f"tools[{index}].parameters",
                code="invalid_function_parameters",
            )
    form = request.text.format
    for name, value in (("name", form.name), ("schema", form.json_schema)):
        if form.type == "json_schema" and value is None:
            raise OpenAIWireError(
                400,
                f"Missing required parameter: 'text.format.{name}'.",
                param=f"text.format.{name}",
                code="missing_required_parameter",
            )
    problem = _strict_problem(form.json_schema, is_strict=form.strict)
    if problem:
        raise OpenAIWireError(
            400,
            f"Invalid schema for response_format '{form.name}': {problem}",
            param="text.format.schema",
            code="invalid_json_schema",
        )
    names = {tool.name for tool in request.tools}
    match request.tool_choice:
        case NamedTool(name=name) if name not in names:
            raise OpenAIWireError(
                400, f"Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice"
            )
        case "required" if not names:
            raise OpenAIWireError(
                400,
                "Tool choice 'required' must be specified with 'tools' parameter.",
                param="tool_choice",
            )


def _strict_problem(schema: JsonObject | None, *, is_strict: bool | None) -> str | None:
    if not is_strict:
        return None
    violation = next(strict_violations(schema or {"type": "object"}), None)
    if violation is None:
        return None
    where = f"In context={violation.path!r}"
    if violation.missing is None:
        return f"{where}, 'additionalProperties' is required to be supplied and to be false."
    return (
        f"{where}, 'required' is required to be supplied and to be an array including every key "
        f"in properties. Missing '{violation.missing}'."
    )
