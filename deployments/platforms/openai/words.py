"""OpenAI's vocabulary of failure: its error codes in our words.

Azure speaks the same wire, so the codes of its gateway and of its content filter are here
too: no code means one thing to OpenAI and another to Azure.
"""

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
    "context_length_exceeded": ErrorKind.CONTEXT_TOO_LONG,
    "string_above_max_length": ErrorKind.CONTEXT_TOO_LONG,
    "content_filter": ErrorKind.CONTENT_FILTERED,
    "content_policy_violation": ErrorKind.CONTENT_FILTERED,
    "invalid_prompt": ErrorKind.CONTENT_FILTERED,
    # Azure. Inside a stream its gateway's "429" is all there is to go by.
    "429": ErrorKind.RATE_LIMITED,
    "too_many_requests": ErrorKind.RATE_LIMITED,
    "RateLimitReached": ErrorKind.RATE_LIMITED,
    "RateLimitExceeded": ErrorKind.RATE_LIMITED,
    "NoCapacity": ErrorKind.RATE_LIMITED,
    "no_capacity": ErrorKind.RATE_LIMITED,
    "QuotaExceeded": ErrorKind.QUOTA_EXHAUSTED,
    "InternalServerError": ErrorKind.OVERLOADED,
    "ServiceUnavailable": ErrorKind.OVERLOADED,
    "Timeout": ErrorKind.TIMEOUT,
    "DeploymentNotFound": ErrorKind.MODEL_GONE,
    # The deployment is there, but its model has no Responses API: the configuration's mistake.
    "OperationNotSupported": ErrorKind.MODEL_GONE,
    "ResponsibleAIPolicyViolation": ErrorKind.CONTENT_FILTERED,
}


def complaint_of(error: JsonObject) -> Complaint:
    """What an `error` object says, wherever it stood: a body, a failed response or an event."""
    inner = object_in(error, "innererror").get("code")
    codes = codes_of(error.get("code"), inner, error.get("type"))
    return Complaint(codes, text_in(error, "message"))


def status_error(
    platform: str, body: bytes, status: int, headers: Mapping[str, str]
) -> PlatformError:
    """The error an HTTP status other than 200 comes to; a body that is no JSON is quoted."""
    error = object_in(try_object(body), "error")
    complaint = complaint_of(error) if error else Complaint((), body.decode(errors="replace"))
    return vendor_error(platform, complaint, WORDS, status, headers)
