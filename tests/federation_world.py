"""MCP servers of others on loopback, good and bad ones, and the gateway that federates them."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.database.engine import Database, open_database
from actors.database.federation import Federation as Store
from config.gateway import McpSettings
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.upstreams.federation import Federation
from deployments.mcp_gateway.upstreams.upstream import Upstream
from deployments.security.principal import Principal
from routing.clock import SystemClock

OPEN = TransportSecuritySettings(enable_dns_rebinding_protection=False)
READS = {"side_effect": "read", "approval": False}
SEEN_S = 15.0  # until a task of a loaded machine has read what it is waited for


@asynccontextmanager
async def http(app: ASGIApp) -> AsyncIterator[int]:
    """Any ASGI application on loopback, and its port."""
    config = uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110  it has no event to wait for
            await asyncio.sleep(0.01)
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = server.force_exit = True
        await task


def asgi(server: MCPServer[Any], **options: Any) -> ASGIApp:
    """The server over streamable HTTP, at /mcp."""
    return server.streamable_http_app(transport_security=OPEN, **options)


@asynccontextmanager
async def stranger(server: MCPServer[Any], **options: Any) -> AsyncIterator[str]:
    """A server of somebody else's on loopback: its address."""
    async with http(asgi(server, **options)) as port:
        yield f"http://127.0.0.1:{port}/mcp"


class Scripted:
    """A server that speaks JSON-RPC as it is told to: `answers` maps a method to what comes of it.

    An answer is a result, or an ASGI application that does what it likes with the request.
    """

    def __init__(self, **answers: object) -> None:
        self.answers = {name.replace("__", "/"): answer for name, answer in answers.items()}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _live(receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        said = json.loads(body) if body else {"method": scope["method"]}
        self.asked.append(said["method"])
        self.headers.append({k.decode(): v.decode() for k, v in scope["headers"]})
        answer = self.answers.get(said["method"], _DEFAULT.get(said["method"]))
        if callable(answer) and not isinstance(answer, dict):
            answer = await answer(said, receive, send)
            if answer is None:
                return
        if said.get("id") is None:
            await reply(send, 202, b"")
            return
        if answer is None:
            error = {"code": -32601, "message": "Method not found"}
            await reply_json(send, {"jsonrpc": "2.0", "id": said["id"], "error": error})
            return
        await reply_json(send, {"jsonrpc": "2.0", "id": said["id"], "result": answer})


_DEFAULT: Mapping[str, object] = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "scripted", "version": "1"},
    },
    "ping": {},
}


def wire_tool(name: str, **more: object) -> dict[str, object]:
    """A tool as it is on the wire."""
    return {"name": name, "inputSchema": {"type": "object"}, **more}


async def reply_json(send: Send, body: object) -> None:
    """A whole answer."""
    await reply(send, 200, json.dumps(body).encode(), "application/json")


async def reply(send: Send, status: int, body: bytes, kind: str = "text/plain") -> None:
    """A whole answer."""
    headers = [(b"content-type", kind.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def caller(*permissions: str, tenant: str = "northwind", **more: Any) -> Caller:
    """Somebody who may use tools, and whatever else is said."""
    granted = frozenset({"mcp:tools", *permissions})
    return Caller(Principal(tenant, "key:1", frozenset({"agent"}), granted), **more)


class World:
    """A federation over a store, and the gateway in front of it."""

    def __init__(self, database: Database, federation: Federation, gateway: Gateway) -> None:
        self.database = database
        self.store = Store(database)
        self.federation = federation
        self.gateway = gateway

    def upstream(self, name: str, tenant: str = "northwind") -> Upstream:
        """One of a tenant's."""
        return next(found for found in self.federation.of(tenant) if found.name == name)

    async def until(self, holds: Callable[[], bool | Awaitable[bool]]) -> None:
        """Wait until something holds."""
        with anyio.fail_after(SEEN_S):
            while True:
                held = holds()
                if held is True or (not isinstance(held, bool) and await held):
                    return
                await asyncio.sleep(0.02)

    async def ready(self, *names: str) -> None:
        """Wait until these were read."""
        for name in names:
            await self.until(lambda name=name: self.upstream(name).watch.state == "ready")  # type: ignore[misc]

    async def names(self, who: Caller | None = None) -> list[str]:
        """What a caller sees."""
        return [tool.name for tool in await self.gateway.tools(who or caller())]


def upstream(url: str, *tools: str, **more: object) -> dict[str, object]:
    """The settings of an upstream whose tools may be called alone."""
    rules = dict.fromkeys(tools, READS)
    return {"url": url, "trust_on_first_use": True, "tools": rules, "timeout_s": 5, **more}


@asynccontextmanager
async def world(
    path: Path,
    upstreams: Mapping[str, Mapping[str, object]] | None = None,
    *,
    ports: Sequence[int] = (),
    **settings: object,
) -> AsyncIterator[World]:
    """The gateway with these upstreams, which are on loopback."""
    found = [int(str(said["url"]).split(":")[2].split("/")[0]) for said in (upstreams or {}).values() if "url" in said]  # fmt: skip
    outbound = {"allow_private": ["127.0.0.0/8"], "ports": [443, *ports, *found]}
    said = McpSettings.model_validate(
        {"outbound": outbound, "upstreams": upstreams or {}, **settings}
    )
    database, clock = open_database(path / "supportmax.sqlite"), SystemClock()
    await database.migrate()
    chance = random.Random(7)  # noqa: S311  spreads requests
    federation = Federation(said, Store(database), clock, chance)
    await federation.start()
    try:
        yield World(database, federation, Gateway((), clock, None, federation.of))
    finally:
        await federation.aclose()
        await database.aclose()
