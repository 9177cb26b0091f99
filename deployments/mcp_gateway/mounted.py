"""One of our own MCP servers behind the gateway, called as a function and not over a wire."""

import base64
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from mcp import Client, MCPError
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import (
    ResourceError,
    ResourceNotFoundError,
    ToolError,
    UnexpectedToolError,
)
from mcp_types import (
    METHOD_NOT_FOUND,
    BlobResourceContents,
    CallToolResult,
    Completion,
    GetPromptResult,
    InputRequiredResult,
    InputResponseRequestParams,
    Prompt,
    PromptReference,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from deployments.mcp_gateway.caller import Caller, calling
from deployments.mcp_gateway.tool import SideEffect, Tool, Trust, offered_name
from deployments.mcp_gateway.tool_server import Exchange
from routing.message import JsonObject

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rule:
    """What the gateway must know of a tool and the tool itself does not say."""

    permission: str
    side_effect: SideEffect
    timeout_s: float
    trust: Trust = "own"


class Mounted:
    """A ToolServer over an MCPServer of this process.

    Its tools learn their caller from `deployments.mcp_gateway.caller`. Its catalogue is read
    once: a server of ours does not change while it runs.
    """

    def __init__(
        self, name: str, permission: str, server: MCPServer[Any], tools: Sequence[Tool]
    ) -> None:
        self._name = name
        self._permission = permission
        self._server = server
        self._tools = tuple(tools)

    @classmethod
    async def mount(
        cls, name: str, permission: str, server: MCPServer[Any], rules: Mapping[str, Rule]
    ) -> Self:
        """`server` under `name`, each of its tools with its rule.

        Raises:
            ValueError: a tool has no rule, or a rule no tool; nothing is granted by default.
        """
        listed = {tool.name: tool for tool in await server.list_tools()}
        if listed.keys() != rules.keys():
            odd = ", ".join(sorted(listed.keys() ^ rules.keys()))
            raise ValueError(f"{name}: every tool has one rule and every rule one tool: {odd}")
        tools = [
            Tool(
                name=offered_name(name, tool.name),
                server=name,
                local_name=tool.name,
                title=tool.title or tool.name,
                description=tool.description or "",
                input_schema=tool.input_schema,
                output_schema=tool.output_schema,
                side_effect=rule.side_effect,
                trust=rule.trust,
                permission=rule.permission,
                timeout_s=rule.timeout_s,
            )
            for tool, rule in ((listed[local], rules[local]) for local in listed)
        ]
        return cls(name, permission, server, tools)

    @property
    def name(self) -> str:
        """The prefix of its tools."""
        return self._name

    @property
    def permission(self) -> str:
        """What its resources and prompts need."""
        return self._permission

    @property
    def trust(self) -> Trust:
        """We wrote it."""
        return "own"

    async def tools(self, caller: Caller) -> Sequence[Tool]:
        """All of them; the gateway filters by permission."""
        return self._tools

    async def call(
        self, caller: Caller, local_name: str, arguments: JsonObject, exchange: Exchange
    ) -> CallToolResult | InputRequiredResult:
        """Run the tool; what it raises on purpose is told, what it raises by mistake is not."""
        try:
            with calling(caller, exchange.idempotency_key, exchange.progress):
                return await self._server.call_tool(
                    local_name, dict(arguments), self._context(exchange)
                )
        except UnexpectedToolError as error:
            _log.exception("the tool %s%s failed", self._name, local_name)
            if isinstance(error.__cause__, DatabaseBusy | DatabaseUnavailable):
                return _error("The tool is not available; try again in a moment.")
            return _error("The tool failed; the mistake is ours and is in the log.")
        except ToolError as error:
            return _error(str(error))

    async def resources(self, caller: Caller) -> Sequence[Resource]:
        """Those with a fixed address."""
        return await self._server.list_resources()

    async def templates(self, caller: Caller) -> Sequence[ResourceTemplate]:
        """Those with holes to fill."""
        return await self._server.list_resource_templates()

    async def read(
        self, caller: Caller, uri: str, exchange: Exchange
    ) -> ReadResourceResult | InputRequiredResult | None:
        """The resource; None where there is none for this caller."""
        try:
            with calling(caller, None, exchange.progress):
                found = await self._server.read_resource(uri, self._context(exchange))
        except ResourceNotFoundError:
            return None
        except ResourceError as error:
            raise MCPError(-32603, "The resource could not be read.", {"uri": uri}) from error
        if isinstance(found, InputRequiredResult):
            return found
        contents: list[TextResourceContents | BlobResourceContents] = []
        for item in found:
            if isinstance(item.content, bytes):
                blob = base64.b64encode(item.content).decode()
                kind = item.mime_type or "application/octet-stream"
                contents.append(BlobResourceContents(uri=uri, blob=blob, mime_type=kind))
            else:
                kind = item.mime_type or "text/plain"
                contents.append(TextResourceContents(uri=uri, text=item.content, mime_type=kind))
        return ReadResourceResult(contents=contents)

    async def prompts(self, caller: Caller) -> Sequence[Prompt]:
        """Its prompts."""
        return await self._server.list_prompts()

    async def prompt(
        self, caller: Caller, local_name: str, arguments: Mapping[str, str], exchange: Exchange
    ) -> GetPromptResult | InputRequiredResult:
        """One prompt, filled."""
        with calling(caller, None, exchange.progress):
            return await self._server.get_prompt(
                local_name, dict(arguments), self._context(exchange)
            )

    async def complete(
        self,
        caller: Caller,
        ref: PromptReference | ResourceTemplateReference,
        argument: tuple[str, str],
        known: Mapping[str, str],
    ) -> Completion | None:
        """How the argument may go on."""
        name, value = argument
        with calling(caller):
            # The server's completion handler has no other public door. The client lives and dies
            # in this task, and costs a millisecond.
            async with Client(self._server) as client:
                try:
                    answer = await client.complete(
                        ref, {"name": name, "value": value}, dict(known) or None
                    )
                except MCPError as error:
                    if error.error.code == METHOD_NOT_FOUND:
                        return None
                    raise
        return answer.completion

    def _context(self, exchange: Exchange) -> Context[Any, Any]:
        # The gateway's own request in place of one of this server's: the state of a second round
        # is sealed once, at the wire, and progress and the protocol's era are the client's.
        return Context(
            request_context=exchange.wire,
            mcp_server=self._server,
            input_params=InputResponseRequestParams(
                input_responses=exchange.answers, request_state=exchange.state
            ),
        )


def _error(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=True)
