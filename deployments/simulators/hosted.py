"""Hosted tools: a simulated vendor calls the MCP server that a request names, as the real one would.

Which tools it calls is scripted under the platform's name and `/hosted`, by `tool_calls`; without
a script it only asks what there is. A server that refuses is reported as the vendors report it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import httpx2
import orjson

from deployments.simulators.exchange import Exchange, hosted_calls_of
from deployments.simulators.faults import ToolCalls
from deployments.simulators.reply import SimToolResult
from deployments.simulators.schema import JsonObject, as_list, as_object

# A server on loopback answers in milliseconds; one that does not is reported.
CALL_S = 10.0


@dataclass(frozen=True, slots=True)
class HostedServer:
    """The server as the request names it. `allowed` None is every tool."""

    label: str
    url: str
    token: str
    allowed: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class HostedCall:
    """A call that the vendor made by itself; `error` where it was refused or failed."""

    server: str
    name: str
    arguments: JsonObject
    output: str
    error: str | None = None

    @property
    def result(self) -> SimToolResult:
        """As the model reads it."""
        return SimToolResult(self.name, self.error or self.output)


@dataclass(frozen=True, slots=True)
class Hosted:
    """What the vendor did before its model spoke: the tools it was shown, the calls it made."""

    server: HostedServer
    tools: tuple[str, ...]
    calls: tuple[HostedCall, ...]


async def openai_hosted(exchange: Exchange) -> tuple[Exchange, Hosted | None]:
    """The exchange without what OpenAI does itself, and what it did."""
    body = as_object(exchange.body)
    named = [as_object(tool) for tool in as_list(body.get("tools"))]
    mine = [tool for tool in named if tool.get("type") == "mcp"]
    said = [as_object(item) for item in as_list(body.get("input"))]
    rest = [item for item in said if not str(item.get("type", "")).startswith("mcp_")]
    if not mine and len(rest) == len(said):
        return exchange, None
    others = [tool for tool in named if tool.get("type") != "mcp"]
    kept = {name: value for name, value in body.items() if name != "tools"}
    stripped = replace(exchange, body={**kept, "input": rest, "tools": others})
    if not mine:
        return stripped, None
    tool = mine[0]
    server = HostedServer(
        str(tool.get("server_label")),
        str(tool.get("server_url")),
        str(tool.get("authorization", "")),
        _names(tool.get("allowed_tools")),
    )
    return stripped, await _play(exchange, server)


async def anthropic_hosted(exchange: Exchange) -> tuple[Exchange, Hosted | None]:
    """The exchange without what Anthropic does itself, and what it did.

    Without its beta header, Anthropic knows no such field, and says so.
    """
    body = as_object(exchange.body)
    servers = [as_object(one) for one in as_list(body.get("mcp_servers"))]
    if not servers or "mcp-client-" not in exchange.request.headers.get("anthropic-beta", ""):
        return exchange, None
    named = [as_object(tool) for tool in as_list(body.get("tools"))]
    toolset = next((tool for tool in named if tool.get("type") == "mcp_toolset"), {})
    configs = as_object(toolset.get("configs"))
    allowed = frozenset(n for n, one in configs.items() if as_object(one).get("enabled"))
    server = HostedServer(
        str(servers[0].get("name")),
        str(servers[0].get("url")),
        str(servers[0].get("authorization_token", "")),
        allowed,
    )
    kept = {name: value for name, value in body.items() if name not in {"tools", "mcp_servers"}}
    others = [tool for tool in named if tool.get("type") != "mcp_toolset"]
    stripped = replace(exchange, body={**kept, "tools": others})
    return stripped, await _play(exchange, server)


def openai_items(hosted: Hosted, mint: Sequence[str]) -> list[dict[str, object]]:
    """What an answer of OpenAI says of it; `mint` are ids, one for each item."""
    label = hosted.server.label
    listed: dict[str, object] = {
        "id": mint[0],
        "type": "mcp_list_tools",
        "server_label": label,
        "tools": [{"name": name, "input_schema": {}} for name in hosted.tools],
    }
    called: list[dict[str, object]] = [
        {
            "id": one,
            "type": "mcp_call",
            "server_label": label,
            "name": call.name,
            "arguments": _dumped(call.arguments),
            "output": call.output or None,
            "error": call.error,
            "approval_request_id": None,
            "status": "failed" if call.error else "completed",
        }
        for one, call in zip(mint[1:], hosted.calls, strict=False)
    ]
    return [listed, *called]


def anthropic_blocks(hosted: Hosted, mint: Sequence[str]) -> list[dict[str, object]]:
    """What an answer of Anthropic says of it; `mint` are ids, one for each call."""
    blocks: list[dict[str, object]] = []
    for one, call in zip(mint, hosted.calls, strict=False):
        blocks.append(
            {
                "type": "mcp_tool_use",
                "id": one,
                "name": call.name,
                "server_name": call.server,
                "input": dict(call.arguments),
            }
        )
        blocks.append(
            {
                "type": "mcp_tool_result",
                "tool_use_id": one,
                "is_error": call.error is not None,
                "content": [{"type": "text", "text": call.error or call.output}],
            }
        )
    return blocks


async def _play(exchange: Exchange, server: HostedServer) -> Hosted:
    script = exchange.stage.script.take_exactly(hosted_calls_of(exchange.platform))
    wanted = script.calls if isinstance(script, ToolCalls) else []
    # Here and not above: only whoever plays this needs the protocol's library.
    from mcp import Client, MCPError  # noqa: PLC0415
    from mcp.client.streamable_http import streamable_http_client  # noqa: PLC0415

    headers = {"Authorization": f"Bearer {server.token}"}
    calls: list[HostedCall] = []
    tools: tuple[str, ...] = ()
    try:
        async with (
            httpx2.AsyncClient(headers=headers, verify=False, timeout=CALL_S) as http,
            Client(streamable_http_client(server.url, http_client=http)) as client,
        ):
            listed = (await client.list_tools()).tools
            allowed = server.allowed
            tools = tuple(t.name for t in listed if allowed is None or t.name in allowed)
            for call in wanted:
                # Also one that was not allowed: whether that is refused is the server's affair.
                try:
                    done = await client.call_tool(call.name, call.arguments)
                except MCPError as error:
                    calls.append(_failed(server, call.name, call.arguments, error.message))
                    continue
                text = "\n".join(getattr(block, "text", "") for block in done.content)
                why = text if done.is_error else None
                calls.append(HostedCall(server.label, call.name, call.arguments, text, why))
    except Exception as error:  # noqa: BLE001  whatever it is, a vendor reports it and goes on
        calls += [_failed(server, c.name, c.arguments, repr(error)) for c in wanted[len(calls) :]]
        tools = tools or ()
    return Hosted(server, tools, tuple(calls))


def _failed(server: HostedServer, name: str, arguments: JsonObject, why: str) -> HostedCall:
    return HostedCall(server.label, name, arguments, "", why)


def _names(value: object) -> frozenset[str] | None:
    if isinstance(value, Mapping):
        value = value.get("tool_names")
    return None if value is None else frozenset(str(name) for name in as_list(value))


def _dumped(arguments: JsonObject) -> str:
    return orjson.dumps(arguments).decode()
