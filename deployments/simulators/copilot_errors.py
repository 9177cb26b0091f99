"""The errors of Copilot Studio's wires: their shape, and the failures an agent says aloud."""

from typing_extensions import override

from deployments.simulators.faults import ErrorEvent, Status

_CODES = {
    400: "BadArgument",
    401: "Unauthorized",
    403: "Forbidden",
    404: "BadArgument",
    413: "MessageSizeTooBig",
    429: "TooManyRequests",
    502: "BotError",
}
_MESSAGES = {
    "Unauthorized": "Invalid token or secret",
    "BotError": "Failed to send activity: bot returned an error",
    "TokenExpired": "Token has expired",
    "TooManyRequests": "Rate limit is exceeded. Try again later.",
}
_SORRY = "Sorry, something unexpected happened."


class CopilotWireError(Exception):
    """An answer which is an error, in Microsoft's shape."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(status, message, code, retry_after_s)
        self.status = status
        self.code = code or _CODES.get(status, "ServiceError")
        self.message = message or _MESSAGES.get(self.code, "The request failed.")
        self.retry_after_s = retry_after_s

    @override
    def __str__(self) -> str:
        return f"{self.status}: {self.message}"


def scripted_error(fault: Status) -> CopilotWireError:
    """Return the error a test has asked for."""
    return CopilotWireError(
        fault.status, fault.message, code=fault.code, retry_after_s=fault.retry_after_s
    )


def error_body(error: CopilotWireError) -> dict[str, object]:
    """Return the JSON of an error."""
    return {"error": {"code": error.code, "message": error.message}}


def spoken_failure(fault: ErrorEvent | None, conversation_id: str, when: str) -> str:
    """Return what an agent says when it fails; without a fault its filter has spoken."""
    if fault is None:
        said = "The content was filtered due to Responsible AI restrictions."
        code: str = "ContentFiltered"
    else:
        said, code = fault.message or _SORRY, fault.code or "SystemError"
    return f"{said}\nError code: {code}.\nConversation ID: {conversation_id}.\nTime (UTC): {when}."
