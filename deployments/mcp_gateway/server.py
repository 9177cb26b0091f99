"""The Serve deployment of the gateway: one replica's objects meet here, and Serve calls the endpoint."""

import gc
import importlib.metadata
import logging
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from actors.coordinator.client import CoordinatorShares
from actors.database.address import Address
from actors.database.engine import Database
from actors.knowledge.actor import IndexerOptions
from actors.knowledge.client import KnowledgeClient
from config.loader import load_settings
from config.settings import Settings
from deployments.auditing import AuditDesk
from deployments.bare_logs import bare_logs
from deployments.boot import Boot
from deployments.coordinator import coordinator_options
from deployments.database import address_of
from deployments.key_management.opening import open_sealed
from deployments.limiting import LimitDesk
from deployments.mcp_gateway import call_log
from deployments.mcp_gateway.composition import (
    OwnServers,
    Parts,
    approval_queue,
    federation,
    own_servers,
)
from deployments.mcp_gateway.state_keys import read_keys
from deployments.memory.opening import open_memory
from deployments.options import GC_THRESHOLDS, MCP_GATEWAY, nodes_alive
from deployments.personal_data import sealer_of
from deployments.security.gateway_tokens import GatewayTokens
from deployments.security.principal import Principal
from deployments.security.trail import Trail
from routing.clock import Clock, SystemClock

if TYPE_CHECKING:
    from starlette.requests import Request

    from deployments.mcp_gateway.endpoint import Endpoint


class Entry(Protocol):
    """Who is calling, and whether this is their region: the same answer as at every other route."""

    async def __call__(self, request: "Request") -> Principal:
        """The caller; raises AccessError or MisdirectedRequest."""
        ...

    async def must_stand(self, principal: Principal) -> None:
        """Return unless a caller was put out who shows a token of ours; raises AccessError."""
        ...

    async def aclose(self) -> None:
        """Give back what it holds."""
        ...


OpenEntry = Callable[[Boot, Settings, Database, Clock, Trail], Entry]
IndexerOf = Callable[[Boot, Settings, Address], IndexerOptions]


class McpGateway:
    """The gateway in one process."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self,
        boot: Boot,
        open_entry: OpenEntry,
        indexer_of: IndexerOf,
        servers: OwnServers = own_servers,
    ) -> None:
        # Here and not above: the process that deploys has no use for the protocol's library.
        from deployments.mcp_gateway.gateway import Gateway  # noqa: PLC0415

        gc.set_threshold(*GC_THRESHOLDS)
        _log_calls()
        clock = SystemClock()
        settings = load_settings(boot.config, os.environ, boot.profile).settings
        bare_logs(settings.privacy)
        self._security = settings.mcp.security
        configured = self._security.request_state_keys_file
        self._keys = read_keys(boot.mcp_keys if configured is None else Path(configured))
        address = address_of(boot, settings, nodes_alive())
        self._database, self._sealing = open_sealed(address, boot, settings.encryption, clock)
        self._sealer = await sealer_of(settings.privacy, self._sealing, self._database, clock)
        self._audit = AuditDesk(boot, settings.audit, "mcp", self._database, clock)
        self._entry = open_entry(boot, settings, self._database, clock, self._audit.trail)
        replica = uuid.uuid4().hex
        lender = CoordinatorShares(coordinator_options(boot, settings, address))
        self._limits = LimitDesk(boot, settings, MCP_GATEWAY, replica, lender, clock)
        await self._limits.start()
        indexer = indexer_of(boot, settings, address)
        self._knowledge = KnowledgeClient(indexer)
        await self._knowledge.start()
        self._memory = await open_memory(settings, self._database, clock)
        model = indexer.embedder()
        parts = Parts(boot, settings, self._database, clock, self._knowledge, model, self._memory)
        self._federation = federation(parts)
        await self._federation.start()
        self._gateway = Gateway(
            await servers(parts),
            clock,
            approval_queue(parts),
            self._federation.of,
            self._audit.trail,
            self._entry.must_stand,
        )

    def __serve_build_asgi_app__(self) -> "Endpoint":
        """The application Serve calls."""
        from deployments.mcp_gateway.endpoint import Endpoint  # noqa: PLC0415
        from deployments.mcp_gateway.hosted_seal import HostedSeal  # noqa: PLC0415
        from deployments.mcp_gateway.read_audit import ReadAudit  # noqa: PLC0415
        from deployments.mcp_gateway.wire import mcp_server  # noqa: PLC0415

        server = mcp_server(self._gateway, self._keys, importlib.metadata.version("supportmax"))
        tokens = GatewayTokens(self._keys, SystemClock())
        server.middleware.append(ReadAudit(self._audit.trail))
        if self._sealer is not None:
            server.middleware.append(HostedSeal(self._sealer))
        return Endpoint(
            server, self._entry, self._security, tokens, self._entry.must_stand,
            self._audit.trail, self._limits.gate,
        )  # fmt: skip

    async def __del__(self) -> None:
        """Close what is open, when Serve stops the replica."""
        if hasattr(self, "_gateway"):
            await self._entry.aclose()
            await self._limits.aclose()
            await self._federation.aclose()
            await self._knowledge.aclose()
            await self._memory.aclose()
            await self._audit.aclose()
            await self._sealing.aclose()
            await self._database.aclose()


def _log_calls() -> None:
    """One line a call on the replica's standard error, whatever level the rest is logged at."""
    logger = logging.getLogger(call_log.__name__)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s mcp call %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
