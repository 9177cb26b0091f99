"""JSON schemas of structured output and tools: a value which fits one, and the strict rules.

Knows the simple schemas people send to models; it is not a validator.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from deployments.simulators.words import content_stems

JsonObject: TypeAlias = Mapping[str, object]

MAX_DEPTH = 12  # a schema may refer to itself; deeper than this nobody asked for
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_FORMATS = {
    "date": (re.compile(r"\d{4}-\d{2}-\d{2}"), "2026-01-01"),
    "date-time": (re.compile(r"\d{4}-\d{2}-\d{2}T[\d:.]+Z?"), "2026-01-01T00:00:00Z"),
    "email": (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "nobody@example.com"),
    "uuid": (
        re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        "00000000-0000-4000-8000-000000000000",
    ),
    "uri": (re.compile(r"https?://\S+"), "https://example.com/"),
}


@dataclass(frozen=True, slots=True)
class StrictViolation:
    """An object schema which is open, or (`missing`) has a property it does not require."""

    path: tuple[str, ...]
    missing: str | None = None


def fill_schema(schema: JsonObject, text: str, question: str = "") -> object:
    """Return a JSON value which fits the schema: strings say `text`, choices follow the question.

    Without a question, choices (enums, numbers) follow the text.
    """
    return _Filling(text, question or text, schema).fill(schema)


def strict_violations(schema: JsonObject) -> Iterator[StrictViolation]:
    """Yield where a schema is looser than the vendors' strict modes allow, outermost first."""
    return _violations(schema, (), 0)


def best_choice(choices: Sequence[object], hint: str) -> object:
    """Return the choice whose words the hint shares most; the first one in doubt."""
    said = set(content_stems(hint))
    return max(choices, key=lambda choice: len(said.intersection(content_stems(str(choice)))))


def search(pattern: str, text: str) -> str | None:
    """Return the first place of a text which fits a schema's pattern, anchored or not."""
    try:
        said = re.search(pattern.removeprefix("^").removesuffix("$"), text)
    except re.error:  # JavaScript's dialect knows things Python's does not
        return None
    return said.group() if said else None


@dataclass(frozen=True, slots=True)
class _Filling:
    """What a value is filled from, and how deep in the schema it sits."""

    text: str
    hint: str
    root: JsonObject
    depth: int = 0

    def fill(self, schema: JsonObject) -> object:
        if self.depth > MAX_DEPTH:
            return None
        schema = _resolve(schema, self.root)
        if "const" in schema:
            return schema["const"]
        if choices := as_list(schema.get("enum")):
            return best_choice(choices, self.hint)
        options = as_list(schema.get("anyOf")) or as_list(schema.get("oneOf"))
        for option in map(as_object, options):
            if option.get("type") != "null":
                return self._inner(option)
        return self._of_type(schema)

    def _of_type(self, schema: JsonObject) -> object:
        value: object = None
        match schema_type(schema):
            case "object":
                fields = as_object(schema.get("properties"))
                value = {name: self._inner(as_object(fields[name])) for name in fields}
            case "array":
                least = max(_integer(schema.get("minItems"), 1), 0)
                count = min(least, _integer(schema.get("maxItems"), least))
                value = [self._inner(as_object(schema.get("items"))) for _ in range(count)]
            case "integer":
                value = round(_number(schema, self.hint))
            case "number":
                value = _number(schema, self.hint)
            case "boolean":
                value = False
            case "string":
                value = _string(schema, self.text)
            case _:
                pass  # "null", or a type nobody knows
        return value

    def _inner(self, schema: JsonObject) -> object:
        return replace(self, depth=self.depth + 1).fill(schema)


def _resolve(schema: JsonObject, root: JsonObject) -> JsonObject:
    reference = schema.get("$ref")
    if not isinstance(reference, str):
        return schema
    target: object = root
    for key in reference.removeprefix("#").strip("/").split("/"):
        target = as_object(target).get(key, {}) if key else target
    return as_object(target)


def schema_type(schema: JsonObject) -> str:
    """Return the one type of a schema: the first which is not null, `object` if it has properties."""
    declared = schema.get("type")
    if isinstance(declared, str):
        return declared
    named = [kind for kind in as_list(declared) if isinstance(kind, str) and kind != "null"]
    return named[0] if named else ("object" if "properties" in schema else "string")


def _number(schema: JsonObject, hint: str) -> float:
    said = _NUMBER.search(hint)
    value = float(said.group()) if said else 0.0
    for bound, nearest in (("minimum", max), ("maximum", min)):
        limit = schema.get(bound)
        if isinstance(limit, int | float):
            value = nearest(value, float(limit))
    return value


def _string(schema: JsonObject, text: str) -> str:
    known = _FORMATS.get(str(schema.get("format")))
    if known is not None:
        pattern, otherwise = known
        said = pattern.search(text)
        return said.group() if said else otherwise
    wanted = schema.get("pattern")
    if isinstance(wanted, str) and (found := search(wanted, text)) is not None:
        return found
    text = text.ljust(_integer(schema.get("minLength"), 0), ".")
    return text[: _integer(schema.get("maxLength"), len(text))]


def _violations(schema: JsonObject, path: tuple[str, ...], depth: int) -> Iterator[StrictViolation]:
    if depth > MAX_DEPTH:
        return
    fields = as_object(schema.get("properties"))
    if schema_type(schema) == "object" and "$ref" not in schema:
        if schema.get("additionalProperties") is not False:
            yield StrictViolation(path)
        required = as_list(schema.get("required"))
        yield from (StrictViolation(path, name) for name in fields if name not in required)
    for step, nested in _nested(schema):
        yield from _violations(as_object(nested), (*path, *step), depth + 1)


def _nested(schema: JsonObject) -> Iterator[tuple[tuple[str, ...], object]]:
    for keyword in ("properties", "$defs"):
        for name, nested in as_object(schema.get(keyword)).items():
            yield (keyword, name), nested
    for index, nested in enumerate(as_list(schema.get("anyOf"))):
        yield ("anyOf", str(index)), nested
    if "items" in schema:
        yield ("items",), schema["items"]


def as_object(value: object) -> JsonObject:
    """Return the value if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[object]:
    """Return the value if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def _integer(value: object, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise
