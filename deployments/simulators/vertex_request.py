"""The body of `:generateContent`: the documented fields, each in either of proto3's spellings.

What one turn must say about another is in `vertex_turns.py`.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from deployments.simulators.images import BadImageError, measure
from deployments.simulators.vertex_errors import VertexWireError, invalid_request
from deployments.simulators.vertex_models import MAX_OUTPUT_TOKENS

MAX_FUNCTIONS = 128

Json: TypeAlias = dict[str, object]
# proto3 writes bytes in base64 of either alphabet.
Bytes: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/_-]*={0,2}$")]


_STANDARD = str.maketrans("-_", "+/")


class _Wire(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


class FunctionCall(_Wire):
    """A call the model made earlier."""

    name: str
    args: Json = Field(default_factory=dict)
    id: str | None = None


class FunctionResponse(_Wire):
    """What a call returned."""

    name: str
    response: Json
    id: str | None = None


class Blob(_Wire):
    """Bytes of a file; an image is checked, and nothing is looked at."""

    mime_type: str
    data: Bytes

    @model_validator(mode="after")
    def _is_what_it_says(self) -> Self:
        if self.mime_type.startswith("image/"):
            if self.mime_type not in {"image/png", "image/jpeg", "image/webp"}:
                raise PydanticCustomError(
                    "image", "Unsupported MIME type: {t}", {"t": self.mime_type}
                )
            try:
                measure(self.mime_type, self.data.translate(_STANDARD))
            except BadImageError as error:
                raise PydanticCustomError("image", "{said}", {"said": str(error)}) from error
        return self


class FileData(_Wire):
    """The address of a file, and what it is."""

    mime_type: str
    file_uri: str = Field(pattern=r"^(gs|https)://.")


class Part(_Wire):
    """One piece of a turn, of exactly one kind."""

    text: str | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None
    inline_data: Blob | None = None
    file_data: FileData | None = None
    thought: bool = False
    thought_signature: Bytes | None = None
    video_metadata: Json | None = None
    media_resolution: Json | None = None

    @property
    def kinds(self) -> list[str]:
        """Which of the fields that exclude each other are set."""
        names = ("text", "function_call", "function_response", "inline_data", "file_data")
        return [name for name in names if getattr(self, name) is not None]


class Content(_Wire):
    """A turn of the conversation."""

    role: Literal["user", "model"] | None = None
    parts: list[Part] = Field(default_factory=list)

    @property
    def text(self) -> str:
        """The words of the turn."""
        return "\n".join(part.text for part in self.parts if part.text and not part.thought)

    @property
    def images(self) -> int:
        """How many images there are in the turn."""
        files = [part.inline_data or part.file_data for part in self.parts]
        return sum(file is not None and file.mime_type.startswith("image/") for file in files)

    @property
    def calls(self) -> list[FunctionCall]:
        """The calls of the turn."""
        return [part.function_call for part in self.parts if part.function_call]

    @property
    def results(self) -> list[FunctionResponse]:
        """The results in the turn."""
        return [part.function_response for part in self.parts if part.function_response]


class FunctionDeclaration(_Wire):
    """A tool of the caller; its parameters are JSON Schema or OpenAPI's dialect of it."""

    name: str = Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}$")
    description: str | None = None
    parameters: Json | None = None
    parameters_json_schema: Json | None = None
    response: Json | None = None
    response_json_schema: Json | None = None
    behavior: str | None = None


class Tool(_Wire):
    """Functions of the caller, or a tool of Google's own, which is accepted and not used."""

    function_declarations: list[FunctionDeclaration] = Field(default_factory=list)
    google_search: Json | None = None
    code_execution: Json | None = None
    url_context: Json | None = None


class FunctionCallingConfig(_Wire):
    """Whether and which function to call."""

    mode: Literal["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"] = "AUTO"
    allowed_function_names: list[str] = Field(default_factory=list)
    stream_function_call_arguments: bool | None = None


class ToolConfig(_Wire):
    """How the tools are used."""

    function_calling_config: FunctionCallingConfig = FunctionCallingConfig()
    retrieval_config: Json | None = None


class GenerationConfig(_Wire):
    """How the answer is written."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    seed: int | None = None
    candidate_count: Literal[1] | None = None
    stop_sequences: list[str] = Field(default_factory=list)
    response_mime_type: str | None = None
    response_schema: Json | None = None
    response_json_schema: Json | None = None
    response_modalities: list[str] | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    thinking_config: Json | None = None
    media_resolution: str | None = None


class GenerateRequest(_Wire):
    """What a caller asks of `:generateContent`."""

    contents: list[Content] = Field(default_factory=list)
    system_instruction: Content = Content()
    tools: list[Tool] = Field(default_factory=list)
    tool_config: ToolConfig = ToolConfig()
    generation_config: GenerationConfig = GenerationConfig()
    safety_settings: list[Json] = Field(default_factory=list)
    labels: dict[str, str] = Field(default_factory=dict)
    cached_content: str | None = None
    model: str | None = None

    @property
    def declarations(self) -> list[FunctionDeclaration]:
        """The functions of all tools."""
        return [one for tool in self.tools for one in tool.function_declarations]


def parse_request(body: object) -> GenerateRequest:
    """Parse a body, or refuse it as Google would.

    Raises:
        VertexWireError: The body is not a request Google would answer.
    """
    if not isinstance(body, Mapping):
        raise VertexWireError(400, "Invalid JSON payload received. Expected an object.")
    try:
        request = GenerateRequest.model_validate(body)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise invalid_request(problem) from error
    _check_ranges(request.generation_config)
    _check_form(request.generation_config)
    _check_tools(request)
    return request


def _check_ranges(config: GenerationConfig) -> None:
    limit = config.max_output_tokens
    if limit is not None and not 1 <= limit <= MAX_OUTPUT_TOKENS:
        raise VertexWireError(
            400,
            f"Unable to submit request because it has a maxOutputTokens value of {limit} but the "
            f"supported range is from 1 (inclusive) to {MAX_OUTPUT_TOKENS + 1} (exclusive). "
            "Update the value and try again.",
        )
    heat = config.temperature
    if heat is not None and not 0 <= heat <= 2:
        raise VertexWireError(
            400,
            f"Unable to submit request because it has a temperature value of {heat} but the "
            "supported range is from 0 (inclusive) to 2.0 (inclusive). Update the value and try "
            "again.",
        )


def _check_form(config: GenerationConfig) -> None:
    schemas = (config.response_schema, config.response_json_schema)
    if all(schema is not None for schema in schemas):
        raise VertexWireError(400, "response_schema and response_json_schema exclude each other.")
    if any(schema is not None for schema in schemas) and config.response_mime_type in (
        None,
        "text/plain",
    ):
        raise VertexWireError(
            400,
            "Unable to submit request because response_mime_type is text/plain but a schema was "
            "given. Set it to application/json and try again.",
        )


def _check_tools(request: GenerateRequest) -> None:
    if len(request.declarations) > MAX_FUNCTIONS:
        raise VertexWireError(
            400, f"At most {MAX_FUNCTIONS} function declarations can be provided."
        )
    names = {declaration.name for declaration in request.declarations}
    choice = request.tool_config.function_calling_config
    if choice.mode == "ANY" and not names:
        raise VertexWireError(
            400, "Function calling mode ANY is set without function_declarations."
        )
    for name in choice.allowed_function_names:
        if name not in names:
            raise VertexWireError(
                400, f"allowed_function_names names {name}, which is not declared."
            )
    for one in request.declarations:
        if one.parameters is not None and one.parameters_json_schema is not None:
            raise VertexWireError(
                400,
                f"Function {one.name}: parameters and parameters_json_schema exclude each other.",
            )
