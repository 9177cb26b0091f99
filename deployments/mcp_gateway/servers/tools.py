"""The tools server: a company's business tools, over the protocol and in this process alike."""

from typing import Any

import orjson
from mcp.server import MCPServer
from mcp.server.mcpserver.tools import Tool as ServerTool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import CallToolResult, TextContent
from pydantic import ConfigDict
from typing_extensions import override

from deployments.mcp_gateway import caller
from deployments.mcp_gateway.business.declaration import BusinessTool
from deployments.mcp_gateway.business.runner import SERVER, ToolRunner
from deployments.mcp_gateway.mounted import Mounted, Rule

PERMISSION = "mcp:tools"
# The runner keeps a tool's own time; the gateway's, a little longer, is for a runner that hangs.
GRACE_S = 1.0


class _AsSent(ArgModelBase):
    """Arguments as they were sent: the runner checks them against the tool's own model.

    The library would read text as JSON and give what it made of it; an approval and an
    idempotency key stand for exactly what was sent.
    """

    model_config = ConfigDict(extra="allow")


class _Metadata(FuncMetadata):
    @override
    def validate_arguments(self, arguments_to_validate: dict[str, Any]) -> dict[str, Any]:
        return {"arguments": arguments_to_validate}


def tools_mcp_server(runner: ToolRunner) -> MCPServer[Any]:
    """The registry's tools as an MCP server; its caller is `deployments.mcp_gateway.caller`'s."""
    return MCPServer(
        SERVER,
        title="Business tools",
        tools=[_tool(runner, tool) for tool in runner.registry.tools],
    )


async def tools_server(runner: ToolRunner) -> Mounted:
    """The server as the gateway has it."""
    rules = {
        tool.name: Rule(
            permission=tool.permission,
            side_effect=tool.side_effect,
            timeout_s=tool.timeout_s + GRACE_S,
            trust=tool.trust,
        )
        for tool in runner.registry.tools
    }
    return await Mounted.mount(SERVER, PERMISSION, tools_mcp_server(runner), rules)


def _tool(runner: ToolRunner, tool: BusinessTool) -> ServerTool:
    async def call(arguments: dict[str, Any]) -> CallToolResult:
        outcome = await runner.run(caller.current(), tool.name, arguments, caller.idempotency_key())
        body = dict(outcome.body)
        return CallToolResult(
            content=[TextContent(text=orjson.dumps(body).decode())],
            # What a refusal holds is not what the output schema promises.
            structured_content=None if outcome.is_error else body,
            is_error=outcome.is_error,
        )

    return ServerTool(
        fn=call,
        name=tool.name,
        title=tool.title,
        description=tool.description,
        parameters=dict(tool.input_schema),
        fn_metadata=_Metadata(arg_model=_AsSent, output_schema=dict(tool.output_schema)),
        is_async=True,
    )
