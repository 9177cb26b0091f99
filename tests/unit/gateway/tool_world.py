"""Tools for tests of the gateway, and servers that offer them and can misbehave."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from mcp_types import (
    CallToolResult,
    Completion,
    GetPromptResult,
    InputRequiredResult,
    Prompt,
    PromptReference,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool import SideEffect, Tool, Trust, offered_name
from deployments.mcp_gateway.tool_server import Exchange
from deployments.security.principal import Principal
from routing.message import JsonObject

Does = Callable[[JsonObject], Awaitable[CallToolResult | InputRequiredResult]]


def tool(
    local_name: str,
    *,
    server: str = "shop",
    permission: str = "mcp:tools",
    side_effect: SideEffect = "read",
    trust: Trust = "own",
    output_schema: JsonObject | None = None,
) -> Tool:
    """A tool of five seconds."""
    return Tool(
        offered_name(server, local_name), server, local_name, local_name, "",
        {"type": "object"}, output_schema, side_effect, trust, permission, 5.0,
    )  # fmt: skip


def caller(
    *permissions: str, tenant: str = "northwind", customer: str | None = None, tainted: bool = False
) -> Caller:
    """Somebody with these permissions."""
    principal = Principal(tenant, "key:1", frozenset(), frozenset(permissions))
    return Caller(principal, customer, tainted=tainted)


def said(*texts: str) -> CallToolResult:
    """An answer of text."""
    return CallToolResult(content=[TextContent(text=text) for text in texts])


async def answer(arguments: JsonObject) -> CallToolResult:
    """What a tool does that is told nothing else."""
    return said("done")


async def hang(arguments: JsonObject) -> CallToolResult:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


class Shop:
    """A ToolServer whose tools all do `does`; `broken` raises at everything, `hangs` waits at it."""

    def __init__(
        self,
        *tools: Tool,
        name: str = "shop",
        does: Does = answer,
        broken: bool = False,
        hangs: bool = False,
        trust: Trust = "own",
    ) -> None:
        self._tools = tools
        self._does = does
        self._broken = broken
        self._hangs = hangs
        self.name = name
        self.permission = "mcp:context"
        self.trust = trust
        self.calls: list[tuple[str, JsonObject]] = []

    async def tools(self, caller: Caller) -> Sequence[Tool]:
        await self._behave()
        return self._tools

    async def call(
        self, caller: Caller, local_name: str, arguments: JsonObject, exchange: Exchange
    ) -> CallToolResult | InputRequiredResult:
        self.calls.append((local_name, arguments))
        return await self._does(arguments)

    async def resources(self, caller: Caller) -> Sequence[Resource]:
        await self._behave()
        return [Resource(uri=f"{self.name}://one", name="one")]

    async def templates(self, caller: Caller) -> Sequence[ResourceTemplate]:
        await self._behave()
        return [ResourceTemplate(uri_template=f"{self.name}://{{id}}", name="any")]

    async def read(
        self, caller: Caller, uri: str, exchange: Exchange
    ) -> ReadResourceResult | InputRequiredResult | None:
        await self._behave()
        if not uri.startswith(f"{self.name}://"):
            return None
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=self.name)])

    async def prompts(self, caller: Caller) -> Sequence[Prompt]:
        await self._behave()
        return [Prompt(name="greet")]

    async def prompt(
        self, caller: Caller, local_name: str, arguments: Mapping[str, str], exchange: Exchange
    ) -> GetPromptResult | InputRequiredResult:
        return GetPromptResult(messages=[], description=f"{self.name} {local_name}")

    async def complete(
        self,
        caller: Caller,
        ref: PromptReference | ResourceTemplateReference,
        argument: tuple[str, str],
        known: Mapping[str, str],
    ) -> Completion | None:
        await self._behave()
        return Completion(values=[argument[1] + self.name])

    async def _behave(self) -> None:
        if self._broken:
            raise RuntimeError("it is broken")
        if self._hangs:
            await asyncio.Event().wait()
