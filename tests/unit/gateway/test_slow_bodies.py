"""A body that does not come to the gateway: refused at its time, and what it held is free again."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import httpx2
import pytest
from mcp_types import CallToolResult
from starlette.requests import Request

from deployments.security.principal import Principal
from deployments.security.request_ids import REQUEST_ID
from deployments.security.timely import BODY_WITHIN_S
from routing.errors import AccessError
from routing.message import JsonObject
from tests.unit.gateway.test_endpoint import authenticate
from tests.unit.gateway.test_limited import PING, behind
from tests.unit.gateway.tool_world import Shop, said, tool
from tests.unit.ingress.test_slow_bodies import trickling
from tests.unit.virtual_time import VirtualTimeLoop

SILENT_S = 10 * BODY_WITHIN_S
AT_ONCE = 4
"""As many requests of a tenant may be under way."""
HEADERS = {
    "authorization": "Bearer good",
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
}
SENT = json.dumps(PING).encode()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


async def ponder(arguments: JsonObject) -> CallToolResult:
    await asyncio.sleep(SILENT_S)
    return said("at last")


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    shop = Shop(replace(tool("ponder"), timeout_s=2 * SILENT_S), does=ponder)
    async with behind("203.0.113.9", shop, in_flight=AT_ONCE) as client:
        client.headers |= HEADERS
        yield client


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("every_s", [1.0, 50.0])
async def test_a_body_that_comes_too_slowly_is_refused_in_the_words_of_the_endpoint(
    http: httpx2.AsyncClient, every_s: float, announced: bool
) -> None:
    """However often a letter of it comes, and whether or not its length is known."""
    clock = asyncio.get_running_loop()
    began = clock.time()
    length = {"content-length": str(len(SENT))} if announced else {}
    answer = await http.post("/mcp", content=trickling(every_s, SENT), headers=length)
    assert (answer.status_code, answer.headers["connection"]) == (408, "close")
    assert answer.json()["error"] == "body_too_slow"
    assert answer.headers[REQUEST_ID].startswith("req_")
    assert clock.time() - began == pytest.approx(BODY_WITHIN_S)


async def test_slow_bodies_keep_a_tenants_places_no_longer_than_their_time(
    http: httpx2.AsyncClient,
) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(lambda: http.post("/mcp", content=trickling(50.0, SENT)))
        await asyncio.sleep(BODY_WITHIN_S - 1)
        assert (await http.post("/mcp", content=SENT)).status_code == 429
        await asyncio.sleep(2)
        assert (await http.post("/mcp", content=SENT)).status_code == 200


async def test_a_body_within_its_time_is_taken(http: httpx2.AsyncClient) -> None:
    slow = trickling(BODY_WITHIN_S / (len(SENT) + 1), SENT)
    assert (await http.post("/mcp", content=slow)).status_code == 200


async def test_who_is_let_in_and_is_nobody_when_the_body_is_there_calls_nothing() -> None:
    """A key is revoked, or somebody put out, within the half minute that a body may take."""
    called = list[JsonObject]()

    async def change(arguments: JsonObject) -> CallToolResult:
        called.append(arguments)
        return said("done")

    async def known_until(request: Request) -> Principal:
        if asyncio.get_running_loop().time() - began > BODY_WITHIN_S / 2:
            raise AccessError("unauthenticated", "This key is not valid any more.")
        return await authenticate(request)

    params = {"name": "shop__change", "arguments": {}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    began = asyncio.get_running_loop().time()
    async with behind(
        "203.0.113.9", Shop(tool("change"), does=change), authenticate=known_until
    ) as http:
        http.headers |= HEADERS
        at_once = await http.post("/mcp", content=body)
        assert (at_once.status_code, len(called)) == (200, 1), at_once.text
        slow = trickling(0.7 * BODY_WITHIN_S / len(body), body.encode())
        late = await http.post("/mcp", content=slow)
        assert (late.status_code, len(called)) == (401, 1), late.text
        assert "www-authenticate" in late.headers


@pytest.mark.parametrize("era", ["2025-06-18", "2026-07-28"])
async def test_an_answer_may_take_as_long_as_it_likes(http: httpx2.AsyncClient, era: str) -> None:
    """The time is the body's alone: who waits for the answer may be heard hanging up at any time."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": era,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    call = {"name": "shop__ponder", "arguments": {}, "_meta": meta}
    headers = {
        "mcp-protocol-version": era,
        "mcp-method": "tools/call",
        "mcp-name": "shop__ponder",
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    began = asyncio.get_running_loop().time()
    answer = await http.post("/mcp", json=body, headers=headers)
    assert asyncio.get_running_loop().time() - began >= SILENT_S
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "at last" in answer.text
