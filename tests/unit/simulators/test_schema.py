"""Structured output: the value fits its schema and follows what was said."""

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from deployments.simulators.schema import StrictViolation, fill_schema, strict_violations

TICKET = {
    "type": "object",
    "properties": {
        "category": {"enum": ["billing", "technical", "account"]},
        "summary": {"type": "string", "maxLength": 20},
        "urgent": {"type": "boolean"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "attempts": {"type": "integer"},
        "sources": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "customer": {"$ref": "#/$defs/customer"},
        "note": {"anyOf": [{"type": "null"}, {"type": "string"}]},
        "due": {"type": ["null", "string"], "format": "date"},
        "kind": {"const": "ticket"},
    },
    "required": ["category", "summary"],
    "additionalProperties": False,
    "$defs": {
        "customer": {
            "type": "object",
            "properties": {"email": {"type": "string", "format": "email"}},
            "required": ["email"],
        }
    },
}


def test_a_filled_schema_is_valid_by_the_reference_validator() -> None:
    """Structured output is only worth its name when an outside judge accepts it."""
    value = fill_schema(TICKET, "Refunds take 14 days, write to ada@example.org.", "Billing?")
    Draft202012Validator(TICKET).validate(value)


def test_a_choice_follows_the_question_and_a_string_the_answer() -> None:
    """A triage ticket must be about what the customer said."""
    value = fill_schema(TICKET, "Refunds take 14 days.", "My account is locked")
    assert isinstance(value, dict)
    assert value["category"] == "account"
    assert value["summary"] == "Refunds take 14 days"


def test_a_schema_which_contains_itself_ends() -> None:
    """A recursive schema must not hang the simulator."""
    tree = {"type": "object", "properties": {"child": {"$ref": "#"}}}
    assert isinstance(fill_schema(tree, "text"), dict)


def test_a_pattern_of_another_dialect_is_survived() -> None:
    """JSON schemas carry JavaScript's patterns, which Python may not know."""
    assert fill_schema({"type": "string", "pattern": r"\p{L}+"}, "word") == "word"


@pytest.mark.parametrize(
    ("schema", "first"),
    [
        ({"type": "object", "properties": {}, "additionalProperties": False}, None),
        ({"type": "object", "properties": {}}, StrictViolation(())),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
            StrictViolation((), "a"),
        ),
        (
            {
                "type": "object",
                "properties": {"a": {"type": "object"}},
                "required": ["a"],
                "additionalProperties": False,
            },
            StrictViolation(("properties", "a")),
        ),
    ],
)
def test_strict_mode_wants_closed_objects_and_every_property_required(
    schema: dict[str, object], first: StrictViolation | None
) -> None:
    """A schema the vendors would refuse must be refused here first."""
    assert next(strict_violations(schema), None) == first
