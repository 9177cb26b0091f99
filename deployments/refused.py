"""What pydantic refused of a caller's JSON: without the values, and no more of it than is worth saying."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import ErrorDetails

ERRORS_MAX = 100
"""Errors that are told one by one. The library builds all of them or none, for 10 us and 1 KB each; a
body of 1 MiB can have 500,000."""

PART_MAX = 64
"""Characters of a key in a pointer: whoever sent it knows it by its beginning."""

_SAID_MAX = 300  # of an explanation, in which the library quotes a word that it does not know


def refused(error: "ValidationError") -> "Sequence[ErrorDetails]":
    """Each thing that is wrong; where there are more than `ERRORS_MAX`, that alone, as one of them."""
    count = error.error_count()
    if count > ERRORS_MAX:
        message = f"It is wrong in {count} places; up to {ERRORS_MAX} are named one by one"
        return [{"type": "too_many_errors", "loc": (), "msg": message, "input": None}]
    found = error.errors(include_url=False, include_input=False)
    for each in found:
        each["msg"] = each["msg"][:_SAID_MAX]
    return found


def pointer_to(parts: Sequence[str | int]) -> str:
    """RFC 6901: the keys are the caller's, and may hold the pointer's own signs."""
    return "".join(
        "/" + str(part)[:PART_MAX].replace("~", "~0").replace("/", "~1") for part in parts
    )
