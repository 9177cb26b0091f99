"""Our errors with the status and the field names that a vendor's client expects.

The same errors as in `problem.py`, which stays the only place that classifies them; a
vendor's shape is put around them in `openai_errors.py` and `anthropic_errors.py`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
from starlette.responses import Response

from deployments.ingress import problem
from deployments.security.rate_headers import RATE_LIMIT, RATE_LIMIT_POLICY
from routing.errors import (
    BudgetExceeded,
    ConflictError,
    DeadlineExceeded,
    ErrorKind,
    NoPlatformAvailable,
    PlatformError,
    RequestError,
    Violation,
)

# Places that only our own routes have, by what takes their part on a vendor's.
_PLACES: Mapping[str, str | None] = {
    "/platform": "model",
    "/message": "messages",
    "/requirements/max_cost": "x-supportmax-max-cost",
    "/requirements/max_latency_ms": "x-supportmax-max-latency-ms",
    "/requirements/capabilities": "x-supportmax-capabilities",
    "/requirements/regions": "x-supportmax-regions",
    "/requirements/min_quality": "x-supportmax-min-quality",
    "/tools": "tools",
    "/images": None,  # somewhere in the messages; each vendor has another place for a schema
    "/response_schema": None,
}
# Pydantic names the chosen branch of a union in the path; the caller's body has no such key.
_BRANCHES = re.compile(
    r"(/\d+)/(?:text|refusal|message|function_call|function_call_output|reasoning|input_text"
    r"|output_text|tool_use|tool_result|thinking|redacted_thinking|input_image|image"
    r"|image_url(?=/image_url))(?=/|$)"
    r"|(/(?:format|response_format|tool_choice|source))"
    r"/(?:text|json_schema|mode|named|some|base64|url)(?=/|$)"
)
_SHOWN = 5
_TOLD = ("www-authenticate", "retry-after", "connection", RATE_LIMIT, RATE_LIMIT_POLICY)


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as both vendors need it. `param` is the field at fault, as they write fields."""

    status: int
    code: str
    message: str
    param: str | None = None


def invalid(where: str, message: str) -> RequestError:
    """The refusal of the one field at the JSON pointer `where`."""
    return RequestError("invalid_request", message, (Violation(where, message),))


def fault_of(error: Exception) -> Fault:
    """`error`, classified; an unexpected one says nothing of the inside."""
    return _fault(error, problem.document(error))


def _fault(error: Exception, told: Mapping[str, object]) -> Fault:
    status, code, message = int(str(told["status"])), str(told["code"]), str(told["detail"])
    match error:
        case ConflictError(code="conversation_locked"):
            return Fault(status, code, message, "conversation")
        case RequestError(code="model_not_found"):
            return Fault(404, code, message, "model")
        case RequestError():
            # 422 where it is ours to choose; vendors say 400, and their clients expect it.
            return _request_fault(error, 400 if status == 422 else status, message)
        case PlatformError(kind=ErrorKind.INVALID_REQUEST):
            # On these routes the messages and schemas are the caller's own words.
            return Fault(400, code, message)
        case NoPlatformAvailable() | DeadlineExceeded():
            tried = ", ".join(f"{a.platform}: {a.kind.value}" for a in error.attempts)
            return Fault(status, code, f"{message} ({tried})" if tried else message)
        case _:
            return Fault(status, code, message)


def respond(error: Exception, shape: Callable[[Fault], object]) -> Response:
    """`error` as a response whose body is `shape` of its fault, with the usual headers."""
    told = problem.document(error)
    usual = problem.headers(error, int(str(told["status"])))
    headers = {name: usual[name] for name in usual if name.lower() in _TOLD}
    if isinstance(error, BudgetExceeded):
        # Their clients repeat a 429 of themselves, unless they are told not to: not before midnight.
        headers["x-should-retry"] = "false"
    fault = _fault(error, told)
    body = orjson.dumps(shape(fault))
    return Response(body, fault.status, headers, media_type="application/json")


def _request_fault(error: RequestError, status: int, message: str) -> Fault:
    where = [_param(violation.where) for violation in error.violations]
    if error.code == "invalid_request" and error.violations:
        said = [v.message for v in error.violations]
        message = "; ".join(
            f"{place}: {text}" if place else text
            for place, text in zip(where[:_SHOWN], said, strict=False)
        )
    return Fault(status, error.code, message, where[0] if where else None)


def _param(pointer: str) -> str | None:
    """A JSON pointer as vendors write it: `messages[0].content`."""
    if pointer in _PLACES:
        return _PLACES[pointer]
    if not pointer.startswith("/"):
        return pointer.removeprefix("header:") or None
    path = _BRANCHES.sub(lambda found: found[1] or found[2], pointer)
    parts = [p.replace("~1", "/").replace("~0", "~") for p in path[1:].split("/")]
    return "".join(f"[{p}]" if p.isdigit() else f".{p}" for p in parts).removeprefix(".")
