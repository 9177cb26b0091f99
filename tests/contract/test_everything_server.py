"""The MCP project's own example server, over both of its transports, behind the gateway."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.mcp_gateway.tool_server import Exchange
from tests.federation_world import READS, caller, upstream, world
from tests.judges.judge import HERE, node, program, serving
from tests.ports import free_port

SERVER = HERE / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
TOOLS = ("echo", "get-sum", "trigger-long-running-operation", "get-structured-content")


@pytest.fixture
def everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The server over streamable HTTP."""
    port = free_port()
    monkeypatch.setenv("PORT", str(port))
    command = [node(), program(SERVER), "streamableHttp"]
    url = f"http://127.0.0.1:{port}/mcp"
    with serving(command, url, tmp_path / "log", within_s=30):
        yield url


async def test_both_transports_offer_the_same_and_do_the_same(
    everything: str, tmp_path: Path
) -> None:
    over_stdio = {
        "command": [node(), program(SERVER), "stdio"], "trust_on_first_use": True,
        "tools": dict.fromkeys(TOOLS, READS), "timeout_s": 20,
    }  # fmt: skip
    servers = {"web": upstream(everything, *TOOLS, timeout_s=20), "pipe": over_stdio}
    async with world(tmp_path, servers) as made:
        await made.ready("web", "pipe")
        offered = await made.names()
        by_server = [
            {n.partition("__")[2] for n in offered if n.startswith(s)} for s in ("web", "pipe")
        ]
        assert by_server[0] == by_server[1]
        assert set(TOOLS) <= by_server[0]
        for server in ("web", "pipe"):
            heard: list[tuple[float, float | None]] = []

            async def tell(done: float, total: float | None, said: str | None, to: list[tuple[float, float | None]] = heard) -> None:  # fmt: skip
                to.append((done, total))

            echoed = await made.gateway.call(caller(), f"{server}__echo", {"message": "hi"})
            assert "Echo: hi" in echoed.text
            assert echoed.trust == "untrusted"
            summed = await made.gateway.call(caller(), f"{server}__get-sum", {"a": 2, "b": 3})
            assert "5" in summed.text
            weather = await made.gateway.call(
                caller(), f"{server}__get-structured-content", {"location": "New York"}
            )
            assert isinstance(weather.structured, dict)
            assert "temperature" in weather.structured
            long = await made.gateway.call(
                caller(), f"{server}__trigger-long-running-operation", {"duration": 1, "steps": 4},
                exchange=Exchange(progress=tell),
            )  # fmt: skip
            assert not long.is_error
            assert [done for done, _ in heard] == [1, 2, 3, 4]
        shelf = made.gateway.shelf
        resources = await shelf.resources(caller())
        assert resources
        assert "untrusted" in str(await shelf.read(caller(), resources[0].uri))
        prompts = [row.name for row in await shelf.prompts(caller())]
        assert "web__simple-prompt" in prompts
        assert "pipe__simple-prompt" in prompts
        assert "untrusted" in str(await shelf.prompt(caller(), "web__simple-prompt", {}))


async def test_one_process_that_dies_takes_no_tool_from_the_other(
    everything: str, tmp_path: Path
) -> None:
    over_stdio = {
        "command": ["/bin/sh", "-c", f"echo $$ > {tmp_path}/pid; exec {node()} {SERVER} stdio"],
        "trust_on_first_use": True, "tools": dict.fromkeys(TOOLS, READS), "timeout_s": 5,
    }  # fmt: skip
    program(SERVER)
    async with world(tmp_path, {"web": upstream(everything, *TOOLS), "pipe": over_stdio}) as made:
        await made.ready("web", "pipe")
        pid = int((tmp_path / "pid").read_text())
        os.kill(pid, 9)
        async with asyncio.timeout(10):
            lost = await made.gateway.call(caller(), "pipe__echo", {"message": "hi"})
        assert lost.is_error
        kept = await made.gateway.call(caller(), "web__echo", {"message": "hi"})
        assert not kept.is_error
        assert "pipe__echo" in await made.names()
        await made.upstream("pipe").watch.read()
        await made.upstream("pipe").watch.read()
        back = await made.gateway.call(caller(), "pipe__echo", {"message": "again"})
        assert "Echo: again" in back.text
