"""Azure OpenAI's errors: its gateway says a code and a message, and little else.

What the model behind the gateway refuses comes in OpenAI's own shape.
"""

from typing_extensions import override

from deployments.simulators.faults import Status
from deployments.simulators.openai_errors import OpenAIWireError

_FILTERED = (
    "The response was filtered due to the prompt triggering Azure OpenAI's content management "
    "policy. Please modify your prompt and retry."
)
_DEFAULTS = {
    401: (
        "401",
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to "
        "provide a valid key for an active subscription and use a correct regional API endpoint "
        "for your resource.",
    ),
    403: ("AccessDenied", "Public access is disabled. Please configure private endpoint."),
    404: (
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment "
        "within the last 5 minutes, please wait a moment and try again.",
    ),
    408: ("Timeout", "The operation was timeout."),
    429: (
        "429",
        "Requests to the Responses Operation have exceeded the call rate limit of your current "
        "pricing tier.",
    ),
    500: ("InternalServerError", "The server had an error while processing your request."),
    503: ("ServiceUnavailable", "The service is temporarily unable to process your request."),
}


class AzureWireError(OpenAIWireError):
    """An answer which is an error of Azure's gateway."""

    def __init__(
        self, status: int, code: str, message: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(status, message, code=code, retry_after_s=retry_after_s)

    @property
    @override
    def body(self) -> dict[str, object]:
        return {"error": {"code": self.code, "message": self.message}}


class AzureFilterError(OpenAIWireError):
    """Azure's content filter has stopped the prompt before the model saw it."""

    @property
    @override
    def body(self) -> dict[str, object]:
        found = {"filtered": False, "severity": "safe"}
        return {
            "error": {
                "message": self.message,
                "type": None,
                "param": "prompt",
                "code": "content_filter",
                "status": self.status,
                "innererror": {
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_result": {
                        "hate": found,
                        "jailbreak": {"filtered": False, "detected": False},
                        "self_harm": found,
                        "sexual": found,
                        "violence": {"filtered": True, "severity": "medium"},
                    },
                },
            }
        }


def known_error(status: int) -> AzureWireError:
    """Return what Azure says with a status when nothing more is known."""
    return AzureWireError(status, *_DEFAULTS.get(status, (str(status), "Something went wrong.")))


def scripted_error(fault: Status) -> OpenAIWireError:
    """Return the error a test has asked for, completed with what Azure says by default."""
    if fault.code == "content_filter":
        return AzureFilterError(fault.status, fault.message or _FILTERED)
    default = known_error(fault.status)
    return AzureWireError(
        fault.status,
        fault.code or default.code or str(fault.status),
        fault.message or default.message,
        fault.retry_after_s,
    )
