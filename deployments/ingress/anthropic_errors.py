"""Our errors in Anthropic's shape, so that its clients raise their own classes."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel
from starlette.responses import Response

from actors.randomness import random_name
from deployments.ingress.routes import ErrorShape
from deployments.ingress.vendor_errors import Fault, fault_of, respond
from deployments.security.trail import request_id

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


class AnthropicErrorDetail(BaseModel):
    """What went wrong; Anthropic has no field for the parameter, so the message names it."""

    type: str
    message: str


class AnthropicError(BaseModel):
    """An error as Anthropic's clients read it."""

    type: Literal["error"]
    error: AnthropicErrorDetail
    request_id: str


def body(error: Exception) -> dict[str, object]:
    """The data of a stream's `error` event."""
    return _shape(fault_of(error))


def response(error: Exception) -> Response:
    """`error` as an HTTP response."""
    named = _request_id()
    refusal = respond(error, lambda fault: _shape(fault, named))
    refusal.headers["request-id"] = named
    return refusal


ANTHROPIC_ERRORS = ErrorShape(response, AnthropicError, "application/json", unmet="400")


def _shape(fault: Fault, named: str | None = None) -> dict[str, object]:
    fallback = "api_error" if fault.status >= 500 else "invalid_request_error"
    return {
        "type": "error",
        "error": {"type": _TYPES.get(fault.status, fallback), "message": fault.message},
        "request_id": named or _request_id(),
    }


def _request_id() -> str:
    return request_id.get() or f"req_{random_name()}"
