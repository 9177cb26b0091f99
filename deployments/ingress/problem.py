"""Our errors as RFC 9457 problem documents: the only place that knows HTTP status codes."""

import logging
import math
from collections.abc import Mapping

import orjson
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from actors.audit.errors import AuditUnavailable
from actors.coordinator.errors import CoordinatorUnavailable
from actors.database.errors import DatabaseBusy, DatabaseUnavailable, KeysUnavailable
from actors.sealing.errors import SealBroken
from deployments.privacy.names import NamesUnavailable
from deployments.refused import pointer_to, refused
from deployments.security.errors import IdentityProviderUnavailable, RateLimited
from routing.errors import (
    AccessError,
    BudgetExceeded,
    BudgetUnavailable,
    ConflictError,
    DeadlineExceeded,
    MisdirectedRequest,
    NoPlatformAvailable,
    PlatformError,
    RequestError,
    SupportMaxError,
    Violation,
)

_log = logging.getLogger(__name__)

_REQUEST_STATUS: Mapping[str, int] = {
    "malformed_json": 400,
    "invalid_token": 400,
    "unknown_route": 404,
    "method_not_allowed": 405,
    "body_too_slow": 408,
    "body_too_large": 413,
    "unsupported_media_type": 415,
}
_ACCESS_STATUS: Mapping[str, int] = {
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "rate_limited": 429,
    "address_not_allowed": 403,
}
_TITLES: Mapping[int, str] = {
    400: "The request is not readable",
    401: "Who is calling is unknown",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "The body did not come in time",
    409: "In conflict with another request",
    413: "The body is too large",
    415: "The content type is not supported",
    421: "Another region serves this tenant",
    422: "The request cannot be met as it is",
    429: "Too many requests",
    500: "SupportMax made a mistake",
    502: "The platform failed in the middle of its answer",
    503: "Cannot be answered now",
    504: "The deadline passed before an answer",
}
# Without a platform's own word: long enough for a breaker's probe, short enough for a person.
_DEFAULT_RETRY_S = 5


def document(error: Exception) -> dict[str, object]:
    """The problem document of `error`; an unexpected one says nothing of the inside."""
    status, code, detail = _classify(error)
    if status == 500:
        _log.error("unexpected error", exc_info=error)
    body: dict[str, object] = {
        "type": f"urn:supportmax:problem:{code}",
        "title": _TITLES[status],
        "status": status,
        "detail": detail,
        "code": code,
    }
    if isinstance(error, RequestError) and error.violations:
        body["errors"] = [{"pointer": v.where, "message": v.message} for v in error.violations]
    if isinstance(error, BudgetExceeded):
        body["budget"] = error.budget
        body["left_usd"] = float(error.left_usd)
    if isinstance(error, MisdirectedRequest):
        body["region"] = error.region
    if isinstance(error, NoPlatformAvailable | DeadlineExceeded):
        body["attempts"] = [
            {"platform": a.platform, "outcome": a.kind.value, "detail": a.detail}
            for a in error.attempts
        ]
    return body


def response(error: Exception) -> Response:
    """`error` as an HTTP response, with the headers its status calls for."""
    body = document(error)
    status = int(str(body["status"]))
    return Response(
        orjson.dumps(body), status, headers(error, status), media_type="application/problem+json"
    )


def headers(error: Exception, status: int) -> dict[str, str]:
    """What the answer to `error` has beside its body."""
    told: dict[str, str] = {}
    if status == 401:
        told["WWW-Authenticate"] = 'Bearer realm="supportmax"'
    if status == 408:
        told["Connection"] = "close"  # what is still to come of the body is nobody's
    if (wait_s := retry_after_s(error)) is not None:
        told["Retry-After"] = str(wait_s)
    if isinstance(error, RateLimited):
        told |= error.headers
    return told


def from_validation(error: ValidationError) -> RequestError:
    """What pydantic refused, each with a JSON pointer; the values themselves stay out."""
    found = refused(error)
    if any(e["type"] == "json_invalid" for e in found):
        return RequestError("malformed_json", "The body is not JSON: " + found[0]["msg"])
    violations = tuple(Violation(pointer_to(e["loc"]), e["msg"]) for e in found)
    where = ", ".join(v.where or "/" for v in violations[:5])
    return RequestError("invalid_request", f"Not as this route expects it: {where}", violations)


def from_http(error: HTTPException) -> SupportMaxError:
    """Starlette's own refusals in our words."""
    match error.status_code:
        case 404:
            return RequestError("unknown_route", "There is nothing at this address.")
        case 405:
            return RequestError("method_not_allowed", "This address takes another method.")
        case 413:
            return RequestError("body_too_large", error.detail)
        case _:
            return RequestError("malformed_json", error.detail)


def _classify(error: Exception) -> tuple[int, str, str]:  # noqa: C901, PLR0911  one table
    match error:
        case RequestError():
            return _REQUEST_STATUS.get(error.code, 422), error.code, error.detail
        case AccessError():
            return _ACCESS_STATUS[error.code], error.code, error.detail
        case ConflictError():
            return 409, error.code, error.detail
        case DeadlineExceeded():
            return 504, error.code, error.detail
        case (
            NoPlatformAvailable()
            | BudgetUnavailable()
            | CoordinatorUnavailable()
            | IdentityProviderUnavailable()
            | AuditUnavailable()
            | NamesUnavailable()
        ):
            return 503, error.code, error.detail
        case MisdirectedRequest():
            return 421, error.code, error.detail
        case BudgetExceeded():
            return 429, error.code, error.detail
        case DatabaseBusy() | DatabaseUnavailable():
            return 503, error.code, "The store cannot take this now; try again."
        case SealBroken():
            # Where it lies is for whoever runs this, in the log and the audit; nobody is shown it.
            return 500, error.code, "What is kept here is not what was sealed there."
        case PlatformError():
            return 502, error.code, f"{error.platform}: {error.kind.value}: {error.detail}"
        case _:
            return 500, "internal_error", "The error was logged; the request may be tried again."


def retry_after_s(error: Exception) -> int | None:
    """How long to wait before asking again, None where waiting alone changes nothing."""
    if _classify(error)[0] not in {409, 429, 503}:
        return None
    match error:
        case (
            BudgetExceeded(retry_after_s=wait)
            | BudgetUnavailable(retry_after_s=wait)
            | KeysUnavailable(retry_after_s=wait)
            | NamesUnavailable(retry_after_s=wait)
        ):
            return max(1, math.ceil(wait))
        case AccessError(retry_after_s=float(wait)):
            return max(1, math.ceil(wait))
        case NoPlatformAvailable():
            waits = [a.retry_after_s for a in error.attempts if a.retry_after_s is not None]
            return max(1, math.ceil(min(waits))) if waits else _DEFAULT_RETRY_S
        case _:
            return _DEFAULT_RETRY_S
