"""The Serve deployment that owns HTTP; here the objects of one ingress replica meet."""

import asyncio
import gc
import os
import uuid
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from actors.coordinator.client import CoordinatorShares
from actors.database.approvals import Approvals
from actors.database.budget_books import BudgetBooks
from actors.database.budget_loans import BudgetLoans
from actors.database.engine import open_database
from actors.database.feedback import Feedback
from actors.database.idempotency import Idempotency
from actors.database.ledger import Ledger
from actors.database.platform_settings import PlatformSettingsStore
from actors.database.savings import Savings
from actors.database.threads import Threads
from actors.knowledge.client import KnowledgeClient
from config.loader import load_settings
from deployments.agent.pseudonym import Pseudonyms
from deployments.auditing import AuditDesk
from deployments.bare_logs import bare_logs
from deployments.boot import Boot
from deployments.coordinator import coordinator_options
from deployments.database import address_of
from deployments.ingress import api, settings_for
from deployments.ingress.approvals import ApprovalRoutes
from deployments.ingress.assistants import Assistants
from deployments.ingress.audit import AuditRoutes
from deployments.ingress.auth_entry import AuthEntry
from deployments.ingress.budgets import BudgetRoutes, Elsewhere
from deployments.ingress.chat import Chat
from deployments.ingress.chat_agent import support_agent
from deployments.ingress.compatible import Compatible
from deployments.ingress.conversation_run import ConversationRuns
from deployments.ingress.conversations import Conversations as OpenAIConversations
from deployments.ingress.evidence import Evidence
from deployments.ingress.gateway_operations import approval_operations, context_operations
from deployments.ingress.in_force import in_force
from deployments.ingress.mcp_admin import McpAdmin
from deployments.ingress.mcp_context import McpContext
from deployments.ingress.mcp_metadata import McpMetadata
from deployments.ingress.memory import MemoryRoutes, memory_operations
from deployments.ingress.offers import Offers
from deployments.ingress.platform_settings import PlatformSettingsRoutes
from deployments.ingress.platforms import Platforms
from deployments.ingress.region_desk import RegionDesk
from deployments.ingress.retirement import Retirements
from deployments.ingress.road_desk import RoadDesk
from deployments.ingress.savings import SavingsRoutes
from deployments.ingress.user_data import UserDataRoutes
from deployments.key_management.opening import open_sealed
from deployments.knowledge.embedders import indexer_options
from deployments.limiting import LimitDesk
from deployments.mcp_gateway.composition import (
    Parts,
    administration,
    context_of,
    federation,
    gateway_of,
)
from deployments.memory.opening import open_memory
from deployments.options import GC_THRESHOLDS, INGRESS, nodes_alive
from deployments.personal_data import sealer_of
from deployments.platforms.client import platform_client
from deployments.user_data.desk import UserDataDesk
from routing.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ray.serve.handle import DeploymentHandle


class Ingress:
    """HTTP in front of the agent, in one process."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, boot: Boot, platforms: "Mapping[str, DeploymentHandle[object]]"
    ) -> None:
        gc.set_threshold(*GC_THRESHOLDS)
        clock = SystemClock()
        settings = load_settings(boot.config, os.environ, boot.profile).settings
        self._max_body_bytes = settings.server.max_body_bytes
        bare_logs(settings.privacy)
        address = address_of(boot, settings, nodes_alive())
        # Reports have one of their own: what a chat reads must not stand behind one, which takes 2 s
        # of a processor for 100,000 answers.
        sealed = open_sealed(address, boot, settings.encryption, clock)
        (self._database, self._keys), self._reports = sealed, open_database(address)
        self._audit = audit = AuditDesk(boot, settings.audit, "ingress", self._database, clock)
        replica = uuid.uuid4().hex
        store = PlatformSettingsStore(self._database)
        self._in_force = in_use = await in_force(boot, store, platforms, clock)
        settings, catalogs = in_use.settled.settings, in_use.catalogs
        lender = CoordinatorShares(coordinator_options(boot, settings, address))
        self._limits = limiting = LimitDesk(boot, settings, INGRESS, replica, lender, clock)
        clients = {name: platform_client(name, handle) for name, handle in platforms.items()}
        self._road = desk = RoadDesk(
            boot, in_use, clients, address, self._database, replica, limiting, clock
        )
        indexer = indexer_options(boot, settings, address)
        self._knowledge = KnowledgeClient(indexer)
        self._memory = memory = await open_memory(settings, self._database, clock)
        parts = Parts(
            boot, settings, self._database, clock, self._knowledge, indexer.embedder(), memory
        )
        context = context_of(parts)
        self._federation = federation(parts)
        self._entry = entry = AuthEntry(boot, settings, self._database, clock, audit.trail)
        stands = entry.authentication.must_stand
        gateway = await gateway_of(parts, self._federation, audit.trail, stands)
        sealer = await sealer_of(settings.privacy, self._keys, self._database, clock)
        pseudonyms = Pseudonyms(self._keys)
        self._agent = agent = support_agent(
            boot,
            settings,
            desk.road,
            context,
            gateway,
            self._database,
            memory.episodes,
            clock,
            pseudonyms,
            sealer,
        )
        threads, max_tokens = Threads(self._database), settings.routing.max_tokens
        assistants, runs = Assistants(settings.assistants), ConversationRuns(threads, clock)
        retirements = Retirements(in_use.models, settings.routing.retirement_warning_days, clock)
        self._offers = Offers(desk.clients, retirements.warn, clock)
        self._table = api.operations(
            Chat(agent, Idempotency(self._database), clock),
            Platforms(
                in_use.listing,
                catalogs,
                desk.coordinator,
                self._database,
                clock,
                self._offers,
                retirements,
                lambda: (*limiting.degraded, *audit.degraded),
            ),
            Evidence(desk.decisions, Ledger(self._database), Feedback(self._database), clock),
            Compatible(
                desk.road,
                catalogs,
                max_tokens,
                clock,
                self._max_body_bytes,
                assistants,
                runs,
                pseudonyms,
                sealer,
            ),
            OpenAIConversations(threads, clock),
            BudgetRoutes(
                desk.definitions,
                BudgetBooks(self._database),
                desk.purse.learn,
                clock,
                Elsewhere(desk.homes, desk.abroad, BudgetLoans(self._database, replica)),
            ),
            SavingsRoutes(Savings(self._reports), clock),
        )
        self._region = region = RegionDesk(settings, desk, catalogs, clock)
        self._people = people = UserDataDesk(
            self._database, self._reports, memory.erasure, settings.retention, audit.trail, clock
        )
        self._table += [
            *region.operations(),
            *McpMetadata(settings.mcp.security).operations(),
            *context_operations(McpContext(context, clock)),
            *memory_operations(MemoryRoutes(memory, clock)),
            *UserDataRoutes(people, boot.region, clock).operations(),
            *approval_operations(ApprovalRoutes(Approvals(self._database), gateway, clock)),
            *entry.operations(),
            *AuditRoutes(audit.events, audit.trail, clock).operations(),
            *PlatformSettingsRoutes(
                boot, in_use, settings_for.operators(settings), clock
            ).operations(),
            *McpAdmin(administration(parts, self._federation)).operations(),
        ]
        self._authentication = region.at_home(entry.authentication)
        await asyncio.gather(
            desk.start(), self._knowledge.start(), self._federation.start(), limiting.start()
        )
        self._offers.start()
        in_use.start(desk.coordinator.addressed)
        region.start()
        people.sweeping.start()

    def __serve_build_asgi_app__(self) -> Starlette:
        """The application Serve calls; raises ValueError where the route table is not complete."""
        return api.application(
            self._table, self._authentication, self._entry.permissions, self._max_body_bytes,
            self._audit.trail, self._limits.gate,
        )  # fmt: skip

    async def __del__(self) -> None:
        """Tell the coordinator what is left, when Serve stops the replica."""
        if hasattr(self, "_table"):
            await self._entry.aclose()
            await self._people.sweeping.aclose()
            await self._in_force.aclose()
            await self._region.aclose()
            await self._offers.aclose()
            await self._agent.aclose()
            await asyncio.gather(self._knowledge.aclose(), self._federation.aclose())
            await self._road.aclose()
            await self._limits.aclose()
            await self._memory.aclose()
            await self._audit.aclose()
            await self._keys.aclose()
            await self._reports.aclose()
            await self._database.aclose()
