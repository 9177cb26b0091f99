"""How deep a caller's JSON may be: what reads it, seals it and writes it again goes down level by level."""

from typing import Annotated

from pydantic import AfterValidator, JsonValue
from pydantic_core import PydanticCustomError

LEVELS_MAX = 32
"""Lists and objects in one another. Nobody's arguments have ten; a seal needs three frames for each
level, and an interpreter has a thousand."""

SCHEMA_LEVELS_MAX = 72
"""The same of a JSON Schema: each of the 32 schemas in one another may take two, and what the last
one says of its values a few more."""


def is_deeper(value: object, levels: int = LEVELS_MAX) -> bool:
    """Whether lists and objects, as a parser makes them, are nested in `value` more than `levels` deep."""
    layer = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        if not layer:
            return False
        layer = [
            inner
            for one in layer
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
    return bool(layer)


def said(levels: int = LEVELS_MAX) -> str:
    """What is said of what is deeper."""
    return f"nested deeper than {levels} levels"


def must_be_shallow(value: JsonValue) -> JsonValue:
    """A validator: `value`, which is not deeper than `LEVELS_MAX`."""
    return _shallow(value, LEVELS_MAX)


def _must_be_shallow_schema(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    _shallow(value, SCHEMA_LEVELS_MAX)
    return value


def _shallow(value: JsonValue, levels: int) -> JsonValue:
    if is_deeper(value, levels):
        raise PydanticCustomError("nested", said(levels))
    return value


ShallowJson = Annotated[JsonValue, AfterValidator(must_be_shallow)]
"""Any JSON, not too deep."""

ShallowObject = Annotated[dict[str, JsonValue], AfterValidator(must_be_shallow)]
"""An object of JSON, not too deep."""

ShallowSchema = Annotated[dict[str, JsonValue], AfterValidator(_must_be_shallow_schema)]
"""A JSON Schema, not too deep; whether it can be met is for the platforms to say."""
