"""What the gateway offers beside tools: resources, prompts, and how their arguments may go on."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import TypeVar

from mcp import MCPError
from mcp_types import (
    Completion,
    GetPromptResult,
    InputRequiredResult,
    Prompt,
    PromptReference,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    ResourceTemplateReference,
)

from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.containment import contain_prompt, contain_read
from deployments.mcp_gateway.directory import LIST_DEADLINE_S, Servers, may_read
from deployments.mcp_gateway.tool import offered_name
from deployments.mcp_gateway.tool_server import Exchange, ToolServer
from routing.errors import AccessError

_log = logging.getLogger(__name__)
_Row = TypeVar("_Row")

# Reading a resource or filling a prompt is a query or two, or one call of a federated server.
READ_DEADLINE_S = 15.0
NO_EXCHANGE = Exchange()


class Shelf:
    """Resources and prompts of all servers whose permission the caller has."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    async def resources(self, caller: Caller) -> tuple[Resource, ...]:
        """Resources with a fixed address, by address."""
        rows = await self._servers.gather(
            caller, lambda server: server.resources(caller), shelf=True
        )
        return tuple(sorted((row for _, found in rows for row in found), key=lambda row: row.uri))

    async def templates(self, caller: Caller) -> tuple[ResourceTemplate, ...]:
        """Addresses with holes, by address."""
        rows = await self._servers.gather(
            caller, lambda server: server.templates(caller), shelf=True
        )
        found = (row for _, templates in rows for row in templates)
        return tuple(sorted(found, key=lambda row: row.uri_template))

    async def read(
        self, caller: Caller, uri: str, *, exchange: Exchange = NO_EXCHANGE
    ) -> ReadResourceResult | InputRequiredResult:
        """What is at `uri`, from the first server that has something there.

        Raises:
            AccessError: there is nothing for this caller.
            MCPError: the server that has it cannot give it.
        """
        for server in self._servers.of(caller):
            if not may_read(caller, server):
                continue
            asked = server.read(caller, uri, exchange)
            found = await _unless_broken(server, asked, READ_DEADLINE_S)
            if isinstance(found, InputRequiredResult):
                return found
            if found is not None:
                return contain_read(server.name, server.trust, found)
        raise AccessError("not_found", "Unknown resource")

    async def prompts(self, caller: Caller) -> tuple[Prompt, ...]:
        """Prompts, by name."""
        rows = await self._servers.gather(caller, lambda server: server.prompts(caller), shelf=True)
        named = (
            row.model_copy(update={"name": offered_name(server.name, row.name)})
            for server, found in rows
            for row in found
        )
        return tuple(sorted(named, key=lambda row: row.name))

    async def prompt(
        self,
        caller: Caller,
        name: str,
        arguments: Mapping[str, str],
        *,
        exchange: Exchange = NO_EXCHANGE,
    ) -> GetPromptResult | InputRequiredResult:
        """One prompt, filled.

        Raises:
            AccessError: there is no such prompt for this caller.
            MCPError: the server cannot fill it.
        """
        server, local = await self._prompt_of(caller, name)
        async with asyncio.timeout(READ_DEADLINE_S):
            found = await server.prompt(caller, local, arguments, exchange)
        if isinstance(found, InputRequiredResult):
            return found
        return contain_prompt(server.name, server.trust, found)

    async def complete(
        self,
        caller: Caller,
        ref: PromptReference | ResourceTemplateReference,
        argument: tuple[str, str],
        known: Mapping[str, str],
    ) -> Completion:
        """How an argument of a prompt or an address may go on; nothing where nobody can say."""
        nothing = Completion(values=[])
        if isinstance(ref, PromptReference):
            server, local = await self._prompt_of(caller, ref.name)
            ref, asked = PromptReference(name=local), [server]
        else:
            rows = await self._servers.gather(
                caller, lambda server: server.templates(caller), shelf=True
            )
            asked = [s for s, found in rows if any(t.uri_template == ref.uri for t in found)]
        for server in asked:
            completing = server.complete(caller, ref, argument, known)
            completion = await _unless_broken(server, completing, LIST_DEADLINE_S)
            if completion is not None:
                return completion
        return nothing

    async def _prompt_of(self, caller: Caller, name: str) -> tuple[ToolServer, str]:
        rows = await self._servers.gather(caller, lambda server: server.prompts(caller), shelf=True)
        for server, found in rows:
            for prompt in found:
                if offered_name(server.name, prompt.name) == name:
                    return server, prompt.name
        raise AccessError("not_found", f"Unknown prompt: {name}")


async def _unless_broken(
    server: ToolServer, asked: Awaitable[_Row], within_s: float
) -> _Row | None:
    """What a server answers; None where it breaks. An error of the protocol is an answer."""
    try:
        async with asyncio.timeout(within_s):
            return await asked
    except MCPError:
        raise
    except Exception:  # noqa: BLE001  whatever it raises, another server may have the answer
        _log.exception("the server %r broke", server.name)
        return None
