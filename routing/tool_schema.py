"""Which JSON Schemas a platform can express: what its vendor would refuse, found before it is asked.

Vendors hold a model to a schema by compiling it, and each compiles another subset. Only
what a vendor documents as unsupported is complained about. Outside strict mode a tool's
schema is advice, and little is checked.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from routing.message import Json, JsonObject, ToolSpec
from routing.schema_findings import MAX_COMPLAINTS, Complaint, Findings, Path, written

MAX_DEPTH = 32
"""Schemas nested deeper are refused everywhere: no vendor documents more than 10 levels."""


class Dialect(StrEnum):
    """Whose subset of JSON Schema."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"


@dataclass(frozen=True, slots=True)
class _Rules:
    """What strict mode takes. `refused` keywords are named; where `taken` is given, it lists them all."""

    is_closed: bool
    all_required: bool
    recursion: Literal["any", "optional", "none"]
    refused: frozenset[str] = frozenset()
    taken: frozenset[str] | None = None
    formats: frozenset[str] | None = None
    levels: int | None = None
    properties: int | None = None
    enum_values: int | None = None


_LOGIC = frozenset({"not", "if", "then", "else", "dependentRequired", "dependentSchemas"})
# These say something about a schema and demand nothing of a value.
_NOTES = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"}
    | {"$schema", "$id", "$anchor", "$comment", "propertyOrdering"}
)
_RULES: Mapping[Dialect, _Rules] = {
    # developers.openai.com, Structured Outputs, supported schemas. oneOf is missing there, and
    # answered with "'oneOf' is not permitted".
    Dialect.OPENAI: _Rules(
        is_closed=True,
        all_required=True,
        recursion="any",
        refused=_LOGIC | {"allOf", "oneOf"},
        levels=10,
        properties=5_000,
        enum_values=1_000,
    ),
    # platform.claude.com, Structured outputs, JSON Schema limitations; the formats are those
    # that anthropic 2.12 leaves in a schema (lib/_parse/_transform.py), as oneOf is none.
    Dialect.ANTHROPIC: _Rules(
        is_closed=True,
        all_required=False,
        recursion="none",
        refused=_LOGIC
        | {"oneOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
        | {"minLength", "maxLength", "maxItems", "uniqueItems"},
        formats=frozenset(
            {"date-time", "time", "date", "duration", "email", "hostname", "uri", "uuid"}
            | {"ipv4", "ipv6"}
        ),
    ),
    # google-genai 2.34, docstring of GenerateContentConfig.response_json_schema.
    Dialect.GEMINI: _Rules(
        is_closed=False,
        all_required=False,
        recursion="optional",
        taken=_NOTES
        | {"$defs", "$ref", "type", "format", "enum", "items", "prefixItems", "minItems"}
        | {"maxItems", "minimum", "maximum", "anyOf", "oneOf", "properties", "required"}
        | {"additionalProperties"},
    ),
}
# Anthropic's regular expressions know neither lookaround nor back references nor \b.
_UNKNOWN_REGEX = re.compile(r"\(\?[=!<]|\\[1-9bB]")
_LOCAL = re.compile(r"#(?:/(?:[^~/]|~[01])*)*")
_NAMED = ("properties", "$defs", "definitions")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties")
_UNIONS = ("anyOf", "oneOf", "allOf")
# A schema without any of these has no schema in it, and one without any of those no values to mind.
_NESTING = frozenset({*_NAMED, *_LISTED, *_SINGLE})
_MINDED = frozenset({"format", "pattern", "minItems", "enum"})


def tool_findings(tool: ToolSpec, dialect: Dialect) -> Findings:
    """What the platform would refuse about a tool's parameters."""
    found = list(_tool_root(tool.parameters, dialect))
    if not tool.strict:
        return Findings(tuple(found))
    return _Inspection(tool.parameters, _RULES[dialect], found).findings()


def response_findings(schema: JsonObject, dialect: Dialect) -> Findings:
    """What the platform would refuse about the schema of an answer."""
    found: list[Complaint] = []
    if dialect is Dialect.OPENAI and not _is_plain_object(schema):
        found.append(Complaint("", "the root must be of type object, and no union"))
    return _Inspection(schema, _RULES[dialect], found).findings()


def _tool_root(schema: JsonObject, dialect: Dialect) -> Iterator[Complaint]:
    if schema.get("type") != "object":
        yield Complaint("", "the parameters of a function must be of type object")
    elif dialect is not Dialect.GEMINI and not _is_plain_object(schema):
        yield Complaint("", "the root must not be anyOf, oneOf or allOf")


def _is_plain_object(schema: JsonObject) -> bool:
    return schema.get("type") == "object" and not any(word in schema for word in _UNIONS)


@dataclass(slots=True)
class _Inspection:
    """One walk over a schema, and what it found; plain loops, as a request may bring hundreds."""

    root: JsonObject
    rules: _Rules
    found: list[Complaint]
    properties: int = 0
    enum_values: int = 0
    optionals: int = 0
    unions: int = 0
    refers: bool = False
    followed: set[str] = field(default_factory=set)

    def findings(self) -> Findings:
        """Everything that is wrong, outermost first."""
        self._visit(self.root, None, 0, 1)
        if self.refers and self.rules.recursion != "any":
            self._follow(self.root, None, 0, ("#",))
        for what, limit, count in (
            ("properties", self.rules.properties, self.properties),
            ("enum values", self.rules.enum_values, self.enum_values),
        ):
            if limit is not None and count > limit:
                self._complain(None, f"{count} {what} in all, over {limit}")
        return Findings(tuple(self.found), self.optionals, self.unions)

    def _complain(self, path: Path, message: str) -> None:
        if len(self.found) < MAX_COMPLAINTS:
            self.found.append(Complaint(written(path), message))

    def _visit(self, node: Json, path: Path, depth: int, level: int) -> None:
        """A schema and those in it; `level` counts objects within objects."""
        if not isinstance(node, Mapping) or len(self.found) >= MAX_COMPLAINTS:
            return  # true and false are schemas too, and nobody minds them
        if depth > MAX_DEPTH:
            self._complain(path, f"nested deeper than {MAX_DEPTH} schemas")
            return
        rules = self.rules
        if not rules.refused.isdisjoint(node) or (
            rules.taken is not None and not rules.taken.issuperset(node)
        ):
            self._keywords(node, path)
        if not _MINDED.isdisjoint(node):
            self._values(node, path)
        if "$ref" in node:
            self._reference(node, path)
        if _is_object(node):
            self._object(node, path, level)
            level += 1
        if "anyOf" in node or len(_listed(node.get("type"))) > 1:
            self.unions += 1
        if not _NESTING.isdisjoint(node):
            for step, inner, _ in _subschemas(node):
                self._visit(inner, (path, step), depth + 1, level)

    def _keywords(self, node: JsonObject, path: Path) -> None:
        taken = self.rules.taken
        for word in node:
            if word in self.rules.refused or (taken is not None and word not in taken):
                self._complain((path, f"/{_escaped(word)}"), "this keyword is not supported")

    def _reference(self, node: JsonObject, path: Path) -> None:
        self.refers = True
        beside = [word for word in node if not word.startswith("$")]
        if beside and self.rules.taken is not None:
            self._complain(path, f"$ref may not stand beside {beside[0]}")

    def _values(self, node: JsonObject, path: Path) -> None:
        """What Anthropic minds about the value of a keyword rather than about the keyword."""
        formats = self.rules.formats
        self.enum_values += len(_listed(node.get("enum")))
        if formats is None:
            return
        form, pattern, least = node.get("format"), node.get("pattern"), node.get("minItems", 0)
        if isinstance(form, str) and form not in formats:
            self._complain((path, "/format"), f"the format {form[:40]} is not supported")
        if isinstance(pattern, str) and _UNKNOWN_REGEX.search(pattern):
            self._complain((path, "/pattern"), "no lookaround, back reference or \\b")
        if least not in (0, 1):
            self._complain((path, "/minItems"), "only 0 and 1 are supported")
        if any(isinstance(value, Mapping | list | tuple) for value in _listed(node.get("enum"))):
            self._complain((path, "/enum"), "only strings, numbers, booleans and null")

    def _object(self, node: JsonObject, path: Path, level: int) -> None:
        rules = self.rules
        if rules.is_closed and node.get("additionalProperties") is not False:
            self._complain(path, "strict mode needs additionalProperties: false")
        names = node.get("properties")
        if isinstance(names, Mapping):
            required = _required(node)
            left_out = [name for name in names if name not in required]
            self.properties += len(names)
            self.optionals += len(left_out)
            if rules.all_required and left_out:
                named = ", ".join(left_out[:3]) + (", …" if len(left_out) > 3 else "")
                self._complain(path, f"strict mode needs every property in required: {named}")
        if rules.levels is not None and level > rules.levels:
            self._complain(path, f"nested deeper than {rules.levels} objects")

    def _follow(self, node: Json, path: Path, depth: int, entered: tuple[str, ...]) -> None:
        """References that lead back to where they are, and those that lead nowhere."""
        if not isinstance(node, Mapping) or depth > MAX_DEPTH:
            return
        reference = node.get("$ref")
        if isinstance(reference, str):
            target = _resolve(self.root, reference)
            said = reference[:80]
            if reference in entered:
                self._complain((path, "/$ref"), f"{said} refers to itself")
            elif target is None:
                self._complain((path, "/$ref"), f"{said} is not in this schema")
            elif reference not in self.followed:
                self.followed.add(reference)
                there = (None, reference.removeprefix("#"))
                self._follow(target, there, depth + 1, (*entered, reference))
            return
        for step, inner, may_miss in _subschemas(node):
            if step.startswith(("/$defs/", "/definitions/")):
                continue  # what refers to them leads there
            if may_miss and self.rules.recursion == "optional":
                continue
            self._follow(inner, (path, step), depth + 1, entered)


def _subschemas(node: JsonObject) -> Iterator[tuple[str, Json, bool]]:
    """The schemas directly in a schema: where, what, and whether an instance may leave it out."""
    for word in _NAMED:
        named = node.get(word)
        if isinstance(named, Mapping):
            required: AbstractSet[str] = _required(node) if word == "properties" else named.keys()
            for name, inner in named.items():
                yield f"/{word}/{_escaped(name)}", inner, name not in required
    for word in _LISTED:
        for index, inner in enumerate(_listed(node.get(word))):
            yield f"/{word}/{index}", inner, False
    for word in _SINGLE:
        if isinstance(node.get(word), Mapping):
            yield f"/{word}", node[word], False


def _required(node: JsonObject) -> frozenset[str]:
    """By hash: a schema has as many names to look for as there are to look among."""
    return frozenset(name for name in _listed(node.get("required")) if isinstance(name, str))


def _is_object(node: JsonObject) -> bool:
    kind = node.get("type")
    if kind is None:
        return "properties" in node
    return kind == "object" or "object" in _listed(kind)


def _listed(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else ()


def _resolve(root: JsonObject, reference: str) -> Json:
    """What a local reference points to, or None.

    Each place has one spelling (RFC 6901), so who follows references goes to each but once.
    """
    if not _LOCAL.fullmatch(reference):
        return None
    found: Json = root
    for key in reference[1:].split("/")[1:]:
        name = key.replace("~1", "/").replace("~0", "~")
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
