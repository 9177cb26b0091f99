"""Our own servers as one replica has them; here each meets what it needs."""

import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.database.approvals import Approvals
from actors.database.engine import Database
from actors.database.federation import Federation as FederationStore
from actors.database.vectors import Vectors
from actors.knowledge import Records
from actors.knowledge.embed import Embedder
from actors.memory import Memory
from config.identity import identities_of
from config.scim import directories_of
from config.settings import Settings
from deployments.boot import Boot
from deployments.mcp_gateway.context import ContextGateway
from deployments.mcp_gateway.sources import Indexes, sources
from deployments.mcp_gateway.tool_server import ToolServer
from deployments.security.rbac import roles_of
from deployments.security.trail import Trail
from routing.clock import Clock

if TYPE_CHECKING:
    from deployments.mcp_gateway.business.approval_queue import ApprovalQueue
    from deployments.mcp_gateway.business.runner import ToolRunner
    from deployments.mcp_gateway.gateway import Gateway, MustStand
    from deployments.mcp_gateway.upstreams.administration import Administration
    from deployments.mcp_gateway.upstreams.federation import Federation


@dataclass(frozen=True, slots=True)
class Parts:
    """What servers are made of."""

    boot: Boot
    settings: Settings
    database: Database
    clock: Clock
    indexes: Indexes
    embedder: Embedder | None
    memory: Memory


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
    if enabled.memory.enabled:
        from deployments.mcp_gateway.servers.memory import memory_server  # noqa: PLC0415

        servers.append(await memory_server(parts.memory))
    return servers


def context_of(parts: Parts) -> ContextGateway:
    """What the sources that are switched on find."""
    records, facts = Records(parts.database), parts.memory.facts
    knowledge = parts.settings.mcp.servers.knowledge
    nearest = Vectors(parts.database) if knowledge.index == "pgvector" else None
    offered = sources(parts.indexes, records, facts, parts.embedder, nearest)
    return ContextGateway({name: offered[name] for name in knowledge.sources})


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

    directories = directories_of(parts.settings, identities_of(parts.settings))
    approvals = Approvals(parts.database, {each.tenant for each in directories})
    return ApprovalQueue(approvals, tool_runner(parts), parts.clock)


async def gateway_of(
    parts: Parts, others: "Federation", trail: Trail, must_stand: "MustStand"
) -> "Gateway":
    """Our own servers and the others' behind one door."""
    from deployments.mcp_gateway.gateway import Gateway  # noqa: PLC0415

    own = await own_servers(parts)
    return Gateway(own, parts.clock, approval_queue(parts), others.of, trail, must_stand)


def federation(parts: Parts) -> "Federation":
    """The MCP servers of others; `start` reaches out to them."""
    from deployments.mcp_gateway.upstreams.federation import Federation  # noqa: PLC0415

    chance = random.Random()  # noqa: S311  spreads requests; nothing secret hangs on it
    store = FederationStore(parts.database)
    return Federation(parts.settings.mcp, store, parts.clock, chance)


def administration(parts: Parts, servers: "Federation") -> "Administration":
    """What administrators may do with them."""
    from deployments.mcp_gateway.upstreams.administration import (  # noqa: PLC0415
        Administration,
    )

    permissions = roles_of(parts.settings.rbac).permissions
    return Administration(servers, FederationStore(parts.database), permissions, parts.clock)
