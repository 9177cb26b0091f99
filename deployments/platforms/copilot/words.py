"""Copilot Studio's vocabulary of failure: HTTP codes of its wires, and codes its agents say aloud.

An agent that fails answers with a message, `... Error code: X. Conversation ID: Y ...`: there
is no status to read.
"""

import re
from collections.abc import Mapping

from deployments.platforms.errors import Complaint, codes_of, vendor_error
from deployments.platforms.vendor_json import object_in, text_in, try_object
from routing.errors import ErrorKind, PlatformError

COPILOT = "copilot_studio"

TOKEN_EXPIRED = "TokenExpired"  # noqa: S105  the vendor's word, not a token

WORDS: Mapping[str, ErrorKind] = {
    "ContentFiltered": ErrorKind.CONTENT_FILTERED,
    "OpenAIHate": ErrorKind.CONTENT_FILTERED,
    "OpenAIJailBreak": ErrorKind.CONTENT_FILTERED,
    "OpenAISelfHarm": ErrorKind.CONTENT_FILTERED,
    "OpenAISexual": ErrorKind.CONTENT_FILTERED,
    "OpenAIViolence": ErrorKind.CONTENT_FILTERED,
    "OpenAIIndirectAttack": ErrorKind.CONTENT_FILTERED,
    "OpenAIRateLimitReached": ErrorKind.RATE_LIMITED,
    "GenAISearchandSummarizeRateLimitReached": ErrorKind.RATE_LIMITED,
    "GenAIToolPlannerRateLimitReached": ErrorKind.RATE_LIMITED,
    "EnforcementMessageC2": ErrorKind.QUOTA_EXHAUSTED,
    "LatestPublishedVersionNotFound": ErrorKind.MODEL_GONE,
    "ConsentNotProvidedByUser": ErrorKind.CREDENTIALS,
    "MessageSizeTooBig": ErrorKind.CONTEXT_TOO_LONG,
    "SystemError": ErrorKind.OVERLOADED,
    "BotError": ErrorKind.OVERLOADED,
    TOKEN_EXPIRED: ErrorKind.CREDENTIALS,
}

# Both halves: an answer of a help desk may well speak about an error code.
_SPOKEN = re.compile(r"\bError code:\s*(\w+)\W+Conversation ID:", re.IGNORECASE)


def status_error(body: bytes, status: int, headers: Mapping[str, str]) -> PlatformError:
    """The error an HTTP status that is no success comes to; a body that is no JSON is quoted."""
    said = object_in(try_object(body), "error")
    prose = text_in(said, "message") if said else body.decode(errors="replace")
    complaint = Complaint(codes_of(said.get("code")), prose)
    error = vendor_error(COPILOT, complaint, WORDS, status, headers)
    if status == 403 and TOKEN_EXPIRED in complaint.codes:
        # The status alone would read as a permission that somebody has to grant.
        return PlatformError(COPILOT, ErrorKind.CREDENTIALS, error.detail, None, status)
    return error


def is_expired(error: PlatformError) -> bool:
    """Whether the token has lived too long, and a fresh one would do."""
    return error.status == 403 and error.kind is ErrorKind.CREDENTIALS


def spoken_error(text: str) -> PlatformError | None:
    """The error an agent's message stands for, or None: it is an answer."""
    found = _SPOKEN.search(text)
    if found is None:
        return None
    complaint = Complaint((found.group(1),), text[: found.start()].strip())
    return vendor_error(COPILOT, complaint, WORDS)
