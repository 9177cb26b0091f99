"""Servers of others behind the running product: one of the configuration, and one added while it runs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp.server import MCPServer

from tests.federation_world import stranger
from tests.integration.test_chat import key_of
from tests.integration.test_mcp import connected, text_of
from tests.product import Product, running

pytestmark = [pytest.mark.timeout(300)]

SERVERS = "/admin/mcp/servers"
# A change is known within two seconds; the machine may be busy.
KNOWN_S = 30.0
CONFIGURATION = """\
platforms:
  anthropic: {{simulated: true}}
mcp:
  outbound: {{allow_private: [127.0.0.0/8], ports: [443, {configured}, {added}]}}
  upstreams:
    shop:
      url: http://127.0.0.1:{configured}/mcp
      trust_on_first_use: true
      tools: {{find: {{side_effect: read, approval: false}}}}
"""


def shop(said: str) -> MCPServer[Any]:
    """A server with one tool."""
    server: MCPServer[Any] = MCPServer("shop")

    @server.tool()
    async def find() -> str:
        """Find something."""
        return said

    return server


async def test_servers_of_others_are_there_from_the_start_and_while_it_runs(tmp_path: Path) -> None:
    """Through every process: the ingress that is told, the store, and the gateway that serves it."""
    async with (
        stranger(shop("a hat"), stateless_http=True) as configured,
        stranger(shop("a coat"), stateless_http=True) as added,
    ):
        path = tmp_path / "supportmax.yaml"
        ports = {"configured": configured.split(":")[2][:-4], "added": added.split(":")[2][:-4]}
        path.write_text(CONFIGURATION.format(**ports))
        with running(path) as product:
            await _use(product, added)


async def _use(product: Product, added: str) -> None:
    async with product.http() as http:

        async def states(name: str) -> dict[str, str]:
            """The tools of a server as its administrator sees them."""
            rows = (await http.get(SERVERS)).json()["servers"]
            return {
                tool["hash"]: tool["state"]
                for row in rows
                if row["name"] == name
                for tool in row["tools"]
            }

        await _until(lambda: _offered(product, {"shop__find"}))
        rules = {"find": {"side_effect": "read", "approval": False}}
        body = {"name": "coats", "url": added, "tools": rules}
        assert (await http.post(SERVERS, json=body)).status_code == 200
        await _until(lambda: _holds(states, "coats", "quarantined"))
        assert await _offered(product, {"shop__find"})
        (digest,) = await states("coats")
        passed = await http.post(f"{SERVERS}/coats/tools/find", json={"hash": digest})
        assert passed.json()["state"] == "offered"
        await _until(lambda: _offered(product, {"shop__find", "coats__find"}))
        async with connected(f"{product.address}/mcp", product.key) as client:
            for name, said in (("shop__find", "a hat"), ("coats__find", "a coat")):
                found = text_of((await client.call_tool(name, {})).content)
                assert found == f'<untrusted source="{name}">\n{said}\n</untrusted>'
        stranger_key = await key_of(product, "globex", "admin")
        async with connected(f"{product.address}/mcp", stranger_key) as client:
            assert "coats__find" not in [t.name for t in (await client.list_tools()).tools]
            with pytest.raises(MCPError, match="Unknown tool"):
                await client.call_tool("coats__find", {})
        assert (await http.delete(f"{SERVERS}/coats")).status_code == 200
        await _until(lambda: _offered(product, {"shop__find"}))


async def _offered(product: Product, names: set[str]) -> bool:
    async with connected(f"{product.address}/mcp", product.key) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
    return {name for name in tools if name.startswith(("shop__", "coats__"))} == names


async def _holds(
    states: Callable[[str], Awaitable[dict[str, str]]], server: str, state: str
) -> bool:
    return list((await states(server)).values()) == [state]


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(KNOWN_S):
        while not await holds():  # noqa: ASYNC110  another process has no event for us
            await asyncio.sleep(0.2)
