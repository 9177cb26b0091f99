"""An administrator adds servers of others to a running gateway, through HTTP: who may, and what each tenant sees."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from starlette.requests import Request

from config.gateway import GatewaySecurity
from deployments.ingress import api
from deployments.ingress.mcp_admin import McpAdmin
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.endpoint import Endpoint
from deployments.mcp_gateway.upstreams.administration import Administration
from deployments.mcp_gateway.wire import mcp_server
from deployments.security.principal import Principal
from deployments.security.rbac import load_roles
from routing.clock import SystemClock
from routing.errors import AccessError
from tests.federation_world import (
    READS,
    Scripted,
    World,
    caller,
    http,
    stranger,
    upstream,
    wire_tool,
    world,
)

ROLES = load_roles()
SERVERS = "/admin/mcp/servers"
ALONE = {"side_effect": "read", "approval": False}


async def authenticate(request: Request) -> Principal:
    """`role@tenant` is who is calling."""
    role, _, tenant = request.headers["authorization"].removeprefix("Bearer ").partition("@")
    return Principal(tenant, f"key:{role}", frozenset({role}), ROLES.grants[role])


@dataclass(frozen=True)
class Office:
    """The administrators' routes over a world."""

    made: World
    app: Any

    async def ask(
        self, method: str, path: str, body: object = None, who: str = "admin@northwind"
    ) -> tuple[int, dict[str, Any]]:
        """The status and the body of an answer."""
        transport = httpx2.ASGITransport(self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
            headers = {"Authorization": f"Bearer {who}", "Content-Type": "application/json"}
            content = None if body is None else json.dumps(body)
            answer = await client.request(method, path, headers=headers, content=content)
        return answer.status_code, answer.json()

    async def tools(self, server: str, who: str = "admin@northwind") -> dict[str, dict[str, Any]]:
        """The tools of a server, as an administrator sees them."""
        _, body = await self.ask("GET", SERVERS, who=who)
        found = next(row for row in body["servers"] if row["name"] == server)
        return {row["name"]: row for row in found["tools"]}


@asynccontextmanager
async def office(path: Path, *args: Any, **more: Any) -> AsyncIterator[Office]:
    async with world(path, *args, **more) as made:
        clock = SystemClock()
        offered = Administration(made.federation, made.store, ROLES.permissions, clock)
        app = api.application(
            McpAdmin(offered).operations(), authenticate, ROLES.permissions, 100_000
        )
        yield Office(made, app)


def port_of(url: str) -> int:
    return int(url.split(":")[2].split("/", maxsplit=1)[0])


async def test_a_server_is_added_looked_at_and_taken_away_without_a_restart(tmp_path: Path) -> None:
    shop = Scripted(tools__list={"tools": [wire_tool("find", description="Find.")]}, tools__call={"content": []})  # fmt: skip
    async with http(shop) as port, office(tmp_path, ports=[port]) as desk:
        url, made = f"http://127.0.0.1:{port}/mcp", desk.made
        body = {"name": "shop", "url": url, "tools": {"find": ALONE}, "version": 0}
        status, row = await desk.ask("POST", SERVERS, body)
        assert (status, row["version"], row["source"]) == (200, 1, "administrator")
        await made.ready("shop")
        found = (await desk.tools("shop"))["find"]
        assert (found["state"], found["reason"]) == ("quarantined", "it is new")
        assert any("Find." in line for line in found["diff"])
        assert await made.names() == []
        approve = f"{SERVERS}/shop/tools/find"
        status, problem = await desk.ask("POST", approve, {"hash": "0" * 64})
        assert (status, problem["code"]) == (409, "definition_changed")
        status, row = await desk.ask("POST", approve, {"hash": found["hash"]})
        assert (status, row["state"]) == (200, "offered")
        assert await made.names() == ["shop__find"]
        shop.answers["tools/list"] = {"tools": [wire_tool("find", description="Find\u200b it.")]}
        await made.upstream("shop").watch.read()
        changed = (await desk.tools("shop"))["find"]
        assert changed["reason"] == "it has changed since it was approved"
        assert any("u200b" in line for line in changed["diff"])
        assert await made.names() == []
        status, row = await desk.ask("POST", SERVERS, {**body, "timeout_s": 9})
        assert (status, row["code"]) == (409, "version_conflict")
        status, row = await desk.ask("POST", SERVERS, {**body, "timeout_s": 9, "version": 1})
        assert (status, row["version"]) == (200, 2)
        status, row = await desk.ask("DELETE", f"{SERVERS}/shop")
        assert (status, row) == (200, {"name": "shop", "deleted": True})
        assert desk.made.federation.of("northwind") == []
        assert (await desk.ask("DELETE", f"{SERVERS}/shop"))[0] == 404


async def test_another_replica_takes_a_change_over(tmp_path: Path) -> None:
    shop = Scripted(tools__list={"tools": [wire_tool("find")]})
    async with http(shop) as port, office(tmp_path, ports=[port]) as one, world(tmp_path, ports=[port]) as two:  # fmt: skip
        body = {"name": "shop", "url": f"http://127.0.0.1:{port}/mcp", "trust_on_first_use": True}
        assert (await one.ask("POST", SERVERS, body))[0] == 200
        await two.until(lambda: bool(two.federation.of("northwind")))
        await two.until(lambda: _offers(two))
        await one.ask("DELETE", f"{SERVERS}/shop")
        await two.until(lambda: not two.federation.of("northwind"))


async def _offers(made: World) -> bool:
    return await made.names() == ["shop__find"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"url": "http://169.254.169.254/mcp"}, "/url"),
        ({"url": "http://10.0.0.1/mcp"}, "/url"),
        ({"url": "https://127.0.0.1:8265/mcp"}, "/url"),
        ({"url": "https://2130706433/mcp"}, "/url"),
        ({"url": "http://public.example/mcp"}, "/url"),
        ({"url": "https://user:s3cret@public.example/mcp"}, "/url"),
        ({"authority": "corporate"}, "/authority"),
        ({"permission": "god:mode"}, "/permission"),
        ({"tools": {"x": {"permission": "god:mode"}}}, "/tools/x/permission"),
        ({"name": "tools"}, "/name"),
        ({"name": "a__b"}, "/name"),
        ({"command": ["/bin/sh"]}, "/command"),
        ({"credential": {"file": "/etc/passwd"}}, "/credential"),
        ({"tools": {"x": {"side_effect": "none"}}}, "/tools/x/side_effect"),
        ({"timeout_s": 100_000}, "/timeout_s"),
    ],
)
async def test_what_cannot_be_meant_is_refused_with_its_place(
    tmp_path: Path, change: Mapping[str, object], where: str
) -> None:
    async with office(tmp_path) as desk:
        body = {"name": "shop", "url": "https://public.example/mcp", **change}
        status, problem = await desk.ask("POST", SERVERS, body)
        assert status == 422
        assert [error["pointer"] for error in problem["errors"]] == [where]
        assert "s3cret" not in json.dumps(problem)
        assert await desk.made.store.servers() == []


@pytest.mark.parametrize("role", ["supervisor", "agent", "customer", "service"])
async def test_only_administrators_may(tmp_path: Path, role: str) -> None:
    async with office(tmp_path) as desk:
        for method, path, body in (
            ("GET", SERVERS, None), ("POST", SERVERS, {}), ("DELETE", f"{SERVERS}/x", None),
            ("POST", f"{SERVERS}/x/tools/y", {}),
        ):  # fmt: skip
            assert (await desk.ask(method, path, body, f"{role}@northwind"))[0] == 403


async def test_what_is_in_the_configuration_is_changed_there_and_looked_at_by_each_tenant(
    tmp_path: Path,
) -> None:
    shop = Scripted(tools__list={"tools": [wire_tool("find")]})
    async with http(shop) as port:
        settings = {"url": f"http://127.0.0.1:{port}/mcp", "tools": {"find": READS}}
        async with office(tmp_path, {"shop": settings}) as desk:
            await desk.made.ready("shop")
            body = {"name": "shop", "url": "https://public.example/mcp"}
            status, problem = await desk.ask("POST", SERVERS, body)
            assert (status, problem["code"]) == (409, "server_configured")
            assert (await desk.ask("DELETE", f"{SERVERS}/shop"))[0] == 409
            tool = (await desk.tools("shop"))["find"]
            approve = f"{SERVERS}/shop/tools/find"
            assert (await desk.ask("POST", approve, {"hash": tool["hash"]}))[0] == 200
            assert await desk.made.names() == ["shop__find"]
            assert await desk.made.names(caller(tenant="globex")) == []
            listed = await desk.ask("GET", SERVERS)
            assert listed[1]["servers"][0]["settings"] is None


def serving(*names: str) -> MCPServer[Any]:
    """A server with a tool, a resource and a prompt of each name."""
    server: MCPServer[Any] = MCPServer("any")
    for name in names:
        server.add_tool(_echo, name=name, description="Say where it is.")

    @server.resource(f"{names[0]}://secret")
    def secret() -> str:
        """Something of theirs."""
        return f"secret of {names[0]}"

    @server.prompt(name=f"{names[0]}-prompt")
    def prompt() -> str:
        """A prompt."""
        return "hello"

    return server


async def _echo() -> str:
    return "here"


async def test_nobody_sees_or_reaches_what_is_another_tenants_or_roles(tmp_path: Path) -> None:
    """Every caller at every server, in process and over the wire."""
    names = {"all": "", "some": "northwind,globex", "ours": "northwind", "mine": "northwind", "hers": "globex"}  # fmt: skip
    async with (
        stranger(serving("all"), stateless_http=True) as everybody,
        stranger(serving("some"), stateless_http=True) as some,
        stranger(serving("ours"), stateless_http=True) as ours,
        stranger(serving("mine"), stateless_http=True) as mine,
        stranger(serving("hers"), stateless_http=True) as hers,
    ):
        servers = {
            "all": upstream(everybody, "all"),
            "some": upstream(some, "some", tenants=["northwind", "globex"]),
            "ours": upstream(ours, "ours", tenants=["northwind"], permission="customers:change"),
        }
        async with office(tmp_path, servers, ports=[port_of(mine), port_of(hers)]) as desk:
            for name, url, who in (("mine", mine, "northwind"), ("hers", hers, "globex")):
                body = {
                    "name": name,
                    "url": url,
                    "trust_on_first_use": True,
                    "tools": {name: ALONE},
                }
                assert (await desk.ask("POST", SERVERS, body, f"admin@{who}"))[0] == 200
            await desk.made.ready("all", "some", "ours", "mine")
            await desk.made.until(
                lambda: desk.made.upstream("hers", "globex").watch.state == "ready"
            )
            for tenant, extra in product(
                ("northwind", "globex", "initech"), ((), ("customers:change",))
            ):
                asking = caller(*extra, tenant=tenant).principal
                expected = {
                    name
                    for name, owners in names.items()
                    if (not owners or tenant in owners.split(","))
                    and (name != "ours" or "customers:change" in extra)
                }
                seen = await _in_process(desk.made, asking, names)
                assert seen == expected, (tenant, extra)
                assert await _over_the_wire(desk.made, asking, names) == expected
            status, listed = await desk.ask("GET", SERVERS, who="admin@initech")
            assert (status, [row["name"] for row in listed["servers"]]) == (200, ["all"])
            for name in ("mine", "hers", "ours"):
                answer = await desk.ask("DELETE", f"{SERVERS}/{name}", who="admin@initech")
                assert answer[0] == 404


async def _in_process(made: World, who: Principal, names: Mapping[str, str]) -> set[str]:
    """The servers whose tool, resource and prompt the caller reaches; all three or none."""
    asking, gateway, reached = Caller(who), made.gateway, set[str]()
    listed = {tool.server for tool in await gateway.tools(asking)}
    rows = {row.name.partition("__")[0] for row in await gateway.shelf.prompts(asking)}
    uris = {row.uri.partition(":")[0] for row in await gateway.shelf.resources(asking)}
    for name in names:
        try:
            called = not (await gateway.call(asking, f"{name}__{name}", {})).is_error
        except AccessError:
            called = False
        try:
            read = "secret" in str(await gateway.shelf.read(asking, f"{name}://secret"))
        except AccessError:
            read = False
        assert len({called, read, name in listed, name in rows, name in uris}) == 1, name
        if called:
            reached.add(name)
    return reached


async def _over_the_wire(made: World, who: Principal, names: Mapping[str, str]) -> set[str]:
    async def known(request: Request) -> Principal:
        return who

    endpoint = Endpoint(mcp_server(made.gateway, [b"k" * 32], "1"), known, GatewaySecurity())
    reached = set[str]()
    async with (
        endpoint._sessions.run(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(endpoint)) as client,
        Client(streamable_http_client("http://localhost/mcp", http_client=client)) as session,
    ):
        listed = {tool.name for tool in (await session.list_tools()).tools}
        for name in names:
            try:
                called = not (await session.call_tool(f"{name}__{name}", {})).is_error
            except MCPError:
                called = False
            assert called == (f"{name}__{name}" in listed)
            if called:
                reached.add(name)
    return reached


async def test_an_authority_that_binds_tokens_to_no_address_is_not_for_an_administrator(
    tmp_path: Path,
) -> None:
    """On behalf of: whoever names an address would get what is good at another."""
    server = {"token_url": "https://login.example/token", "client_id": "x", "client_secret": "y"}
    kinds = {"bound": "token_exchange", "entra": "on_behalf_of"}
    authorities = {name: {"kind": kind, **server} for name, kind in kinds.items()}
    async with office(tmp_path, authorities=authorities) as desk:
        body = {"name": "shop", "url": "https://public.example/mcp"}
        status, problem = await desk.ask("POST", SERVERS, {**body, "authority": "entra"})
        assert (status, problem["errors"][0]["pointer"]) == (422, "/authority")
        status, _ = await desk.ask("POST", SERVERS, {**body, "authority": "bound"})
        assert status == 200
        # What another version of SupportMax let through is off.
        await desk.made.store.put("northwind", "old", {**body, "authority": "entra"}, ("k", 1.0))
        await desk.made.federation.look()
        assert [one.name for one in desk.made.federation.of("northwind")] == ["shop"]
        assert desk.made.upstream("shop").terms.is_personal
