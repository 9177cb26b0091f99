"""Google's vocabulary of failure: the codes of google.rpc and the reasons of its services."""

import re
from collections.abc import Iterator, Mapping, Sequence

from deployments.platforms.errors import Complaint, codes_of, vendor_error
from deployments.platforms.vendor_json import object_in, text_in, try_object
from routing.errors import ErrorKind, PlatformError
from routing.message import JsonObject

# `INVALID_ARGUMENT` is left out: it is what they say when only the prose tells.
WORDS: Mapping[str, ErrorKind] = {
    "RESOURCE_EXHAUSTED": ErrorKind.RATE_LIMITED,
    "RATE_LIMIT_EXCEEDED": ErrorKind.RATE_LIMITED,
    "BILLING_DISABLED": ErrorKind.QUOTA_EXHAUSTED,
    "UNAVAILABLE": ErrorKind.OVERLOADED,
    "INTERNAL": ErrorKind.OVERLOADED,
    "UNKNOWN": ErrorKind.OVERLOADED,
    "DATA_LOSS": ErrorKind.OVERLOADED,
    "ABORTED": ErrorKind.OVERLOADED,
    "DEADLINE_EXCEEDED": ErrorKind.TIMEOUT,
    "CANCELLED": ErrorKind.TIMEOUT,
    "UNAUTHENTICATED": ErrorKind.CREDENTIALS,
    "API_KEY_INVALID": ErrorKind.CREDENTIALS,
    "PERMISSION_DENIED": ErrorKind.PERMISSION,
    "FAILED_PRECONDITION": ErrorKind.PERMISSION,  # a region or a project that may not do this
    "NOT_FOUND": ErrorKind.MODEL_GONE,
}

# The HTTP status of these points at the wrong culprit: 403, 499 and 409.
_MORE_THAN_THE_STATUS = frozenset({"BILLING_DISABLED", "CANCELLED", "ABORTED"})
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")


def rpc_error(
    platform: str,
    error: JsonObject,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> PlatformError:
    """The error an `error` object comes to; `status` is None when it came inside a stream."""
    details = tuple(_details(error))
    complaint = _complaint(error, details)
    found = vendor_error(platform, complaint, WORDS, status, headers)
    kind = found.kind
    for code in complaint.codes:
        if code in _MORE_THAN_THE_STATUS:
            kind = WORDS[code]
    if kind is ErrorKind.RATE_LIMITED and _allows_nothing(details):
        kind = ErrorKind.QUOTA_EXHAUSTED
    delay_s = _retry_delay_s(details)
    retry_after_s = found.retry_after_s if delay_s is None else delay_s
    return PlatformError(platform, kind, found.detail, retry_after_s, status)


def status_error(
    platform: str, body: bytes, status: int, headers: Mapping[str, str]
) -> PlatformError:
    """The error an HTTP status other than 200 comes to; a body that is no JSON is quoted."""
    # A stream that fails before it begins may say so in an array of one.
    value = try_object(body) or try_object(body.strip().strip(b"[]"))
    error = object_in(value, "error")
    if error:
        return rpc_error(platform, error, status, headers)
    complaint = Complaint((), body.decode(errors="replace"))
    return vendor_error(platform, complaint, WORDS, status, headers)


def _complaint(error: JsonObject, details: Sequence[JsonObject]) -> Complaint:
    """Reasons are more specific than the status: PERMISSION_DENIED may be BILLING_DISABLED."""
    reasons = (detail.get("reason") for detail in details)
    return Complaint(codes_of(*reasons, error.get("status")), text_in(error, "message"))


def _details(error: JsonObject) -> Iterator[JsonObject]:
    details = error.get("details")
    if isinstance(details, list):
        yield from (detail for detail in details if isinstance(detail, dict))


def _allows_nothing(details: Sequence[JsonObject]) -> bool:
    """Whether the limit that was hit is zero: then no waiting helps."""
    limits = (object_in(detail, "metadata").get("quota_limit_value") for detail in details)
    return any(limit == "0" for limit in limits)


def _retry_delay_s(details: Sequence[JsonObject]) -> float | None:
    """Seconds of google.rpc.RetryInfo, which is finer than the header's."""
    for detail in details:
        said = _DELAY.fullmatch(text_in(detail, "retryDelay"))
        if said:
            return float(said.group(1))
    return None
