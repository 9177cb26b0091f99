"""Pydantic's findings as sentences for the person who wrote the file."""

import difflib
from collections.abc import Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from config.document import Document, Loc
from config.settings import Settings
from routing.errors import ConfigError

# Longer texts are not repeated: a key written into the wrong line would be read by many.
_MAX_ECHO = 24

_EXPECTED = {
    "int": "a whole number",
    "number": "a number",
    "float": "a number",
    "decimal": "a price in USD",
    "finite": "a number",
    "bool": "true or false",
    "string": "text (in quotes where it looks like a number)",
    "model": "a block of settings, indented on the lines below",
    "dict": "a block of settings, indented on the lines below",
    "tuple": "a list",
    "list": "a list",
}

# What patterns allow, in words; one that is not here is shown as it is.
_PATTERNS = {
    r"^[a-z][a-z0-9-]{0,31}$": "a small letter, and then small letters, digits and - (32 at most)",
    r"^[a-z0-9-]{1,32}$": "small letters, digits and - (32 at most)",
    r"^[A-Za-z0-9_-]{1,64}$": "letters, digits, _ and - (64 at most)",
    r"^[A-Za-z][A-Za-z0-9-]{0,63}$": "a letter, and then letters, digits and - (64 at most)",
}

_BOUNDS = {
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "string_too_short": "text that is not empty",
    "string_too_long": "text of {max_length} characters or fewer",
    "too_short": "a list of {min_length} or more",
    "too_long": "a list of {max_length} or fewer",
}


def explain_all(found: Sequence[ErrorDetails], document: Document) -> list[ConfigError]:
    """All findings but those that only follow from another: a list is short of the members that are wrong."""
    places = [details["loc"] for details in found]
    return [
        explain(details, document)
        for details in found
        if details["type"] != "too_short"
        or not any(place[:-1] == details["loc"] for place in places if place)
    ]


def is_setting(loc: Loc) -> bool:
    """Whether the last part of `loc` is a key of ours, and no name that the writer of the file chose."""
    return bool(_fields(loc[:-1]))


def explain(details: ErrorDetails, document: Document) -> ConfigError:
    """One finding with file, line, key and what to write instead; never a secret."""
    loc = document.written(details["loc"])
    if details["type"] == "extra_forbidden":
        return document.error(loc, _unknown_key(loc))
    if details["type"] in {"value_error", "assertion_error"}:
        return document.error(loc, str(details.get("ctx", {}).get("error", details["msg"])))
    field = _field(loc)
    if details["type"] == "missing":
        return document.error(loc, f"is missing{_example(loc, field)}")
    written = _written(loc, field, document)
    return document.error(loc, f"{written}{_expected(details)}{_example(loc, field)}")


def _unknown_key(loc: Loc) -> str:
    allowed = sorted(_fields(loc[:-1]))
    meant = difflib.get_close_matches(str(loc[-1]), allowed, n=1)
    hint = f"did you mean {meant[0]}? " if meant else ""
    return f"is not a setting; {hint}possible here: {', '.join(allowed)}"


def _written(loc: Loc, field: FieldInfo | None, document: Document) -> str:
    text = document.texts.get(loc)
    secret = field is not None and _holds(field.annotation, SecretStr)
    if text is None or secret or len(text) > _MAX_ECHO or not text.isprintable():
        return "expected "
    if "${" in text:
        return f"{text} stands for something else in the environment; expected "
    return f"{text!r} is written, but expected " if text else "nothing is written, but expected "


def _expected(details: ErrorDetails) -> str:
    kind = details["type"]
    context: dict[str, Any] = details.get("ctx", {})
    if kind == "literal_error":
        # pydantic lists them as "'a', 'b' or 'c'".
        return f"one of {context.get('expected', '')}".replace("'", "")
    if kind == "string_pattern_mismatch":
        pattern = str(context.get("pattern", ""))
        return _PATTERNS.get(pattern, f"text like {pattern}")
    if kind in _BOUNDS:
        return _BOUNDS[kind].format(**context)
    return _EXPECTED.get(kind.split("_")[0], details["msg"])


def _example(loc: Loc, field: FieldInfo | None) -> str:
    examples = field.examples if field is not None else None
    key = next((part for part in reversed(loc) if isinstance(part, str)), None)
    return f"; for example `{key}: {examples[0]}`" if key is not None and examples else ""


def _field(loc: Loc) -> FieldInfo | None:
    """The setting at `loc`; for a member of a list, the list."""
    while loc and isinstance(loc[-1], int):
        loc = loc[:-1]
    return _fields(loc[:-1]).get(str(loc[-1])) if loc else None


def _fields(loc: Loc) -> dict[str, FieldInfo]:
    """The settings that a block at `loc` may have."""
    model: type[BaseModel] | None = Settings
    is_name = False
    for part in loc:
        if isinstance(part, int):
            continue
        if is_name:  # of a block that its writer named, such as an assistant's
            is_name = False
            continue
        field = None if model is None else model.model_fields.get(part)
        model = None if field is None else _model_in(field.annotation)
        is_name = field is not None and get_origin(field.annotation) is dict
    if model is None:
        return {}
    return {name: field for name, field in model.model_fields.items() if not field.exclude}


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _holds(annotation: object, wanted: type) -> bool:
    return annotation is wanted or any(_holds(part, wanted) for part in get_args(annotation))
