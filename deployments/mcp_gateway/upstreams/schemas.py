"""Schemas that others wrote: which are small and plain enough to be passed on, and what answers keep them: pure.

A schema is a program for whoever validates with it. References that multiply, patterns that
backtrack and comparisons of everything with everything cost its reader seconds, so the first
refuse the tool, and the others are left out when we check an answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonschema import (  # type: ignore[import-untyped]  # it ships no types
    Draft202012Validator,
    SchemaError,
)
from referencing import Registry
from referencing.exceptions import Unresolvable

from routing.message import Json, JsonObject

# Nested objects of a form have three or four levels.
DEPTH_MAX = 24
# Parts of a schema once its references are written out; the largest of our own has 60.
NODES_MAX = 2_000
# Parts of a schema times parts of an answer: 100,000 take 0.3 s of a processor at most.
CHECK_MAX = 100_000
# A hop to a thread costs 0.3 ms on a quiet machine and ten times that on a busy one.
LIGHT_MAX = 1_000

_REFERENCES = frozenset({"$ref", "$dynamicRef", "$recursiveRef"})
_COSTLY = frozenset({"pattern", "patternProperties", "uniqueItems", "format", "unevaluatedProperties", "unevaluatedItems"})  # fmt: skip


def fault_of(schema: Json) -> str | None:
    """Why a schema is not passed on; None where it is."""
    if not isinstance(schema, Mapping) or schema.get("type", "object") != "object":
        return "a schema describes an object"
    try:
        _size(schema, schema, 0, ())
        Draft202012Validator.check_schema(_plain(schema))
    except ValueError as error:
        return str(error)
    except (SchemaError, RecursionError):
        return "it is no JSON Schema"
    return None


def breach_of(schema: JsonObject, data: Json) -> str | None:
    """How an answer breaks the schema its tool promised; None where it keeps it.

    Takes up to 0.3 s of a processor: what is no light work runs beside the event loop.
    """
    if _weight(schema, data) > CHECK_MAX:
        return "it is too large to be checked against the schema"
    validator = Draft202012Validator(_plain(schema), registry=Registry())
    try:
        error = next(validator.iter_errors(data), None)
    except (Unresolvable, RecursionError):
        return "the schema cannot be followed"
    # Its own words would repeat the data, which is not ours to repeat.
    return None if error is None else f"at {error.json_path[:100]}: {str(error.validator)[:40]}"


def is_light(schema: JsonObject, data: Json) -> bool:
    """Whether `breach_of` takes no longer than a hop to a thread and back."""
    return _weight(schema, data) <= LIGHT_MAX


def without_patterns(schema: Json) -> Json:
    """The schema without what is costly to check: others than we check arguments against it too."""
    plain: Json = _plain(schema)
    return plain


def _weight(schema: JsonObject, data: Json) -> int:
    try:
        return (1 + sum(1 for _ in _nodes(schema))) * (1 + sum(1 for _ in _nodes(data)))
    except RecursionError:
        return CHECK_MAX + 1


def _size(root: Mapping[str, Json], part: Json, depth: int, inside: tuple[str, ...]) -> int:
    """Parts of the schema with every reference written out.

    Raises:
        ValueError: too deep, too many, a circle, or a reference to somewhere else.
    """
    if depth > DEPTH_MAX:
        raise ValueError(f"its schema is nested deeper than {DEPTH_MAX}")
    match part:
        case str():
            return 1
        case Mapping():
            total = 1
            for key, value in part.items():
                if key in _REFERENCES and isinstance(value, str):
                    if key != "$ref" or value in inside:
                        raise ValueError("its schema refers to itself")
                    target = _local(root, value)
                    total += _size(root, target, depth + 1, (*inside, value))
                else:
                    total += _size(root, value, depth + 1, inside)
                _bounded(total)
            return total
        case Sequence():
            total = 1
            for value in part:
                total += _size(root, value, depth + 1, inside)
                _bounded(total)
            return total
        case _:
            return 1


def _bounded(total: int) -> None:
    # Asked at every step: a chain of doublings is left at the bound and not at its end.
    if total > NODES_MAX:
        raise ValueError(f"its schema has more than {NODES_MAX} parts")


def _local(root: Mapping[str, Json], reference: str) -> Json:
    if not reference.startswith("#/"):
        raise ValueError("its schema refers to another document")
    found: Json = root
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise ValueError("its schema refers to a part it does not have")
        found = found[name]
    return found


def _plain(schema: Json) -> Any:
    """The schema without what is costly to check; a property of such a name stays."""
    if not isinstance(schema, Mapping):
        return schema
    return {key: _part(key, value) for key, value in schema.items() if key not in _COSTLY}


def _part(key: str, value: Json) -> Any:
    if key in {"properties", "$defs", "definitions", "dependentSchemas"} and isinstance(
        value, Mapping
    ):
        return {name: _plain(inner) for name, inner in value.items()}
    if key in {"enum", "const", "default", "examples"}:
        return value
    if isinstance(value, Mapping):
        return _plain(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value


def _nodes(data: Json) -> Iterator[None]:
    match data:
        case str():
            yield None
        case Mapping():
            yield None
            for value in data.values():
                yield from _nodes(value)
        case Sequence():
            yield None
            for value in data:
                yield from _nodes(value)
        case _:
            yield None
