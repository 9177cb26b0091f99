"""Text that can be kept: no database of ours takes U+0000, and a name has no control characters.

Refused at the door, so that it is the same refusal on either database and nobody's mistake below.
"""

import re
from typing import TYPE_CHECKING

from routing.errors import AccessError, RequestError, Violation

if TYPE_CHECKING:
    from starlette.requests import Request

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# In JSON as it is written; a backslash before it is one that is escaped itself.
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def must_name(request: "Request") -> None:
    """Return if everything in the path can be somebody's name, which is not nothing.

    Raises:
        AccessError: not_found, since nothing has that name.
    """
    names = map(str, request.path_params.values())
    if any(not name or _CONTROL.search(name) for name in names):
        raise AccessError("not_found", "There is nothing of that name.")


def must_ask(request: "Request") -> None:
    """Return if every parameter of the query is text.

    Raises:
        RequestError: one is not.
    """
    for name, value in request.query_params.multi_items():
        if _CONTROL.search(value):
            where = "/" + _CONTROL.sub("", name)
            message = "A control character is in it."
            raise RequestError("invalid_request", message, (Violation(where, message),))


def must_keep(body: bytes) -> None:
    """Return if no string of a JSON body has U+0000 in it; 2 us for each 10 KB.

    Raises:
        RequestError: one has.
    """
    if b"\\u0000" in body and _NUL.search(body):
        message = "U+0000 is in it, which is no text."
        raise RequestError("invalid_request", message, (Violation("", message),))
