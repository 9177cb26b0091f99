"""A body that does not come: refused at its time, in the words of its route, and the line is closed."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
from starlette.responses import Response, StreamingResponse

from deployments.ingress import api, openapi, routes
from deployments.ingress.anthropic_errors import ANTHROPIC_ERRORS
from deployments.ingress.openai_errors import OPENAI_ERRORS
from deployments.ingress.routes import PROBLEM, Call, ErrorShape, Operation
from deployments.ingress.schema import ChatBody, Health
from deployments.ingress.scim_errors import SCIM_ERRORS
from deployments.security.timely import BODY_WITHIN_S
from tests.unit.ingress.test_routes import PERMISSIONS, authenticate
from tests.unit.virtual_time import VirtualTimeLoop

SHAPES = {
    "/v3/chat": PROBLEM,
    "/v1/responses": OPENAI_ERRORS,
    "/v1/messages": ANTHROPIC_ERRORS,
    "/scim/v2/Users": SCIM_ERRORS,
}
SILENT_S = 10 * BODY_WITHIN_S


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


def row(path: str, errors: ErrorShape = PROBLEM) -> Operation:
    return Operation(
        "POST", path, "Ask", "chat:create", "chat", "action", answer, Health, ChatBody,
        errors=errors,
    )  # fmt: skip


async def answer(call: Call) -> Response:
    return routes.reply({"status": "ok" if call.body.message == "hello" else "degraded"})


async def quiet(call: Call) -> Response:
    async def words() -> AsyncIterator[bytes]:
        await asyncio.sleep(SILENT_S)
        yield b"at last"

    return StreamingResponse(words())


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    table = [row(path, errors) for path, errors in SHAPES.items()]
    stream = Operation(
        "POST", "/v3/quiet", "Hear", "chat:create", "chat", "action", quiet, None, ChatBody,
    )  # fmt: skip
    app = api.application([*table, stream], authenticate, PERMISSIONS, max_body_bytes=2_000)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    headers = {"authorization": "Bearer all", "content-type": "application/json"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://supportmax", headers=headers, timeout=None
    ) as client:
        yield client


async def trickling(every_s: float, of: bytes) -> AsyncIterator[bytes]:
    for place in range(len(of)):
        yield of[place : place + 1]
        await asyncio.sleep(every_s)


@pytest.mark.parametrize("path", SHAPES)
async def test_a_body_that_comes_too_slowly_is_refused_in_the_words_of_its_route(
    http: httpx2.AsyncClient, path: str
) -> None:
    """However often a letter of it comes: it is the whole that has its time."""
    clock = asyncio.get_running_loop()
    began = clock.time()
    sent = trickling(1.0, b'{"message": "' + b"a" * 100 + b'"}')
    answer = await http.post(path, content=sent)
    assert (answer.status_code, answer.headers["connection"]) == (408, "close")
    assert answer.headers["content-type"] == SHAPES[path].media_type
    assert clock.time() - began == pytest.approx(BODY_WITHIN_S)


async def test_a_body_that_never_begins_is_refused_at_the_same_moment(
    http: httpx2.AsyncClient,
) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        await asyncio.sleep(SILENT_S)
        yield b"{}"

    answer = await http.post("/v3/chat", content=nothing())
    assert (answer.status_code, answer.json()["code"]) == (408, "body_too_slow")


async def test_a_body_within_its_time_is_taken_and_its_answer_may_take_longer(
    http: httpx2.AsyncClient,
) -> None:
    """The time is the body's alone."""
    text = b'{"message": "hello"}'
    slow = trickling(BODY_WITHIN_S / (len(text) + 1), text)
    assert (await http.post("/v3/chat", content=slow)).json() == {"status": "ok"}
    assert (await http.post("/v3/quiet", content=text)).text == "at last"


def test_every_route_that_takes_a_body_says_that_it_may_be_too_slow() -> None:
    """Whoever generates a client knows the status."""
    table = [row(path, errors) for path, errors in SHAPES.items()]
    described = openapi.document(table, "1")["paths"]
    assert isinstance(described, dict)
    assert all("408" in methods["post"]["responses"] for methods in described.values())
