"""The table from what vendors and networks do to whose move it is next."""

import pickle
from collections.abc import Mapping

import aiohttp
import httpx2
import orjson
import pytest

from deployments.platforms.anthropic.words import status_error as anthropic_error
from deployments.platforms.errors import FAULTS, MAX_DETAIL, local_error, retry_after, without
from deployments.platforms.openai.words import status_error as openai_error
from deployments.platforms.sse import SseError
from deployments.platforms.transport import AnswerTooLarge, PoolFull
from routing.errors import ErrorKind, PlatformError

K = ErrorKind


def openai_says(status: int, **error: object) -> PlatformError:
    return openai_error("openai", orjson.dumps({"error": error}), status, {})


def anthropic_says(
    status: int, kind: str, message: str = "", code: str | None = None
) -> PlatformError:
    error = {"type": kind, "message": message, "details": {"error_code": code}}
    body = orjson.dumps({"type": "error", "error": error, "request_id": "req_1"})
    return anthropic_error("anthropic", body, status, {})


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "invalid_api_key", K.CREDENTIALS),
        (403, "unsupported_country_region_territory", K.PERMISSION),
        (404, "model_not_found", K.MODEL_GONE),
        (429, "rate_limit_exceeded", K.RATE_LIMITED),
        (429, "insufficient_quota", K.QUOTA_EXHAUSTED),
        (429, "credit_balance_exhausted", K.QUOTA_EXHAUSTED),
        (429, None, K.RATE_LIMITED),
        (503, "slow_down", K.RATE_LIMITED),
        (503, None, K.OVERLOADED),
        (502, None, K.OVERLOADED),
        (400, "context_length_exceeded", K.CONTEXT_TOO_LONG),
        (400, "content_filter", K.CONTENT_FILTERED),
        (400, "invalid_prompt", K.CONTENT_FILTERED),
        (400, "bio_policy", K.CONTENT_FILTERED),
        (400, "misalignment_policy_violation", K.CONTENT_FILTERED),
        (400, "unsupported_parameter", K.INVALID_REQUEST),
        (400, "server_error", K.INVALID_REQUEST),
        (409, None, K.INVALID_REQUEST),
        (302, None, K.BAD_REPLY),
    ],
)
def test_openais_codes_are_understood(status: int, code: str | None, kind: ErrorKind) -> None:
    """The table of what each status and code means, row by row."""
    error = openai_says(status, code=code, type="whatever_error", message="Words.")
    assert (error.kind, error.status, error.platform) == (kind, status, "openai")
    assert error.detail == f"{code or 'whatever_error'}: Words."


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, {"code": "401"}, K.CREDENTIALS),
        (401, {"code": "PermissionDenied"}, K.CREDENTIALS),
        (403, {"code": "AccessDenied"}, K.PERMISSION),
        (404, {"code": "DeploymentNotFound"}, K.MODEL_GONE),
        (404, {"code": "404"}, K.MODEL_GONE),
        (400, {"code": "OperationNotSupported"}, K.MODEL_GONE),
        (408, {"code": "Timeout"}, K.TIMEOUT),
        (429, {"code": "429"}, K.RATE_LIMITED),
        (429, {"code": "RateLimitReached"}, K.RATE_LIMITED),
        (429, {"code": "too_many_requests"}, K.RATE_LIMITED),
        (429, {"code": "NoCapacity"}, K.RATE_LIMITED),
        (429, {"code": "QuotaExceeded"}, K.QUOTA_EXHAUSTED),
        (500, {"code": "InternalServerError"}, K.OVERLOADED),
        (503, {"code": "ServiceUnavailable"}, K.OVERLOADED),
        (400, {"code": "content_filter"}, K.CONTENT_FILTERED),
        (
            400,
            {"code": None, "innererror": {"code": "ResponsibleAIPolicyViolation"}},
            K.CONTENT_FILTERED,
        ),
        (400, {"code": "BadRequest"}, K.INVALID_REQUEST),
    ],
)
def test_azures_codes_are_understood(
    status: int, error: Mapping[str, object], kind: ErrorKind
) -> None:
    """Its gateway's own, beside those of the model behind it."""
    told = openai_says(status, message="Words.", **error)
    assert (told.kind, told.status) == (kind, status)


@pytest.mark.parametrize(
    ("status", "kind_of_error", "code", "message", "kind"),
    [
        (401, "authentication_error", None, "invalid x-api-key", K.CREDENTIALS),
        (402, "billing_error", None, "", K.QUOTA_EXHAUSTED),
        (403, "permission_error", None, "", K.PERMISSION),
        (404, "not_found_error", None, "model: claude-3", K.MODEL_GONE),
        (413, "request_too_large", None, "", K.CONTEXT_TOO_LONG),
        (429, "rate_limit_error", None, "", K.RATE_LIMITED),
        (429, "rate_limit_error", "ramp_limit_exceeded", "", K.RATE_LIMITED),
        (429, "rate_limit_error", "contract_spend_limit_reached", "", K.QUOTA_EXHAUSTED),
        (400, "invalid_request_error", "enforced_spend_limit_reached", "", K.QUOTA_EXHAUSTED),
        (400, "invalid_request_error", None, "Your credit balance is too low", K.QUOTA_EXHAUSTED),
        (400, "invalid_request_error", None, "prompt is too long: 9 > 8", K.CONTEXT_TOO_LONG),
        (400, "invalid_request_error", None, "blocked by content filtering", K.CONTENT_FILTERED),
        (400, "invalid_request_error", None, "messages: bad", K.INVALID_REQUEST),
        (500, "api_error", None, "", K.OVERLOADED),
        (504, "timeout_error", None, "", K.TIMEOUT),
        (529, "overloaded_error", None, "Overloaded", K.OVERLOADED),
    ],
)
def test_anthropics_codes_are_understood(
    status: int, kind_of_error: str, code: str | None, message: str, kind: ErrorKind
) -> None:
    """The table of what each status and code means, row by row."""
    assert anthropic_says(status, kind_of_error, message, code).kind is kind


def test_a_proxys_page_is_quoted_and_cut() -> None:
    """What is no JSON still says who spoke, in at most so many characters."""
    error = openai_error("openai", b"<html>502 Bad Gateway" + b" " * 9_000, 502, {})
    assert error.kind is K.OVERLOADED
    assert error.detail.startswith("<html>502 Bad Gateway")
    assert len(error.detail) == MAX_DETAIL


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"null", b'{"error": null}', b'{"error": "text"}', b'{"error": {"code": 5}}'],
)
def test_the_shape_of_an_error_body_is_never_relied_on(body: bytes) -> None:
    """An error while reading an error would hide the first one."""
    assert openai_error("openai", body, 500, {}).kind is K.OVERLOADED
    assert anthropic_error("anthropic", body, 429, {}).kind is K.RATE_LIMITED


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (PoolFull("full"), K.SATURATED),
        (httpx2.PoolTimeout("full"), K.SATURATED),
        (aiohttp.ConnectionTimeoutError("connect"), K.CONNECTION),
        (httpx2.ConnectTimeout("connect"), K.CONNECTION),
        (aiohttp.SocketTimeoutError("read"), K.TIMEOUT),
        (httpx2.ReadTimeout("read"), K.TIMEOUT),
        (TimeoutError(), K.TIMEOUT),
        (aiohttp.ClientPayloadError("cut"), K.CONNECTION),
        (aiohttp.ServerDisconnectedError(), K.CONNECTION),
        (httpx2.RemoteProtocolError("cut"), K.CONNECTION),
        (httpx2.ConnectError("refused"), K.CONNECTION),
        (ConnectionResetError("reset"), K.CONNECTION),
        (AnswerTooLarge("large"), K.BAD_REPLY),
        (SseError("large"), K.BAD_REPLY),
        (orjson.JSONDecodeError("no JSON", "", 0), K.BAD_REPLY),
        (httpx2.DecodingError("gzip"), K.BAD_REPLY),
    ],
)
def test_every_fault_of_the_network_has_a_kind(fault: Exception, kind: ErrorKind) -> None:
    """Our own full pool says nothing about the platform; a failed handshake sent nothing."""
    assert isinstance(fault, FAULTS)
    error = local_error("openai", fault)
    assert error.kind is kind
    assert error.detail.startswith(type(fault).__name__)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        (
            {
                "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT",
                "date": "Wed, 21 Oct 2026 07:28:00 GMT",
            },
            30.0,
        ),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
    ],
)
def test_the_hint_when_to_retry_is_read_in_every_form(
    headers: Mapping[str, str], seconds: float | None
) -> None:
    """Milliseconds, seconds or a date; nonsense is no hint."""
    assert retry_after(headers) == seconds


def test_a_credential_the_vendor_repeats_is_struck_out() -> None:
    """Errors are logged and shown."""
    error = openai_says(401, code="invalid_api_key", message="Incorrect key: sk-secret-1.")
    assert "sk-secret-1" not in without("sk-secret-1", error).detail
    assert without("sk-another", error) is error


def test_an_error_survives_the_way_between_processes() -> None:
    """A replica raises it, an ingress reads it."""
    error = openai_says(429, code="rate_limit_exceeded", message="Slow down.")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (copy.kind, copy.detail, copy.status) == (error.kind, error.detail, 429)
