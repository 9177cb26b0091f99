"""What leaves is what the route table says: an answer that is not of its row's model is not sent.

The description of a route is a promise to whoever reads it and a fence for what stands behind it: a
field that nobody described does not leave, however it came into the answer.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import orjson
from pydantic import ValidationError

from routing.errors import SupportMaxError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.config import ExtraValues
    from pydantic_core import ErrorDetails
    from starlette.responses import Response

    from deployments.ingress.routes import Operation

_log = logging.getLogger(__name__)

PLACES_MAX = 20
"""Of an answer that is wrong in many places, the log names this many."""


class WrongAnswer(SupportMaxError):
    """A handler's answer is not what its route promises: a mistake of ours, and said to be no more."""

    code = "internal_error"


def checked(op: "Operation", response: "Response") -> "Response":
    """`response`, which is as its row says. A stream is looked at where it is written.

    An answer of a whole chat takes 20 to 50 us (2 to 6 KB, twenty candidates), 1 % of the CPU
    that its request takes, so none is left out.

    Raises:
        WrongAnswer: it is not; what is wrong is in the log, without what it says.
    """
    if response.status_code not in _done(op):
        raise _wrong(_row(op), f"the status {response.status_code} is not in the table")
    # A stream has no body yet.
    body: object = getattr(response, "body", None)
    if op.answer is not None and isinstance(body, bytes) and _is_json(response):
        _fits(_row(op), op.answer, body)
    return response


def checked_event(where: str, model: "type[BaseModel]", data: Mapping[str, object]) -> None:
    """Return if a stream's last event is what the same answer would be without a stream.

    Raises:
        WrongAnswer: it is not; `where` is in the log.
    """
    _fits(where, model, orjson.dumps(data))


def _fits(where: str, model: "type[BaseModel]", body: bytes) -> None:
    """Return if the JSON of `body` is a `model`, without a field more.

    Raises:
        WrongAnswer: it is not.
    """
    # A model that takes any field says so; all others are taken at their word.
    extra: ExtraValues = "allow" if model.model_config.get("extra") == "allow" else "forbid"
    try:
        model.__pydantic_validator__.validate_json(body, strict=True, extra=extra)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        places = "; ".join(f"{_place(e)}: {e['type']}" for e in found[:PLACES_MAX])
        raise _wrong(where, places) from None


def _done(op: "Operation") -> frozenset[int]:
    return frozenset({200, *map(int, op.further)})


def _is_json(response: "Response") -> bool:
    kind = response.headers.get("content-type", "").partition(";")[0]
    return kind == "application/json" or kind.endswith("+json")


def _place(error: "ErrorDetails") -> str:
    """Where, in names of ours: below a field may be keys that a caller chose."""
    loc = error["loc"]
    missing = loc[-1:] if error["type"] == "missing" and len(loc) > 1 else ()
    return "/".join(map(str, (*loc[:1], *missing))) or "/"


def _row(op: "Operation") -> str:
    return f"{op.method} {op.path}"


def _wrong(where: str, what: str) -> WrongAnswer:
    _log.error("%s answers what it does not promise: %s", where, what)
    return WrongAnswer(where)
