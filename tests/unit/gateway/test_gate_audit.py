"""The gateway's gate on record: who was not let in, and who read what, without a word of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import PromptReference
from starlette.requests import Request

from config.gateway import GatewaySecurity
from deployments.mcp_gateway.endpoint import Endpoint
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.read_audit import ReadAudit
from deployments.mcp_gateway.wire import mcp_server
from deployments.security.errors import TurnedAway
from deployments.security.gateway_tokens import GatewayTokens, Granted
from deployments.security.principal import Principal
from routing.clock import SystemClock
from routing.errors import AccessError, MisdirectedRequest
from tests.audit_world import AuditWorld
from tests.unit.gateway.tool_world import Shop, tool

KEYS = [b"k" * 32]
ADDRESS = "http://localhost/mcp"
MAIL = "ann.secret@example.org"
WHO = Principal(
    "acme", "key:0123456789abcdef", frozenset(), frozenset({"mcp:tools", "mcp:context"})
)
GOOD = {"authorization": "Bearer good"}


@pytest.fixture
def world(tmp_path: Path) -> AuditWorld:
    return AuditWorld(tmp_path)


async def authenticate(request: Request) -> Principal:
    match request.headers.get("authorization"):
        case "Bearer good":
            return WHO
        case "Bearer customer":
            return Principal("acme", "key:2", frozenset(), frozenset({"chat:create"}))
        case "Bearer abroad":
            raise MisdirectedRequest("another region", "eu")
        case "Bearer revoked":
            raise TurnedAway("Send a key.", Principal("acme", "key:gone"), "key_revoked")
        case _:
            raise AccessError("unauthenticated", "Send a key.")


async def put_out(principal: Principal) -> None:
    if principal.subject == "key:out":
        raise TurnedAway("Not any more.", principal, "not_active")


@asynccontextmanager
async def gate(world: AuditWorld, shop: Shop) -> AsyncIterator[httpx2.AsyncClient]:
    """The endpoint over a log that is whole when this ends."""
    async with world.trail() as trail:
        server = mcp_server(Gateway([shop], SystemClock(), trail=trail), KEYS, "1")
        server.middleware.append(ReadAudit(trail))
        tokens = GatewayTokens(KEYS, SystemClock())
        endpoint = Endpoint(server, authenticate, GatewaySecurity(), tokens, put_out, trail)
        transport = httpx2.ASGITransport(endpoint)
        async with endpoint._sessions.run(), httpx2.AsyncClient(transport=transport) as http:
            yield http


def told(world: AuditWorld) -> list[tuple[object, ...]]:
    """What is on record between the chain's beginning and its end."""
    return [
        (row["tenant"], row["subject"], row["action"], row["outcome"], row["reason"])
        for row in world.records()
        if not str(row["action"]).startswith("audit.")
    ]


async def test_whoever_is_not_let_in_is_on_record_with_the_reason(world: AuditWorld) -> None:
    """By their own name where they are known; whom they asked about, under a pseudonym."""
    about = {"x-supportmax-customer": MAIL}
    out = Granted(Principal("acme", "key:out"), None, None, frozenset())
    spent = GatewayTokens(KEYS, SystemClock()).mint(out, frozenset())
    async with gate(world, Shop()) as http:
        for headers in (
            {"host": "evil.example"},
            {"origin": "http://evil.example"},
            {},
            {"authorization": "Bearer customer"},
            {"authorization": "Bearer abroad"},
            {"authorization": f"Bearer {spent}"},
            {"authorization": "Bearer revoked"},
            GOOD | about,
        ):
            answer = await http.post(ADDRESS, json={}, headers=headers)
            assert answer.status_code in {401, 403, 421}, headers
    nobody, mine = ("", "", "POST /mcp", "denied"), ("acme", WHO.subject, "POST /mcp", "denied")
    assert told(world) == [
        (*nobody, "invalid_host"),
        (*nobody, "invalid_origin"),
        (*nobody, "unauthenticated"),
        ("acme", "key:2", "POST /mcp", "denied", "insufficient_scope"),
        (*nobody, "misdirected_request"),
        ("acme", "key:out", "POST /mcp", "denied", "not_active"),
        ("acme", "key:gone", "POST /mcp", "denied", "key_revoked"),
        (*mine, "access_denied"),
    ]
    refused = world.records()[-2]
    assert refused["object"] in world.keys.pseudonyms(MAIL)
    assert MAIL.encode() not in world.everything()
    assert len({row["request"] for row in world.records() if row["request"]}) == 8


async def test_whoever_reads_is_on_record_and_not_what_they_read(world: AuditWorld) -> None:
    """Lists, resources, prompts and completions; a name that does not exist is a refusal."""
    async with gate(world, Shop(tool("look"))) as http:
        http.headers.update(GOOD)
        wire = streamable_http_client(ADDRESS, http_client=http)
        async with Client(wire) as client:
            await client.list_tools()
            await client.list_resources()
            await client.list_resource_templates()
            await client.read_resource("shop://one")
            await client.list_prompts()
            await client.get_prompt("shop__greet", {"word": "secret word"})
            reference = PromptReference(name="shop__greet")
            await client.complete(reference, {"name": "word", "value": "secret word"})
            with pytest.raises(MCPError):
                await client.read_resource(f"other://{MAIL}")
            with pytest.raises(MCPError):
                await client.get_prompt("shop__secret-word", {})
            await client.call_tool("shop__look", {})
    mine = ("acme", WHO.subject)
    # A client may ask for lists more than once: to know what its answers look like.
    assert list(dict.fromkeys(told(world))) == [
        (*mine, "mcp:tools/list", "done", "done"),
        (*mine, "mcp:resources/list", "done", "done"),
        (*mine, "mcp:resources/templates/list", "done", "done"),
        (*mine, "mcp:resources/read", "done", "done"),
        (*mine, "mcp:prompts/list", "done", "done"),
        (*mine, "mcp:prompts/get", "done", "done"),
        (*mine, "mcp:completion/complete", "done", "done"),
        (*mine, "mcp:resources/read", "denied", "unknown"),
        (*mine, "mcp:prompts/get", "denied", "unknown"),
        (*mine, "tool:shop__look", "done", "done"),
    ]
    read = [row for row in world.records() if row["action"] == "mcp:resources/read"]
    assert read[0]["object"] in world.keys.pseudonyms("shop://one")
    assert all(str(row["request"]).startswith("req_") for row in read)
    for secret in (MAIL, "secret", "shop://one"):
        assert secret.encode() not in world.everything()


async def test_a_vendors_call_under_a_token_of_ours_is_on_record_as_its_callers(
    world: AuditWorld,
) -> None:
    """The token says for whom the vendor calls; that is who is recorded."""
    granted = Granted(WHO, MAIL, None, frozenset({"shop__look"}))
    token = GatewayTokens(KEYS, SystemClock()).mint(granted, WHO.permissions)
    async with gate(world, Shop(tool("look"))) as http:
        http.headers.update({"authorization": f"Bearer {token}"})
        async with Client(streamable_http_client(ADDRESS, http_client=http)) as client:
            await client.list_tools()
            await client.call_tool("shop__look", {})
    actions = [row[:3] for row in told(world)]
    assert ("acme", WHO.subject, "mcp:tools/list") in actions
    assert ("acme", WHO.subject, "tool:shop__look") in actions
    assert MAIL.encode() not in world.everything()
