"""Anthropic's errors: their shape, and what each status says."""

from typing_extensions import override

from deployments.simulators.faults import Status

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_MESSAGES = {
    "invalid_request_error": "Invalid request.",
    "authentication_error": "invalid x-api-key",
    "billing_error": "Your credit balance is too low to access the Anthropic API.",
    "rate_limit_error": "This request would exceed your organization's rate limit.",
    "overloaded_error": "Overloaded",
    "api_error": "Internal server error",
}


class AnthropicWireError(Exception):
    """An answer which is an error, in Anthropic's shape; `code` goes to `details.error_code`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,  # noqa: A002 - the field's name on the wire
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(status, message, type, code, retry_after_s)
        self.status = status
        self.message = message
        self.type = type or _TYPES.get(status, "api_error")
        self.code = code
        self.retry_after_s = retry_after_s

    @override
    def __str__(self) -> str:
        return f"{self.status}: {self.message}"


def scripted_error(fault: Status) -> AnthropicWireError:
    """Return the error a test has asked for, completed with what Anthropic says by default."""
    kind = fault.type or _TYPES.get(fault.status, "api_error")
    message = fault.message or _MESSAGES.get(kind, kind)
    return AnthropicWireError(
        fault.status, message, type=kind, code=fault.code, retry_after_s=fault.retry_after_s
    )


def error_body(
    kind: str, message: str, request_id: str, code: str | None = None
) -> dict[str, object]:
    """Return the JSON of an error, for an answer or for an event inside a stream."""
    error: dict[str, object] = {"type": kind, "message": message}
    if code:
        error["details"] = {"error_code": code}
    return {"type": "error", "error": error, "request_id": request_id}
