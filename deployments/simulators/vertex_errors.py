"""Google's errors: google.rpc.Status as JSON, and what each status says."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic.alias_generators import to_snake
from pydantic_core import ErrorDetails
from typing_extensions import override

from deployments.simulators.faults import Status

_DOMAIN = "aiplatform.googleapis.com"


@dataclass(frozen=True, slots=True)
class _Default:
    status: str
    message: str


_DEFAULTS = {
    400: _Default("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: _Default(
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
        "cookie or other valid authentication credential.",
    ),
    403: _Default("PERMISSION_DENIED", "The caller does not have permission"),
    404: _Default("NOT_FOUND", "Requested entity was not found."),
    408: _Default("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
    409: _Default("ABORTED", "The operation was aborted."),
    413: _Default("INVALID_ARGUMENT", "Request payload size exceeds the limit."),
    429: _Default("RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later."),
    499: _Default("CANCELLED", "The operation was cancelled."),
    500: _Default("INTERNAL", "Internal error encountered."),
    503: _Default("UNAVAILABLE", "The service is currently unavailable."),
    504: _Default("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}
_CLIENT_ERROR = _DEFAULTS[400]
_SERVER_ERROR = _Default("UNAVAILABLE", "The service is currently unavailable.")
_CODES = {default.status: code for code, default in reversed(_DEFAULTS.items())}


class VertexWireError(Exception):
    """An answer which is an error, in Google's shape; `reason` goes to an ErrorInfo."""

    def __init__(
        self,
        code: int,
        message: str | None = None,
        *,
        status: str | None = None,
        reason: str | None = None,
        field: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code, message, status, reason, field, retry_after_s)
        default = _DEFAULTS.get(code, _SERVER_ERROR if code >= 500 else _CLIENT_ERROR)
        self.code = code
        self.message = message or default.message
        self.status = status or default.status
        self.reason = reason
        self.field = field
        self.retry_after_s = retry_after_s

    @override
    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @property
    def body(self) -> dict[str, object]:
        """The JSON body of the answer, or of an event inside a stream."""
        error: dict[str, object] = {
            "code": self.code,
            "message": self.message,
            "status": self.status,
        }
        if details := self._details():
            error["details"] = details
        return {"error": error}

    def _details(self) -> list[dict[str, object]]:
        details: list[dict[str, object]] = []
        if self.reason:
            info = {"reason": self.reason, "domain": _DOMAIN, "metadata": {"service": _DOMAIN}}
            details.append({"@type": "type.googleapis.com/google.rpc.ErrorInfo", **info})
        if self.field:
            violation = {"field": self.field, "description": self.message}
            details.append(
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [violation],
                }
            )
        if self.retry_after_s is not None:
            details.append(
                {
                    "@type": "type.googleapis.com/google.rpc.RetryInfo",
                    "retryDelay": f"{self.retry_after_s:g}s",
                }
            )
        return details


def scripted_error(fault: Status) -> VertexWireError:
    """Return the error a test has asked for, completed with what Google says by default."""
    return VertexWireError(
        fault.status,
        fault.message,
        status=fault.type,
        reason=fault.code,
        retry_after_s=fault.retry_after_s,
    )


def stream_error(status: str | None, message: str | None) -> VertexWireError:
    """Return the error inside a stream, by the name of its status."""
    status = status or "UNAVAILABLE"
    return VertexWireError(_CODES.get(status, 503), message, status=status)


def invalid_request(problem: ErrorDetails) -> VertexWireError:
    """Put pydantic's finding into Google's words."""
    *parents, last = problem["loc"] or ("",)
    if problem["type"] == "extra_forbidden":
        where = _path(parents)
        place = f" at '{where}'" if where else ""
        return VertexWireError(
            400,
            f'Invalid JSON payload received. Unknown name "{last}"{place}: Cannot find field.',
            field=where or None,
        )
    path = _path(problem["loc"])
    return VertexWireError(400, f"Invalid value at '{path}': {problem['msg']}", field=path)


def _path(loc: Sequence[int | str]) -> str:
    """Write a location as Google does: `contents[0].parts[1].function_call`."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += f".{to_snake(part)}" if path else to_snake(part)
    return path
