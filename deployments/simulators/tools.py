"""Natural tool use: which tool a question asks for, with which arguments.

A model which lacks an identifier asks for it; so a tool whose id is nowhere in the message is
not called.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from deployments.simulators.schema import (
    JsonObject,
    as_list,
    as_object,
    best_choice,
    fill_schema,
    schema_type,
    search,
)
from deployments.simulators.words import content_stems

SHARED_WORDS = 2  # one shared word is a coincidence: "order" alone calls nothing

_IDENTIFIER = re.compile(r"\b(?=[\w-]*\d)[A-Za-z][\w-]*\b|\b\d{4,}\b")
_IDENTIFIER_NAME = re.compile(r"(?:^|_)(?:id|number|no|ref|reference|code)$|[a-z]Id$")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_NUMBER = re.compile(r"(?<![\w-])\d+(?:\.\d+)?(?![\w-])")


@dataclass(frozen=True, slots=True)
class SimTool:
    """A tool the caller offers."""

    name: str
    description: str = ""
    parameters: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SimToolCall:
    """A tool the simulator wants called."""

    name: str
    arguments: JsonObject


def choose_tool(question: str, tools: Sequence[SimTool]) -> tuple[str, dict[str, object]] | None:
    """Return the tool the question asks for and its arguments, or None.

    The caller leaves out the tools whose result it already holds.
    """
    asked = set(content_stems(question))
    shared = {tool.name: len(asked.intersection(_vocabulary(tool))) for tool in tools}
    for tool in sorted(tools, key=lambda tool: -shared[tool.name]):
        if shared[tool.name] < SHARED_WORDS:
            break
        arguments = find_arguments(question, tool.parameters)
        if arguments is not None:
            return tool.name, arguments
    return None


def force_tool(question: str, tools: Sequence[SimTool]) -> tuple[str, dict[str, object]]:
    """Return the most fitting tool when the caller insists on one, inventing what is missing."""
    asked = set(content_stems(question))
    tool = max(tools, key=lambda tool: len(asked.intersection(_vocabulary(tool))))
    arguments = find_arguments(question, tool.parameters)
    if arguments is None:
        arguments = dict(as_object(fill_schema(tool.parameters, question)))
    return tool.name, arguments


def find_arguments(question: str, parameters: JsonObject) -> dict[str, object] | None:
    """Return the required arguments as the question states them, or None if one is not stated."""
    fields = as_object(parameters.get("properties"))
    found: dict[str, object] = {}
    for name in as_list(parameters.get("required")):
        if not isinstance(name, str):
            continue
        taken = [value for value in found.values() if isinstance(value, str)]
        value = _argument(name, as_object(fields.get(name)), question, taken)
        if value is None:
            return None
        found[name] = value
    return found


def _argument(name: str, schema: JsonObject, question: str, taken: Sequence[str]) -> object:
    if choices := as_list(schema.get("enum")):
        return best_choice(choices, question)
    match schema_type(schema):
        case "integer" | "number" as kind:
            said = _NUMBER.search(question)
            if said is None:
                return None
            return int(float(said.group())) if kind == "integer" else float(said.group())
        case "string":
            return _string_argument(name, schema, question, taken)
        case _:
            return fill_schema(schema, question)


def _string_argument(
    name: str, schema: JsonObject, question: str, taken: Sequence[str]
) -> str | None:
    if isinstance(pattern := schema.get("pattern"), str):
        return search(pattern, question)
    if schema.get("format") == "email" or "email" in name.lower():
        address = _EMAIL.search(question)
        return address.group() if address else None
    if schema.get("format"):
        return str(fill_schema(schema, question))
    if _IDENTIFIER_NAME.search(name):
        return _identifier(name, question, taken)
    return question.strip()


def _identifier(name: str, question: str, taken: Sequence[str]) -> str | None:
    """Return the identifier meant by a name: `invoice_id` prefers INV-2026-0007 to user_123."""
    said = [token for token in _IDENTIFIER.findall(question) if token not in taken]
    subject = _words_of(name)[0]
    for token in said:
        head = re.split(r"[-_\d]", token, maxsplit=1)[0].lower()
        if head and (subject.startswith(head) or head.startswith(subject)):
            return str(token)
    return str(said[0]) if said else None


def _words_of(name: str) -> list[str]:
    return [word for word in _CAMEL.sub("_", name).lower().split("_") if word] or [name]


def _vocabulary(tool: SimTool) -> set[str]:
    return set(content_stems(f"{' '.join(_words_of(tool.name))} {tool.description}"))
