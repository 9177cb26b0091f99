"""Python functions as tools of a model: described by their signature, called with what it says.

The arguments are validated by the function's own annotations. Whatever goes wrong in a tool
goes back to the model, which can try again or say so; it never ends the conversation.
"""

import asyncio
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic_core import ArgsKwargs, PydanticSerializationError, to_json

from deployments.clients.problem import Problem
from routing.errors import Violation

Function: TypeAlias = Callable[..., object]

MAX_ROUNDS = 10
"""How often a model may ask for tools before it answers: more is a model that goes in circles."""
# About 25,000 tokens: a longer result costs more with each round than it can be worth.
RESULT_MAX = 100_000
_ERROR_MAX = 2_000
_CUT = " … (cut here: it is too long)"
_NAMED = frozenset({inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY})
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a tool answered, as the text a model is given."""

    text: str
    is_error: bool = False


class Tool:
    """One function; `parameters` is the JSON Schema of its arguments.

    Raises:
        Problem: `invalid_request`; the function has no name of its own, or takes arguments that
            have none.
    """

    def __init__(self, function: Function) -> None:
        self.name = str(getattr(function, "__name__", type(function).__name__))
        self.description = inspect.getdoc(function) or ""
        self.is_async = inspect.iscoroutinefunction(function)
        if not _NAME.fullmatch(self.name):
            raise _refused(self.name, "a tool needs a name: write a def")
        try:
            kinds = {one.kind for one in inspect.signature(function).parameters.values()}
            self._adapter: TypeAdapter[object] = TypeAdapter(cast("type[object]", function))
            if kinds - _NAMED:
                raise _refused(self.name, "each argument needs a name: no *args, **kwargs or /")
            self.parameters: Mapping[str, object] = self._adapter.json_schema()
        except (PydanticUserError, NameError, ValueError) as error:
            said = str(error).partition("\n")[0]
            raise _refused(self.name, f"no schema can be made of its arguments: {said}") from error

    def call(self, arguments: Mapping[str, object]) -> Outcome:
        """Its answer; an exception in it is one too."""
        try:
            return _said(self._run(arguments))
        except Exception as error:  # noqa: BLE001  the model is told, whatever it is
            return _failed(error)

    async def acall(self, arguments: Mapping[str, object]) -> Outcome:
        """The same in an event loop; a function that is not async runs in a thread."""
        try:
            if not self.is_async:
                return _said(await asyncio.to_thread(self._run, arguments))
            answer = self._run(arguments)
            return _said(await answer if inspect.isawaitable(answer) else answer)
        except Exception as error:  # noqa: BLE001
            return _failed(error)

    def _run(self, arguments: Mapping[str, object]) -> object:
        return self._adapter.validate_python(ArgsKwargs((), dict(arguments)))


class Toolbox:
    """The functions a model may call, by their names.

    Raises:
        Problem: `invalid_request`; one cannot be a tool, or two have the same name.
    """

    def __init__(self, functions: Sequence[Function]) -> None:
        self.tools = [Tool(function) for function in functions]
        self._by_name = {tool.name: tool for tool in self.tools}
        if len(self._by_name) < len(self.tools):
            names = ", ".join(tool.name for tool in self.tools)
            raise _refused(names, "two tools have the same name")

    def must_be_sync(self) -> None:
        """Raise Problem, `invalid_request`, where a tool can only be awaited."""
        for tool in self.tools:
            if tool.is_async:
                raise _refused(tool.name, "it is async: use the method that is awaited")

    def call(self, name: str, arguments: Mapping[str, object]) -> Outcome:
        """The tool's answer; one that there is not is an error for the model."""
        tool = self._by_name.get(name)
        return self._unknown(name) if tool is None else tool.call(arguments)

    async def acall(self, name: str, arguments: Mapping[str, object]) -> Outcome:
        """The same in an event loop."""
        tool = self._by_name.get(name)
        return self._unknown(name) if tool is None else await tool.acall(arguments)

    def _unknown(self, name: str) -> Outcome:
        there = ", ".join(self._by_name)
        return Outcome(f"There is no tool {name}; there are: {there}", is_error=True)


def _said(value: object) -> Outcome:
    text = value if isinstance(value, str) else to_json(value).decode()
    return Outcome(_bounded(text, RESULT_MAX))


def _failed(error: Exception) -> Outcome:
    match error:
        case ValidationError():
            # What was given stays out: the model knows it, and a log need not.
            wrong = error.errors(include_url=False, include_input=False, include_context=False)
            text = "; ".join(f"{'.'.join(map(str, w['loc']))}: {w['msg']}" for w in wrong)
        case PydanticSerializationError():
            text = f"The tool answered what is no JSON: {error}"
        case _:
            text = f"{type(error).__name__}: {error}"
    return Outcome(_bounded(text, _ERROR_MAX), is_error=True)


def _bounded(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[:longest] + _CUT


def _refused(name: str, message: str) -> Problem:
    violation = Violation(f"/tools/{name}", message)
    return Problem("invalid_request", f"{name} is no tool", violations=(violation,))
