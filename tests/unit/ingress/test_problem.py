"""Our errors as callers read them: stable codes, the right status, and nothing of the inside."""

import orjson
import pytest
from inline_snapshot import snapshot
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from deployments.ingress import problem
from deployments.ingress.schema import ChatBody, Problem
from routing.errors import (
    AccessError,
    ConfigError,
    ConflictError,
    DeadlineExceeded,
    ErrorKind,
    NoPlatformAvailable,
    PlatformError,
    RequestError,
    SupportMaxError,
    Violation,
)

LIMITED = PlatformError("openai", ErrorKind.RATE_LIMITED, "Rate limit reached", 7.2, 429)
LOST = PlatformError("anthropic", ErrorKind.CONNECTION, "its replica was lost")

EVERY: dict[str, Exception] = {
    "request": RequestError("requirements_impossible", "nobody can", (Violation("/a", "do b"),)),
    "malformed": RequestError("malformed_json", "The body is not JSON"),
    "unknown route": RequestError("unknown_route", "There is nothing here."),
    "method": RequestError("method_not_allowed", "another method"),
    "too large": RequestError("body_too_large", "At most 10 bytes."),
    "media type": RequestError("unsupported_media_type", "Send application/json."),
    "unauthenticated": AccessError("unauthenticated", "Send a valid API key."),
    "forbidden": AccessError("forbidden", "This needs a permission."),
    "not found": AccessError("not_found", "There is no such conversation."),
    "rate": AccessError("rate_limited", "Too fast.", 1.4),
    "conflict": ConflictError("request_in_progress", "It is under way."),
    "deadline": DeadlineExceeded("Nobody in 2 s.", (LIMITED,)),
    "nobody": NoPlatformAvailable("All failed: openai, anthropic.", (LIMITED, LOST)),
    "platform": LOST,
    "bug": KeyError("the secret inside"),
    "ours": ConfigError("/etc/secret/path.yaml", 3, "platforms", "the secret inside"),
    "busy": DatabaseBusy("the secret inside"),
    "store": DatabaseUnavailable("the secret inside"),
    "unforeseen": SupportMaxError("the secret inside"),
}


def test_every_kind_of_error_has_its_document() -> None:
    """Clients branch on `code` and `status`; a change here is a change of the contract."""
    codes = {name: (d["status"], d["code"]) for name, d in documents().items()}
    assert codes == snapshot(
        {
            "request": (422, "requirements_impossible"),
            "malformed": (400, "malformed_json"),
            "unknown route": (404, "unknown_route"),
            "method": (405, "method_not_allowed"),
            "too large": (413, "body_too_large"),
            "media type": (415, "unsupported_media_type"),
            "unauthenticated": (401, "unauthenticated"),
            "forbidden": (403, "forbidden"),
            "not found": (404, "not_found"),
            "rate": (429, "rate_limited"),
            "conflict": (409, "request_in_progress"),
            "deadline": (504, "deadline_exceeded"),
            "nobody": (503, "no_platform_available"),
            "platform": (502, "platform_error"),
            "bug": (500, "internal_error"),
            "ours": (500, "internal_error"),
            "busy": (503, "database_busy"),
            "store": (503, "database_unavailable"),
            "unforeseen": (500, "internal_error"),
        }
    )


def documents() -> dict[str, dict[str, object]]:
    return {name: problem.document(error) for name, error in EVERY.items()}


def test_a_caller_reads_each_thing_to_change() -> None:
    """One pointer and one message for each violated limit."""
    assert documents()["request"] == snapshot(
        {
            "type": "urn:supportmax:problem:requirements_impossible",
            "title": "The request cannot be met as it is",
            "status": 422,
            "detail": "nobody can",
            "code": "requirements_impossible",
            "errors": [{"pointer": "/a", "message": "do b"}],
        }
    )


def test_a_caller_reads_everyone_who_was_asked_and_why_it_failed() -> None:
    """The attempts of a request that nobody answered, in order."""
    assert documents()["nobody"] == snapshot(
        {
            "type": "urn:supportmax:problem:no_platform_available",
            "title": "Cannot be answered now",
            "status": 503,
            "detail": "All failed: openai, anthropic.",
            "code": "no_platform_available",
            "attempts": [
                {"platform": "openai", "outcome": "rate_limited", "detail": "Rate limit reached"},
                {
                    "platform": "anthropic",
                    "outcome": "connection",
                    "detail": "its replica was lost",
                },
            ],
        }
    )


@pytest.mark.parametrize("name", ["bug", "ours", "busy", "store", "unforeseen"])
def test_an_error_of_ours_tells_a_stranger_nothing(name: str) -> None:
    """No path, no key, no line, no word of the exception."""
    told = orjson.dumps(problem.document(EVERY[name])).decode()
    assert "secret" not in told
    assert type(EVERY[name]).__name__ not in told


@pytest.mark.parametrize("name", EVERY)
def test_every_document_is_as_openapi_describes_it(name: str) -> None:
    """The schema callers generate code from holds for each of them."""
    Problem.model_validate(problem.document(EVERY[name]), strict=True)


@pytest.mark.parametrize("name", EVERY)
def test_the_status_of_the_response_is_the_documents(name: str) -> None:
    """And the media type says what it is, so that a client can tell it from an answer."""
    response = problem.response(EVERY[name])
    document = orjson.loads(response.body)
    assert response.status_code == document["status"]
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("name", "header", "value"),
    [
        ("unauthenticated", "www-authenticate", 'Bearer realm="supportmax"'),
        ("rate", "retry-after", "2"),
        ("nobody", "retry-after", "8"),
        ("conflict", "retry-after", "5"),
    ],
)
def test_headers_say_what_the_next_move_is(name: str, header: str, value: str) -> None:
    """A hint is rounded up: a second too early is another refusal."""
    assert problem.response(EVERY[name]).headers[header] == value


def test_what_a_caller_sent_is_never_sent_back() -> None:
    """Where it was wrong, and what is wanted there; its value may be somebody's secret."""
    with pytest.raises(ValidationError) as caught:
        ChatBody.model_validate_json('{"message": 5, "user_id": "top secret!", "a/b~c": "secret"}')
    told = problem.document(problem.from_validation(caught.value))
    assert "secret" not in orjson.dumps(told).decode()
    assert isinstance(told["errors"], list)
    # RFC 6901: a slash and a tilde in a key are escaped.
    assert {e["pointer"] for e in told["errors"]} == {"/message", "/user_id", "/a~1b~0c"}


@pytest.mark.parametrize("text", ["", "{", "[1,", '{"message": "a",}', "\x00", '"\\ud800"'])
def test_what_is_not_json_is_malformed_and_not_invalid(text: str) -> None:
    """400 says repair your serialiser, 422 change what you ask."""
    with pytest.raises(ValidationError) as caught:
        ChatBody.model_validate_json(text)
    assert problem.from_validation(caught.value).code in {"malformed_json", "invalid_request"}


@pytest.mark.parametrize(
    ("status", "code"), [(404, "unknown_route"), (405, "method_not_allowed"), (413, "body_too_large"), (400, "malformed_json")]
)  # fmt: skip
def test_the_frameworks_refusals_are_said_in_our_words(status: int, code: str) -> None:
    """A caller meets one kind of error, whoever noticed it."""
    document = problem.document(problem.from_http(HTTPException(status)))
    assert (document["status"], document["code"]) == (status, code)
