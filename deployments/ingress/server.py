"""The Serve deployment that owns HTTP; here the objects of one ingress replica meet."""

import asyncio
import gc
import os
import random
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.applications import Starlette

from actors.coordinator.actor import CoordinatorOptions
from actors.coordinator.client import CoordinatorClient
from actors.database.accounts import Accounts
from actors.database.conversations import Conversations
from actors.database.decisions import Decisions
from actors.database.engine import open_database
from actors.database.idempotency import Idempotency
from actors.knowledge import Records, read_articles
from config.loader import load_settings
from config.resolve import resolve_platforms, to_profile
from config.routing import RoutingSettings
from deployments.agent.executor import Executor
from deployments.agent.road import Road, RoadOptions
from deployments.agent.unified import UnifiedAgent
from deployments.boot import Boot
from deployments.demo import ARTICLES, TENANT
from deployments.ingress import api
from deployments.ingress.authentication import Authentication
from deployments.ingress.chat import Chat
from deployments.ingress.compatible import Compatible
from deployments.ingress.evidence import Evidence
from deployments.ingress.platforms import Listed, Platforms
from deployments.mcp_gateway.context import ContextGateway
from deployments.mcp_gateway.sources import sources
from deployments.platforms.client import platform_client
from deployments.platforms.prices import price_of
from deployments.platforms.server import GC_THRESHOLDS
from deployments.security.api_keys import ApiKeys
from deployments.security.rbac import roles_of
from routing.clock import SystemClock
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
        self._database = open_database(boot.database)
        self._coordinator = CoordinatorClient(
            CoordinatorOptions(boot.region, boot.database), replica=uuid.uuid4().hex
        )
        resolved = resolve_platforms(settings, boot.profile)
        profiles: dict[str, PlatformProfile] = {
            p.name: to_profile(p, price_of(p.name, p.model))
            for p in resolved
            if p.name in platforms
        }
        self._clients = {name: platform_client(name, handle) for name, handle in platforms.items()}
        decisions = Decisions(self._database)
        road = Road(
            profiles,
            self._coordinator,
            Executor(self._clients, profiles, self._coordinator, clock),
            decisions,
            _road_options(settings.routing, profiles),
            clock,
            random.Random(),  # noqa: S311  spreads load; nothing secret hangs on it
        )
        agent = UnifiedAgent(
            road,
            ContextGateway(sources({TENANT: read_articles(ARTICLES)}, Records(self._database))),
            Conversations(self._database),
            settings.routing.max_tokens,
            clock,
        )
        listed = [Listed(p.name, p.reason, profiles.get(p.name)) for p in resolved]
        self._table = api.operations(
            Chat(agent, Idempotency(self._database), clock),
            Platforms(listed, self._coordinator, self._database, clock),
            Evidence(decisions),
            Compatible(road, profiles, settings.routing.max_tokens, clock),
        )
        self._roles = roles_of(settings.rbac)
        self._authentication = Authentication(
            ApiKeys(Accounts(self._database), self._roles.grants, clock)
        )
        await self._coordinator.start()

    def __serve_build_asgi_app__(self) -> Starlette:
        """The application Serve calls; raises ValueError where the route table is not complete."""
        return api.application(
            self._table, self._authentication, self._roles.permissions, self._max_body_bytes
        )

    async def __del__(self) -> None:
        """Tell the coordinator what is left, when Serve stops the replica."""
        if hasattr(self, "_table"):
            await asyncio.gather(*(client.aclose() for client in self._clients.values()))
            await self._coordinator.aclose()
            await self._database.aclose()


def _road_options(routing: RoutingSettings, profiles: Mapping[str, PlatformProfile]) -> RoadOptions:
    weights = routing.weights
    return RoadOptions(
        strategy=Strategy(routing.strategy),
        policies=make_policies(Weights(weights.cost, weights.latency, weights.quality)),
        fallback_platforms=tuple(n for n in routing.fallback_platforms if n in profiles),
        max_attempts=routing.max_attempts,
        deadline_s=routing.deadline_s,
        max_deadline_s=routing.max_deadline_s,
    )
