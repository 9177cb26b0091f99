"""The Serve deployment that owns HTTP; here the objects of one ingress replica meet."""

import asyncio
import gc
import os
import random
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from actors.coordinator.actor import CoordinatorOptions
from actors.coordinator.client import CoordinatorClient
from actors.database.approvals import Approvals
from actors.database.budget_books import BudgetBooks
from actors.database.budget_loans import BudgetLoans
from actors.database.budgets import BudgetDefinitions
from actors.database.budgets_abroad import BudgetsAbroad
from actors.database.decisions import Decisions
from actors.database.engine import open_database
from actors.database.feedback import Feedback
from actors.database.idempotency import Idempotency
from actors.database.ledger import Ledger
from actors.database.savings import Savings
from actors.database.threads import Threads
from actors.database.worlds import Worlds
from actors.knowledge.client import KnowledgeClient
from config.fingerprint import fingerprints
from config.loader import load_settings
from config.models import shipped_models
from config.quality import quality_of
from config.regions import BudgetLeases, RegionSettings
from config.resolve import resolve_platforms
from config.routing import RoutingSettings
from config.settings import Settings
from deployments.agent.accountant import Accountant
from deployments.agent.budgets import Purse
from deployments.agent.executor import Executor
from deployments.agent.lenders import Away
from deployments.agent.road import Road, RoadOptions
from deployments.agent.witness import Witness
from deployments.auditing import AuditDesk
from deployments.boot import Boot
from deployments.database import address_of
from deployments.ingress import api
from deployments.ingress.approvals import ApprovalRoutes
from deployments.ingress.assistants import Assistants
from deployments.ingress.audit import AuditRoutes
from deployments.ingress.auth_entry import AuthEntry
from deployments.ingress.breakers import Breakers
from deployments.ingress.budgets import BudgetRoutes, Elsewhere
from deployments.ingress.chat import Chat
from deployments.ingress.chat_agent import support_agent
from deployments.ingress.compatible import Compatible
from deployments.ingress.conversation_run import ConversationRuns
from deployments.ingress.conversations import Conversations as OpenAIConversations
from deployments.ingress.evidence import Evidence
from deployments.ingress.gateway_operations import approval_operations, context_operations
from deployments.ingress.lease_courier import LeaseCourier
from deployments.ingress.lending import Lending
from deployments.ingress.mcp_admin import McpAdmin
from deployments.ingress.mcp_context import McpContext
from deployments.ingress.mcp_metadata import McpMetadata
from deployments.ingress.memory import MemoryRoutes, memory_operations
from deployments.ingress.offers import Offers
from deployments.ingress.peers import PeerAddress, Peers
from deployments.ingress.platform_status import Listed
from deployments.ingress.platforms import Platforms
from deployments.ingress.region_operations import lease_operations, region_operations
from deployments.ingress.regions import FIGURES, AtHome, Home, Homes, Regions
from deployments.ingress.retirement import Configured, Retirements
from deployments.ingress.savings import SavingsRoutes
from deployments.knowledge.embedders import indexer_options
from deployments.mcp_gateway.composition import (
    Parts,
    administration,
    context_of,
    federation,
    gateway_of,
)
from deployments.memory.opening import open_memory
from deployments.options import GC_THRESHOLDS, nodes_alive
from deployments.platforms.client import platform_client
from deployments.platforms.price_calendar import price_calendar
from routing.budget_home import BudgetHomes
from routing.catalog import Catalog
from routing.clock import SystemClock
from routing.learned import Terms
from routing.platform_profile import PlatformProfile
from routing.policies import make_policies
from routing.policies.balanced import Weights
from routing.policy import Strategy

if TYPE_CHECKING:
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
        address = address_of(boot, settings, nodes_alive())
        # Reports have one of their own: what a chat reads must not stand behind one, which takes 2 s
        # of a processor for 100,000 answers.
        self._database, self._reports = open_database(address), open_database(address)
        self._audit = audit = AuditDesk(boot, settings.audit, "ingress", self._database, clock)
        replica = uuid.uuid4().hex
        resolved = resolve_platforms(settings, boot.profile)
        self._coordinator = CoordinatorClient(
            CoordinatorOptions(_region(settings, boot), address),
            replica,
            _terms(settings.routing),
            fingerprints(settings, resolved),
        )
        definitions = BudgetDefinitions(self._database)
        homes = BudgetHomes() if settings.regions is None else settings.regions.budget_homes
        abroad = BudgetsAbroad(self._database)
        away = Away(homes, abroad, self._coordinator)
        self._purse = Purse(definitions, self._coordinator, replica, clock, away)
        catalogs = price_calendar(
            [p for p in resolved if p.name in platforms],
            datetime.fromtimestamp(clock.now(), UTC).date(),
            settings.routing.max_deadline_s,
        )
        catalog = catalogs.at(clock.now())  # for those who go by names, which are always the same
        self._clients = {name: platform_client(name, handle) for name, handle in platforms.items()}
        decisions = Decisions(self._database)
        self._accountant = Accountant(
            catalogs, Savings(self._database), clock, settings.routing.default_platform
        )
        self._witness = Witness(
            catalogs, decisions, Worlds(self._database), _weights(settings.routing), clock
        )
        road = Road(
            catalogs,
            self._coordinator,
            Executor(self._clients, catalogs, self._coordinator, clock),
            self._witness,
            _road_options(settings.routing, catalog),
            clock,
            random.Random(),  # noqa: S311  spreads load; nothing secret hangs on it
            self._purse,
            self._accountant,
        )
        indexer = indexer_options(boot, settings, address)
        self._knowledge = KnowledgeClient(indexer)
        self._memory = memory = await open_memory(settings, self._database, clock)
        parts = Parts(
            boot, settings, self._database, clock, self._knowledge, indexer.embedder(), memory
        )
        context = context_of(parts)
        self._federation = federation(parts)
        gateway = await gateway_of(parts, self._federation, audit.trail)
        self._agent = agent = support_agent(
            boot, settings, road, context, gateway, self._database, memory.episodes, clock
        )
        threads, max_tokens = Threads(self._database), settings.routing.max_tokens
        assistants, runs = Assistants(settings.assistants), ConversationRuns(threads, clock)
        listed = [
            Listed(p.name, p.reason, catalog.of(p.name), p.options, p.base_url) for p in resolved
        ]
        retirements = Retirements(
            _configured(catalog.profiles), settings.routing.retirement_warning_days, clock
        )
        self._offers = Offers(self._clients, retirements.warn, clock)
        self._table = api.operations(
            Chat(agent, Idempotency(self._database), clock),
            Platforms(
                listed,
                catalogs,
                self._coordinator,
                self._database,
                clock,
                self._offers,
                retirements,
            ),
            Evidence(decisions, Ledger(self._database), Feedback(self._database), clock),
            Compatible(road, catalog, max_tokens, clock, self._max_body_bytes, assistants, runs),
            OpenAIConversations(threads, clock),
            BudgetRoutes(
                definitions,
                BudgetBooks(self._database),
                self._purse.learn,
                clock,
                Elsewhere(homes, abroad, BudgetLoans(self._database, replica)),
            ),
            SavingsRoutes(Savings(self._reports), clock),
        )
        addresses = _addresses(settings.regions)
        chance = random.Random()  # noqa: S311  spreads requests; nothing secret hangs on it
        self._peers = Peers(addresses, self._coordinator.hear_region, FIGURES, clock, chance)
        self._courier = LeaseCourier(addresses, self._coordinator, abroad, homes, clock, chance)
        lending = _lending(settings.regions, self._coordinator, definitions, homes)
        self._entry = AuthEntry(boot, settings, self._database, clock, audit.trail)
        self._table += [
            *region_operations(
                Breakers(self._coordinator, catalog, clock), Regions(self._coordinator)
            ),
            *lease_operations(lending),
            *McpMetadata(settings.mcp.security).operations(),
            *context_operations(McpContext(context, clock)),
            *memory_operations(MemoryRoutes(memory, clock)),
            *approval_operations(ApprovalRoutes(Approvals(self._database), gateway, clock)),
            *self._entry.operations(),
            *AuditRoutes(audit.events, audit.trail, clock).operations(),
            *McpAdmin(administration(parts, self._federation)).operations(),
        ]
        self._authentication = AtHome(
            self._entry.authentication,
            _homes(settings.regions, self._peers),
        )
        await self._coordinator.start()
        await asyncio.gather(self._knowledge.start(), self._federation.start())
        await self._purse.start(budget.budget for budget in settings.budgets)
        self._offers.start()
        self._peers.start()
        self._courier.start()

    def __serve_build_asgi_app__(self) -> Starlette:
        """The application Serve calls; raises ValueError where the route table is not complete."""
        return api.application(
            self._table, self._authentication, self._entry.permissions, self._max_body_bytes,
            self._audit.trail,
        )  # fmt: skip

    async def __del__(self) -> None:
        """Tell the coordinator what is left, when Serve stops the replica."""
        if hasattr(self, "_table"):
            await self._entry.aclose()
            await self._peers.aclose()
            await self._courier.aclose()
            await self._offers.aclose()
            await asyncio.gather(*(client.aclose() for client in self._clients.values()))
            await asyncio.gather(self._knowledge.aclose(), self._federation.aclose())
            await self._purse.aclose()
            await self._agent.aclose()
            await self._witness.aclose()
            await self._accountant.aclose()
            await self._coordinator.aclose()
            await self._memory.aclose()
            await self._audit.aclose()
            await self._reports.aclose()
            await self._database.aclose()


def _configured(profiles: Iterable[PlatformProfile]) -> dict[str, list[Configured]]:
    """The models in use by platform, with what the shipped table says of their ends."""
    table, configured = shipped_models(), dict[str, list[Configured]]()
    for profile in profiles:
        successor = table.successor(profile.model)
        row = Configured(profile.model, profile.retires_at, successor)
        configured.setdefault(profile.name, []).append(row)
    return configured


def _region(settings: Settings, boot: Boot) -> str:
    """The configuration's name for this region, or the one the process was started with."""
    return boot.region if settings.regions is None else settings.regions.name


def _addresses(regions: RegionSettings | None) -> dict[str, PeerAddress]:
    others = {} if regions is None else regions.peers
    return {
        name: PeerAddress(peer.url, peer.api_key.get_secret_value())
        for name, peer in others.items()
    }


def _lending(
    regions: RegionSettings | None,
    coordinator: CoordinatorClient,
    definitions: BudgetDefinitions,
    homes: BudgetHomes,
) -> Lending:
    peers = frozenset[str]() if regions is None else frozenset(regions.peers)
    leases = BudgetLeases() if regions is None else regions.budgets
    return Lending(coordinator, definitions, homes, peers, leases.lease_s)


def _homes(regions: RegionSettings | None, peers: Peers) -> Homes:
    if regions is None:
        return Homes("", {}, peers)
    homes = {tenant: Home(at.home, at.failover) for tenant, at in regions.tenants.items()}
    return Homes(regions.name, homes, peers)


def _weights(routing: RoutingSettings) -> Weights:
    weights = routing.weights
    return Weights(weights.cost, weights.latency, weights.quality)


def _road_options(routing: RoutingSettings, catalog: Catalog) -> RoadOptions:
    return RoadOptions(
        strategy=Strategy(routing.strategy),
        policies=make_policies(_weights(routing)),
        fallback_platforms=tuple(n for n in routing.fallback_platforms if n in catalog.platforms),
        max_attempts=routing.max_attempts,
        deadline_s=routing.deadline_s,
        max_deadline_s=routing.max_deadline_s,
        quality=quality_of(routing.adaptive),
    )


def _terms(routing: RoutingSettings) -> Terms:
    adaptive = routing.adaptive
    return Terms(adaptive.quality_per_usd, adaptive.target_cost_usd, adaptive.exploration)
