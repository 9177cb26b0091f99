"""Our own servers as one replica has them; here each meets what it needs."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.database.approvals import Approvals
from actors.database.engine import Database
from actors.knowledge import Records
from actors.knowledge.embed import Embedder
from config.settings import Settings
from deployments.boot import Boot
from deployments.mcp_gateway.context import ContextGateway
from deployments.mcp_gateway.sources import Indexes, sources
from deployments.mcp_gateway.tool_server import ToolServer
from deployments.security.rbac import roles_of
from routing.clock import Clock

if TYPE_CHECKING:
    from deployments.mcp_gateway.business.approval_queue import ApprovalQueue
    from deployments.mcp_gateway.business.runner import ToolRunner


@dataclass(frozen=True, slots=True)
class Parts:
    """What servers are made of."""

    boot: Boot
    settings: Settings
    database: Database
    clock: Clock
    indexes: Indexes
    embedder: Embedder | None


OwnServers = Callable[[Parts], Awaitable[Sequence[ToolServer]]]


async def own_servers(parts: Parts) -> Sequence[ToolServer]:
    """The servers that are switched on."""
    # An MCPServer gives the process a log handler of its own taste where there is none.
    logging.basicConfig(level=logging.WARNING)
    enabled = parts.settings.mcp.servers
    servers: list[ToolServer] = []
    if enabled.knowledge.enabled:
        # Here and not above: the process that deploys has no use for the protocol's library.
        from deployments.mcp_gateway.servers.knowledge import knowledge_server  # noqa: PLC0415

        servers.append(await knowledge_server(context_of(parts)))
    if enabled.tools.enabled:
        from deployments.mcp_gateway.servers.tools import tools_server  # noqa: PLC0415

        servers.append(await tools_server(tool_runner(parts)))
    return servers


def context_of(parts: Parts) -> ContextGateway:
    """What the sources that are switched on find."""
    offered = sources(parts.indexes, Records(parts.database), parts.embedder)
    enabled = parts.settings.mcp.servers.knowledge.sources
    return ContextGateway({name: offered[name] for name in enabled})


def tool_runner(parts: Parts) -> "ToolRunner":
    """What runs the company's business tools; none while their server is switched off.

    Raises:
        ConfigError: the configured registry cannot be meant.
    """
    from deployments.mcp_gateway.business.resolve import configured_registry  # noqa: PLC0415
    from deployments.mcp_gateway.business.runner import ToolRunner  # noqa: PLC0415

    registry = configured_registry(parts.settings, parts.boot.config)
    limits = roles_of(parts.settings.rbac).limits
    return ToolRunner(registry, parts.database, limits, parts.clock)


def approval_queue(parts: Parts) -> "ApprovalQueue":
    """The calls of this region that wait for a human."""
    from deployments.mcp_gateway.business.approval_queue import ApprovalQueue  # noqa: PLC0415

    return ApprovalQueue(Approvals(parts.database), tool_runner(parts), parts.clock)
