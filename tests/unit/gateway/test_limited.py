"""Limits at the MCP endpoint: the same as at every other door, in the protocol's words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from config.gateway import GatewaySecurity
from config.limits import LimitSettings
from deployments.mcp_gateway.endpoint import Authenticate, Endpoint
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.wire import mcp_server
from deployments.security.address_limits import AddressLimits
from deployments.security.gate import Gate
from deployments.security.leased_limits import LeasedLimits
from deployments.security.peer import Peer
from deployments.security.rate_limits import RateLimits
from deployments.security.shares import Shares
from routing.clock import ManualClock, SystemClock
from tests.unit.gateway.test_endpoint import KEYS, authenticate
from tests.unit.gateway.tool_world import Shop


@asynccontextmanager
async def behind(
    at: str = "203.0.113.9",
    *servers: Shop,
    authenticate: Authenticate = authenticate,
    **settings: Any,
) -> AsyncIterator[httpx2.AsyncClient]:
    """A client at this address of a gateway with these limits."""
    limits, clock = LimitSettings.model_validate(settings), ManualClock()
    shares = Shares.fixed(clock, 1.0)
    gate = Gate(
        AddressLimits(limits, shares, clock),
        RateLimits(limits, LeasedLimits(None, "r", shares, clock), shares),
        Peer(),
    )
    server = mcp_server(Gateway(servers, SystemClock()), KEYS, "1")
    security = GatewaySecurity(resource_url="https://mcp.example.com/mcp")
    endpoint = Endpoint(server, authenticate, security, gate=gate)
    transport = httpx2.ASGITransport(endpoint, client=(at, 1))
    async with (
        endpoint._sessions.run(),
        httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


async def knock(http: httpx2.AsyncClient, key: str = "good") -> httpx2.Response:
    accept = "application/json, text/event-stream"
    headers = {"authorization": f"Bearer {key}", "accept": accept}
    return await http.post("/mcp", json=PING, headers=headers)


async def test_beyond_its_limit_a_tenant_is_refused_as_json_rpc() -> None:
    async with behind(requests={"tenant": {"mcp": {"per_minute": 6, "burst": 4}}}) as http:
        for left in (3, 2, 1, 0):
            let_in = await knock(http)
            assert let_in.status_code == 200
            assert let_in.headers["ratelimit"].startswith(f'"tenant-mcp";r={left};')
        refused = await knock(http)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        assert refused.headers["ratelimit-policy"] == '"tenant-mcp";q=4;w=40'
        said = refused.json()
        assert (said["jsonrpc"], said["id"]) == ("2.0", None)
        assert said["error"]["data"] == {"code": "rate_limited"}


async def test_who_guesses_is_held_up_here_too() -> None:
    async with behind(addresses={"failures": {"per_minute": 1, "burst": 4}}) as http:
        said = [(await knock(http, "wrong")).status_code for _ in range(6)]
        assert said == [401] * 4 + [429] * 2


async def test_addresses_that_are_not_served_are_refused_before_anything_else() -> None:
    async with behind(networks=["198.51.100.0/24"]) as http:
        for method, path in (("POST", "/mcp"), ("GET", "/mcp"), ("POST", "/nowhere")):
            refused = await http.request(method, path)
            assert refused.status_code == 403
            assert refused.json()["error"]["data"] == {"code": "address_not_allowed"}
    async with behind("198.51.100.3", networks=["198.51.100.0/24"]) as http:
        assert (await knock(http)).status_code == 200


async def test_a_tenant_is_served_at_its_own_addresses_alone() -> None:
    own = {"northwind": {"networks": ["198.51.100.0/24"]}}
    async with behind(tenants=own) as http:
        refused = await knock(http)
        assert refused.status_code == 403
        assert refused.json()["error"]["data"] == {"code": "address_not_allowed"}
