"""Our errors in OpenAI's shape, so that its clients raise their own classes."""

from collections.abc import Mapping

from pydantic import BaseModel
from starlette.responses import Response

from deployments.ingress.routes import ErrorShape
from deployments.ingress.vendor_errors import Fault, fault_of, respond

# OpenAI's own codes, where it has one for the same thing.
_CODES: Mapping[str, str] = {
    "unauthenticated": "invalid_api_key",
    "unknown_route": "unknown_url",
    "rate_limited": "rate_limit_exceeded",
    "budget_exceeded": "insufficient_quota",
    "context_too_long": "context_length_exceeded",
    "content_refused": "content_policy_violation",
}


class OpenAIErrorDetail(BaseModel):
    """What went wrong; `param` names the field, `code` is stable."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(BaseModel):
    """An error as OpenAI's clients read it."""

    error: OpenAIErrorDetail


def body(error: Exception) -> dict[str, object]:
    """The body of an error response, and the data of the error event of a chat stream."""
    return _shape(fault_of(error))


def code_of(fault: Fault) -> str:
    """The fault's code in OpenAI's vocabulary."""
    return _CODES.get(fault.code, fault.code)


def response(error: Exception) -> Response:
    """`error` as an HTTP response."""
    return respond(error, _shape)


OPENAI_ERRORS = ErrorShape(response, OpenAIError, "application/json", unmet="400")


def _shape(fault: Fault) -> dict[str, object]:
    return {
        "error": {
            "message": fault.message,
            "type": _type(fault),
            "param": fault.param,
            "code": code_of(fault),
        }
    }


def _type(fault: Fault) -> str:
    if fault.status >= 500:
        return "server_error"
    if fault.code == "budget_exceeded":
        return "insufficient_quota"
    return "rate_limit_error" if fault.status == 429 else "invalid_request_error"
