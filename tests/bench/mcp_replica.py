"""What the bench of the gateway asks: `python -m tests.bench.mcp_replica bare|ours`, each alone in a process.

Both have the same 24 tools, of which `noop` is called. The bare one is the SDK's own server, as its
documentation writes one; ours is the endpoint of a gateway replica over the same server, mounted.
"""

import contextlib
import sys
from collections.abc import AsyncIterator
from itertools import count
from typing import TYPE_CHECKING

import uvicorn
import uvloop
from mcp.server import MCPServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.routing import Mount

from config.gateway import GatewaySecurity
from deployments.mcp_gateway.endpoint import Endpoint
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.mounted import Mounted, Rule
from deployments.mcp_gateway.wire import mcp_server
from deployments.security.principal import Principal
from routing.clock import SystemClock
from tests.bench.serving import serve_until_told

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp

TOOLS = 24
CALLERS = 1_000
KEY = b"k" * 32


def _server() -> MCPServer[None]:
    server: MCPServer[None] = MCPServer("bench", log_level="WARNING")

    async def noop(text: str, times: int = 1) -> str:
        """Say it again."""
        return text * times

    for number in range(TOOLS):
        server.add_tool(noop, name="noop" if number == 0 else f"noop{number}")
    return server


_numbers = count()


async def _anybody(request: "Request") -> Principal:
    # Somebody else each time: one caller alone would meet the limit of calls a minute.
    subject = f"key:{next(_numbers) % CALLERS}"
    return Principal("bench", subject, frozenset(), frozenset({"mcp:tools"}))


@contextlib.asynccontextmanager
async def _bare() -> AsyncIterator["ASGIApp"]:
    manager = StreamableHTTPSessionManager(_server()._lowlevel_server, stateless=True)
    async with manager.run():
        yield Starlette(routes=[Mount("/mcp", manager.handle_request)])


@contextlib.asynccontextmanager
async def _ours() -> AsyncIterator["ASGIApp"]:
    rules = {
        ("noop" if number == 0 else f"noop{number}"): Rule("mcp:tools", "read", 5.0)
        for number in range(TOOLS)
    }
    mounted = await Mounted.mount("bench", "mcp:tools", _server(), rules)
    server = mcp_server(Gateway([mounted], SystemClock()), [KEY], "1")
    endpoint = Endpoint(server, _anybody, GatewaySecurity())
    async with endpoint._sessions.run():
        yield endpoint


async def serve(which: str) -> None:
    """Answer on a port of our own until standard input ends; the port is said on standard output."""
    async with _ours() if which == "ours" else _bare() as app:
        config = uvicorn.Config(
            app, port=0, http="httptools", lifespan="off", log_level="warning", access_log=False
        )
        await serve_until_told(config)


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
