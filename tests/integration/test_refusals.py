"""Bad requests of every kind: each answered by a problem document, none by a stack trace."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.integration.contract import Contract
from tests.integration.talk import MESSAGE
from tests.product import Product
from tests.servers import Simulators

JSON = {"content-type": "application/json"}
GOOD = {"message": MESSAGE}
MIB = 1024 * 1024


def text(body: object) -> dict[str, object]:
    return {"content": json.dumps(body), "headers": JSON}


@pytest.fixture(autouse=True)
async def _nobody_is_called(simulators: Simulators) -> AsyncIterator[None]:
    """Whatever is refused here is refused before a platform hears of it."""
    yield
    assert await simulators.requests() == []


def assert_problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    problem: dict[str, Any] = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert problem["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Traceback" not in answer.text
    assert ".py" not in answer.text
    return problem


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"content": "{", "headers": JSON}, 400, "malformed_json"),
        ({"content": "", "headers": JSON}, 400, "malformed_json"),
        ({"content": b"\xff\xfe", "headers": JSON}, 400, "malformed_json"),
        ({"content": "[" * 100_000, "headers": JSON}, 400, "malformed_json"),
        ({"content": json.dumps(GOOD)}, 415, "unsupported_media_type"),
        ({"content": json.dumps(GOOD), "headers": {"content-type": "text/plain"}}, 415, "unsupported_media_type"),
        ({"data": GOOD}, 415, "unsupported_media_type"),
        ({"files": {"message": b"hi"}}, 415, "unsupported_media_type"),
        (text([]), 422, "invalid_request"),
        (text(None), 422, "invalid_request"),
        (text({"message": "a" * 1_100_000}), 413, "body_too_large"),
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_read_is_refused(
    http: httpx2.AsyncClient, sent: dict[str, Any], status: int, code: str
) -> None:
    """Not JSON, not by its type, not at all, or too much of it."""
    assert_problem(await http.post("/v3/chat", **sent), status, code)


async def test_a_body_over_the_limit_is_refused_although_its_length_was_not_announced(
    http: httpx2.AsyncClient,
) -> None:
    """Chunked: counted while it arrives."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b'{"message": "'
        for _ in range(20):
            yield b"a" * (MIB // 10)

    answer = await http.post("/v3/chat", content=chunks(), headers=JSON)
    assert_problem(answer, 413, "body_too_large")


async def test_a_body_just_below_the_limit_is_read(http: httpx2.AsyncClient) -> None:
    """The limit is where it is said to be: this one fails for its message alone."""
    answer = await http.post("/v3/chat", **text({"message": "a" * (MIB - 100)}))  # type: ignore[arg-type]
    problem = assert_problem(answer, 422, "invalid_request")
    assert [e["pointer"] for e in problem["errors"]] == ["/message"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/message"]),
        ({"message": ""}, ["/message"]),
        ({"message": 5}, ["/message"]),
        ({"message": None}, ["/message"]),
        ({"message": "a" * 32_769}, ["/message"]),
        (GOOD | {"colour": "blue"}, ["/colour"]),
        (GOOD | {"a/b": 1}, ["/a~1b"]),
        (GOOD | {"stream": "true"}, ["/stream"]),
        (GOOD | {"stream": 1}, ["/stream"]),
        (GOOD | {"user_id": "two words"}, ["/user_id"]),
        (GOOD | {"conversation_id": "../../etc/passwd"}, ["/conversation_id"]),
        (GOOD | {"platform": "deepmind"}, ["/platform"]),
        (GOOD | {"fallback_platforms": ["openai", "deepmind"]}, ["/fallback_platforms/1"]),
        (GOOD | {"strategy": "best"}, ["/strategy"]),
        (GOOD | {"max_tokens": 0}, ["/max_tokens"]),
        (GOOD | {"sources": ["internet"]}, ["/sources/0"]),
        (GOOD | {"metadata": {"a": {"b": 1}}}, ["/metadata/a"]),
        (GOOD | {"requirements": {"max_cost": -1}}, ["/requirements/max_cost"]),
        (GOOD | {"requirements": {"max_cots": 1}}, ["/requirements/max_cots"]),
        (GOOD | {"requirements": {"capabilities": ["flying"]}}, ["/requirements/capabilities/0"]),
        ({"message": 5, "stream": 1, "x": 2}, ["/message", "/stream", "/x"]),
    ],
)
async def test_every_field_that_is_wrong_is_named(
    http: httpx2.AsyncClient, body: object, pointers: list[str]
) -> None:
    """A JSON pointer for each, all at once, so that a caller corrects them in one go."""
    problem = assert_problem(await http.post("/v3/chat", json=body), 422, "invalid_request")
    assert sorted(e["pointer"] for e in problem["errors"]) == pointers


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
async def test_a_limit_that_is_no_number_is_refused(http: httpx2.AsyncClient, number: str) -> None:
    """What is not JSON, or not finite, limits nothing."""
    body = '{"message": "hi", "requirements": {"max_cost": NUMBER}}'.replace("NUMBER", number)
    answer = await http.post("/v3/chat", content=body, headers=JSON)
    assert answer.status_code in {400, 422}
    assert answer.json()["code"] in {"malformed_json", "invalid_request"}


async def test_every_route_that_is_not_public_wants_a_key(
    product: Product, contract: Contract
) -> None:
    """Read from the published document, so that a new route is asked too."""
    asked = 0
    async with httpx2.AsyncClient(base_url=product.address, verify=False) as stranger:
        stranger.event_hooks = {"response": [contract.check]}
        for path, methods in contract.document["paths"].items():
            for method, row in methods.items():
                if row["x-permission"] == "public":
                    answer = await stranger.request(method, path)
                    is_sign_on = path.startswith("/auth/sso/") and path != "/auth/sso/logout"
                    # Nobody is known before they signed on; what those routes want is a good answer.
                    assert 400 <= answer.status_code < 500 if is_sign_on else answer.is_success
                    continue
                for headers in ({}, {"authorization": "Bearer smk_wrong_key"}, {"x-api-key": "no"}):
                    answer = await stranger.request(method, path, headers=headers)
                    assert answer.status_code == 401, answer.text
                    asked += 1
                    # /v1 speaks the vendors' shapes, which the document describes as well.
                    if path.startswith("/v3/"):
                        assert_problem(answer, 401, "unauthenticated")
                        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert asked >= 15


async def test_an_address_that_is_not_there_is_a_problem_too(http: httpx2.AsyncClient) -> None:
    """With a key or without: nothing is at that address."""
    for path in ("/", "/v3", "/v3/chat/", "/v3/../etc/passwd", "/v4/chat", "/docs"):
        assert_problem(await http.get(path), 404, "unknown_route")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_another_method_is_refused_and_the_right_one_named(
    http: httpx2.AsyncClient, method: str
) -> None:
    """405 with Allow, as HTTP wants it."""
    answer = await http.request(method, "/v3/chat")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


async def test_a_stream_is_refused_like_any_other_request(http: httpx2.AsyncClient) -> None:
    """Before it begins there is still a status to say it with."""
    answer = await http.post("/v3/chat", json={"message": "", "stream": True})
    assert_problem(answer, 422, "invalid_request")
    body = {"message": MESSAGE, "stream": True, "requirements": {"max_cost": 1e-9}}
    assert_problem(await http.post("/v3/chat", json=body), 422, "requirements_impossible")
