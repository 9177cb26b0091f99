"""What a query may say: how long a text is, is seen to at the door by what /openapi.json says of it.

Other numbers and other words than those that are described are refused by whoever reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from routing.errors import RequestError, Violation

if TYPE_CHECKING:
    from starlette.requests import Request

NAME_MAX = 512
"""Characters of a name: somebody's subject has 288 at most, a customer's id 512."""
# 2026-11-01T12:00:00.000000+01:00 has 32.
_MOMENT_MAX = 64


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a query; `schema` is JSON Schema's."""

    meaning: str
    schema: Mapping[str, object]


def text(meaning: str, most: int = NAME_MAX, least: int = 1) -> Parameter:
    """A text of `least` to `most` characters; no other one comes to a handler."""
    return Parameter(meaning, {"type": "string", "minLength": least, "maxLength": most})


def moment(meaning: str) -> Parameter:
    """A date, or a moment of RFC 3339."""
    return text(meaning, _MOMENT_MAX)


def number(meaning: str, least: int, most: int) -> Parameter:
    """A whole number."""
    return Parameter(meaning, {"type": "integer", "minimum": least, "maximum": most})


def word(meaning: str, *words: str) -> Parameter:
    """One of these words."""
    return Parameter(meaning, {"type": "string", "enum": [*words]})


def must_be_as_long(request: "Request", query: Mapping[str, Parameter]) -> None:
    """Return if every text of the query is as long as its row says, however often it stands there.

    Raises:
        RequestError: one is not.
    """
    for name, value in request.query_params.multi_items():
        schema = query[name].schema if name in query else {}
        least, most = schema.get("minLength", 0), schema.get("maxLength", len(value))
        if isinstance(least, int) and isinstance(most, int) and not least <= len(value) <= most:
            message = f"It has {least} to {most} characters."
            raise RequestError("invalid_request", message, (Violation(f"/{name}", message),))
