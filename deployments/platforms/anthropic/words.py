"""Anthropic's vocabulary of failure: its error types and codes in our words."""

from collections.abc import Mapping

from deployments.platforms.errors import Complaint, codes_of, vendor_error
from deployments.platforms.vendor_json import object_in, text_in, try_object
from routing.errors import ErrorKind, PlatformError
from routing.message import JsonObject

# `invalid_request_error` is left out: it is what they say when only the prose tells.
WORDS: Mapping[str, ErrorKind] = {
    "rate_limit_error": ErrorKind.RATE_LIMITED,
    "ramp_limit_exceeded": ErrorKind.RATE_LIMITED,
    "billing_error": ErrorKind.QUOTA_EXHAUSTED,
    "contract_spend_limit_reached": ErrorKind.QUOTA_EXHAUSTED,
    "enforced_spend_limit_reached": ErrorKind.QUOTA_EXHAUSTED,
    "linked_organization_spend_limit_reached": ErrorKind.QUOTA_EXHAUSTED,
    "linked_organization_billing_unavailable": ErrorKind.QUOTA_EXHAUSTED,
    "overloaded_error": ErrorKind.OVERLOADED,
    "api_error": ErrorKind.OVERLOADED,
    "timeout_error": ErrorKind.TIMEOUT,
    "authentication_error": ErrorKind.CREDENTIALS,
    "permission_error": ErrorKind.PERMISSION,
    "organization_on_hold": ErrorKind.PERMISSION,
    "not_found_error": ErrorKind.MODEL_GONE,
    "request_too_large": ErrorKind.CONTEXT_TOO_LONG,
}


def complaint_of(error: JsonObject) -> Complaint:
    """What an `error` object says, in a body or in an event: `details.error_code`, then `type`."""
    code = object_in(error, "details").get("error_code")
    return Complaint(codes_of(code, error.get("type")), text_in(error, "message"))


def status_error(
    platform: str, body: bytes, status: int, headers: Mapping[str, str]
) -> PlatformError:
    """The error an HTTP status other than 200 comes to; a body that is no JSON is quoted."""
    error = object_in(try_object(body), "error")
    complaint = complaint_of(error) if error else Complaint((), body.decode(errors="replace"))
    return vendor_error(platform, complaint, WORDS, status, headers)
