"""The turns of a Gemini conversation: the rules between them, and the prompt they amount to."""

import base64
import hashlib
from collections.abc import Sequence

import orjson

from deployments.simulators.answer import estimate_tokens
from deployments.simulators.reply import Prompt, SimToolResult
from deployments.simulators.schema import JsonObject
from deployments.simulators.tools import SimTool
from deployments.simulators.vertex_errors import VertexWireError
from deployments.simulators.vertex_request import (
    Content,
    FunctionDeclaration,
    FunctionResponse,
    GenerateRequest,
    Part,
)

# What Google takes in place of the signature of a call which its model did not make.
_UNSIGNED = b"skip_thought_signature_validator"
_STANDARD = str.maketrans("-_", "+/")
IMAGE_TOKENS = 1_120  # of Gemini 3 and later, whatever its size


def sign_call(name: str, arguments: JsonObject) -> str:
    """Return the signature of a call: it must come back with this call and no other."""
    return base64.b64encode(_signature(name, arguments)).decode()


def check_turns(contents: Sequence[Content]) -> None:
    """Refuse a conversation whose turns do not fit together.

    Raises:
        VertexWireError: A part is empty, the results are not those of the calls just before, or
            a call comes back without its signature.
    """
    if not contents:
        raise _bad("at least one contents field is required.")
    for content in contents:
        if len(contents) > 1 and content.role is None:
            raise _bad("Please use a valid role: user, model.")
        if not content.parts:
            raise _bad("it must include at least one parts field, which describes the prompt input")
        for part in content.parts:
            _check_part(part)
    _check_calls(contents)
    for index, content in enumerate(contents):
        _check_signature(index, content)


def read_prompt(request: GenerateRequest) -> Prompt:
    """Return what a request asks."""
    contents = request.contents
    asked_at = max(
        (i for i, content in enumerate(contents) if content.role != "model" and content.text),
        default=0,
    )
    config = request.generation_config
    before = [content for content in contents[:asked_at] if content.text]
    return Prompt(
        question=contents[asked_at].text,
        instructions=request.system_instruction.text,
        tools=_offered_tools(request),
        must_call=request.tool_config.function_calling_config.mode == "ANY",
        results=tuple(
            SimToolResult(result.name, _words_of(result))
            for content in contents[asked_at:]
            for result in content.results
        ),
        schema=config.response_json_schema or config.response_schema,
        max_tokens=config.max_output_tokens,
        begun=_last([content.text for content in before if content.role == "model"]),
        begun_for=_last([content.text for content in before if content.role != "model"]),
    )


def _last(texts: Sequence[str]) -> str:
    return texts[-1] if texts else ""


def describe_tools(request: GenerateRequest) -> str:
    """Return the tools as text, for counting tokens and telling prompts apart."""
    if not request.declarations:
        return ""
    described = [one.model_dump(exclude_none=True) for one in request.declarations]
    return orjson.dumps(described).decode()


def count_tokens(contents: Sequence[Content]) -> int:
    """Return the tokens of a conversation."""
    said = [content.text for content in contents]
    calls = [f"{call.name}{call.args}" for content in contents for call in content.calls]
    results = [_words_of(result) for content in contents for result in content.results]
    images = IMAGE_TOKENS * sum(content.images for content in contents)
    return images + sum(estimate_tokens(text) for text in (*said, *calls, *results))


def _signature(name: str, arguments: JsonObject) -> bytes:
    said = orjson.dumps([name, arguments], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(said).digest()


def _bad(message: str) -> VertexWireError:
    return VertexWireError(400, f"Unable to submit request because {message}")


def _check_part(part: Part) -> None:
    if len(part.kinds) != 1:
        message = "contents.parts must have exactly one initialized field: data"
        raise VertexWireError(400, message)
    if part.text == "" and part.thought_signature is None:
        raise _bad("it has an empty text parameter. Add a value to the parameter and try again.")


def _check_calls(contents: Sequence[Content]) -> None:
    """Every call is answered in the very next turn, in which every result answers one."""
    for before, content in zip((None, *contents), (*contents, None), strict=True):
        calls = before.calls if before else []
        results = content.results if content else []
        if len(results) != len(calls):
            raise VertexWireError(
                400,
                "Please ensure that the number of function response parts is equal to the number "
                "of function call parts of the function call turn.",
            )
        if sorted(call.name for call in calls) != sorted(result.name for result in results):
            raise VertexWireError(400, "A function response names a function that was not called.")
        ids = {call.id for call in calls}
        if any(result.id is not None and result.id not in ids for result in results):
            raise VertexWireError(400, "A function response has the id of no function call.")


def _check_signature(index: int, content: Content) -> None:
    """The first call of a turn is signed; those made beside it are not."""
    first = next((part for part in content.parts if part.function_call), None)
    if first is None or first.function_call is None:
        return
    call = first.function_call
    if not first.thought_signature:
        raise VertexWireError(
            400,
            f"Function call `{call.name}` in the {index + 1}. content block is missing a "
            "`thought_signature`.",
        )
    # In either alphabet of base64: the SDK sends the other than it has received.
    signature = base64.b64decode(first.thought_signature.translate(_STANDARD) + "==")
    if signature not in (_UNSIGNED, _signature(call.name, call.args)):
        raise VertexWireError(400, "Thought signature is not valid.")


def _offered_tools(request: GenerateRequest) -> tuple[SimTool, ...]:
    choice = request.tool_config.function_calling_config
    if choice.mode == "NONE":
        return ()
    allowed = choice.allowed_function_names
    return tuple(
        SimTool(one.name, one.description or "", _schema_of(one))
        for one in request.declarations
        if not allowed or one.name in allowed
    )


def _schema_of(declaration: FunctionDeclaration) -> JsonObject:
    return declaration.parameters_json_schema or declaration.parameters or {}


def _words_of(result: FunctionResponse) -> str:
    """Return what a function answered: its `output` or `error`, or else all of it."""
    said = result.response.get("output", result.response.get("error", result.response))
    return said if isinstance(said, str) else orjson.dumps(said).decode()
