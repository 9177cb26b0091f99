"""OpenAI's vocabulary of failure: its error codes in our words."""

from collections.abc import Mapping

from deployments.platforms.errors import Complaint, codes_of, vendor_error
from deployments.platforms.vendor_json import object_in, text_in, try_object
from routing.errors import ErrorKind, PlatformError
from routing.message import JsonObject

WORDS: Mapping[str, ErrorKind] = {
    "rate_limit_exceeded": ErrorKind.RATE_LIMITED,
    "slow_down": ErrorKind.RATE_LIMITED,
    "insufficient_quota": ErrorKind.QUOTA_EXHAUSTED,
    "credit_balance_exhausted": ErrorKind.QUOTA_EXHAUSTED,
    "billing_hard_limit_reached": ErrorKind.QUOTA_EXHAUSTED,
    "billing_not_active": ErrorKind.QUOTA_EXHAUSTED,
    "server_error": ErrorKind.OVERLOADED,
    "vector_store_timeout": ErrorKind.TIMEOUT,
    "invalid_api_key": ErrorKind.CREDENTIALS,
    "data_residency_mismatch": ErrorKind.PERMISSION,
    "unsupported_country_region_territory": ErrorKind.PERMISSION,
    "model_not_found": ErrorKind.MODEL_GONE,
    "DeploymentNotFound": ErrorKind.MODEL_GONE,
    "context_length_exceeded": ErrorKind.CONTEXT_TOO_LONG,
    "string_above_max_length": ErrorKind.CONTEXT_TOO_LONG,
    "content_filter": ErrorKind.CONTENT_FILTERED,
    "content_policy_violation": ErrorKind.CONTENT_FILTERED,
    "invalid_prompt": ErrorKind.CONTENT_FILTERED,
}


def complaint_of(error: JsonObject) -> Complaint:
    """What an `error` object says, wherever it stood: a body, a failed response or an event."""
    return Complaint(codes_of(error.get("code"), error.get("type")), text_in(error, "message"))


def status_error(
    platform: str, body: bytes, status: int, headers: Mapping[str, str]
) -> PlatformError:
    """The error an HTTP status other than 200 comes to; a body that is no JSON is quoted."""
    error = object_in(try_object(body), "error")
    complaint = complaint_of(error) if error else Complaint((), body.decode(errors="replace"))
    return vendor_error(platform, complaint, WORDS, status, headers)
