"""Google's contents and tools as chat messages, and a chat answer as Google's. Pure.

Google's calls need no ids, and chat messages insist on them: where there is none, a result
belongs to the first call of its name that has not been answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import orjson
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from deployments.clients.answer import Usage
from deployments.clients.problem import Problem
from deployments.clients.tools import Function, Tool
from routing.errors import Violation

Json: TypeAlias = Mapping[str, object]
Contents: TypeAlias = str | Sequence[Json]
Tools: TypeAlias = Sequence[Function | Json]

_ROLES = {"user": "user", "model": "assistant", "function": "user"}


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function the model asks for."""

    id: str
    name: str
    args: Json


@dataclass(frozen=True, slots=True)
class GeneratedContent:
    """What the model said. `content` is its turn as Google writes it: append it to go on."""

    text: str
    function_calls: tuple[FunctionCall, ...]
    usage: Usage
    finish_reason: str
    model: str
    content: Json


@dataclass(slots=True)
class _Waiting:
    """The calls so far that have no result yet, by id."""

    names: dict[str, str]
    counted: int = 0

    def ask(self, name: str, call_id: object) -> str:
        self.counted += 1
        made = str(call_id or f"call_{self.counted}")
        self.names[made] = name
        return made

    def answered(self, name: str, call_id: object, where: str) -> str:
        for waiting, called in self.names.items():
            if waiting == call_id or (not call_id and called == name):
                del self.names[waiting]
                return waiting
        raise _refused(where, f"no call of {name} waits for this result")


def to_messages(contents: Contents) -> list[dict[str, object]]:
    """The conversation as chat messages.

    Raises:
        Problem: `invalid_request`; it holds what is neither text, call nor result.
    """
    if isinstance(contents, str):
        return [{"role": "user", "content": contents}]
    messages: list[dict[str, object]] = []
    waiting = _Waiting({})
    for index, content in enumerate(contents):
        where = f"/contents/{index}"
        role = _ROLES.get(str(content.get("role", "user")))
        if role is None:
            raise _refused(f"{where}/role", "a role is user, model or function")
        messages += _turn(role, content.get("parts"), waiting, where)
    return messages


def _turn(role: str, parts: object, waiting: _Waiting, where: str) -> list[dict[str, object]]:
    said: list[str] = []
    calls: list[object] = []
    results: list[dict[str, object]] = []
    for place, part in enumerate(_list(parts, f"{where}/parts")):
        at = f"{where}/parts/{place}"
        text, call, result = part.get("text"), _in(part, "call"), _in(part, "response")
        if isinstance(text, str):
            said.append(text)
        elif call is not None:
            name = str(call.get("name"))
            given = orjson.dumps(call.get("args") or {}).decode()
            asked = {"name": name, "arguments": given}
            call_id = waiting.ask(name, call.get("id"))
            calls.append({"id": call_id, "type": "function", "function": asked})
        elif result is not None:
            call_id = waiting.answered(str(result.get("name")), result.get("id"), at)
            told = orjson.dumps(result.get("response")).decode()
            results.append({"role": "tool", "tool_call_id": call_id, "content": told})
        else:
            raise _refused(at, "a part is text, function_call or function_response")
    if calls and role != "assistant":
        raise _refused(where, "calls are in the model's turn")
    if said or calls:
        turn: dict[str, object] = {"role": role, "content": "".join(said) or None}
        results.append({**turn, "tool_calls": calls} if calls else turn)
    return results


def to_tools(tools: Tools) -> list[dict[str, object]]:
    """Functions, and Google's function declarations, as chat tools.

    Raises:
        Problem: `invalid_request`; one is a tool of Google's own.
    """
    return [made for index, tool in enumerate(tools) for made in _declared(tool, index)]


def _declared(tool: Function | Json, index: int) -> list[dict[str, object]]:
    if not isinstance(tool, Mapping):
        one = Tool(tool)
        return [_function(one.name, one.description, one.parameters)]
    where = f"/tools/{index}"
    found = tool.get("function_declarations", tool.get("functionDeclarations"))
    if found is None:
        raise _refused(where, "only function_declarations are taken; Google's own tools are not")
    return [
        _function(str(one.get("name")), str(one.get("description") or ""), _parameters(one))
        for one in _list(found, where)
    ]


def _parameters(declaration: Json) -> object:
    schema = declaration.get("parameters_json_schema", declaration.get("parametersJsonSchema"))
    if schema is not None:
        return schema
    return _lower(declaration.get("parameters") or {"type": "object", "properties": {}})


def _lower(schema: object) -> object:
    """Google's own schemas write types in capitals, JSON Schema does not."""
    if isinstance(schema, Mapping):
        return {
            key: value.lower() if key == "type" and isinstance(value, str) else _lower(value)
            for key, value in schema.items()
        }
    return [*map(_lower, schema)] if isinstance(schema, list | tuple) else schema


def _function(name: str, description: str, parameters: object) -> dict[str, object]:
    function = {"name": name, "description": description, "parameters": parameters}
    return {"type": "function", "function": function}


class _Function(BaseModel):
    name: str
    arguments: Annotated[dict[str, object], BeforeValidator(orjson.loads)]


class _Call(BaseModel):
    id: str
    function: _Function


class _Message(BaseModel):
    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str


class _InputDetails(BaseModel):
    cached_tokens: int | None = None


class _OutputDetails(BaseModel):
    reasoning_tokens: int | None = None


class _Tokens(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


class _Completion(BaseModel):
    model: str
    choices: list[_Choice] = Field(min_length=1)
    usage: _Tokens


def read_completion(completion: Json) -> GeneratedContent:
    """A chat completion as Google's answer.

    Raises:
        Problem: `unexpected_reply`.
    """
    try:
        read = _Completion.model_validate(completion)
    except ValidationError as error:
        wrong = ", ".join("/".join(map(str, one["loc"])) for one in error.errors()[:3])
        raise Problem("unexpected_reply", f"This is no chat completion: {wrong}") from error
    choice, used = read.choices[0], read.usage
    text = choice.message.content or ""
    calls = tuple(
        FunctionCall(call.id, call.function.name, call.function.arguments)
        for call in choice.message.tool_calls or ()
    )
    cached, reasoned = used.prompt_tokens_details, used.completion_tokens_details
    return GeneratedContent(
        text=text,
        function_calls=calls,
        usage=Usage(
            used.prompt_tokens,
            (cached and cached.cached_tokens) or 0,
            used.completion_tokens,
            (reasoned and reasoned.reasoning_tokens) or 0,
        ),
        finish_reason=choice.finish_reason,
        model=read.model,
        content={"role": "model", "parts": _parts(text, calls)},
    )


def _parts(text: str, calls: Sequence[FunctionCall]) -> list[object]:
    asked = [{"function_call": {"id": c.id, "name": c.name, "args": c.args}} for c in calls]
    return [{"text": text}, *asked] if text else [*asked]


def _in(part: Json, kind: str) -> Json | None:
    """Google's Python client writes function_call, its JSON functionCall."""
    found = part.get(f"function_{kind}", part.get(f"function{kind.capitalize()}"))
    return found if isinstance(found, Mapping) else None


def _list(value: object, where: str) -> Sequence[Json]:
    if not isinstance(value, list | tuple) or not all(isinstance(v, Mapping) for v in value):
        raise _refused(where, "a list of objects is expected")
    return value


def _refused(where: str, message: str) -> Problem:
    violation = Violation(where, message)
    return Problem("invalid_request", "Not as Google writes it", violations=(violation,))
