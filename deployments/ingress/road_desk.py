"""The road of one ingress replica: what decides, whom it asks, what it may spend, what is kept of it."""

import asyncio
import random
from typing import TYPE_CHECKING

from actors.coordinator.client import CoordinatorClient
from actors.database.budgets import BudgetDefinitions
from actors.database.budgets_abroad import BudgetsAbroad
from actors.database.decisions import Decisions
from actors.database.savings import Savings
from actors.database.worlds import Worlds
from config.fingerprint import fingerprints
from deployments.agent.accountant import Accountant
from deployments.agent.budgets import Purse
from deployments.agent.executor import Executor
from deployments.agent.lenders import Away
from deployments.agent.road import Road
from deployments.agent.witness import Witness
from deployments.coordinator import coordinator_options
from deployments.ingress import settings_for
from routing.budget_home import BudgetHomes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from actors.database.address import Server
    from actors.database.engine import Database
    from deployments.boot import Boot
    from deployments.ingress.in_force import InForce
    from deployments.limiting import LimitDesk
    from deployments.platforms.client import PlatformClient
    from routing.clock import Clock


class RoadDesk:
    """Everything a request's road is made of; `road` is what the agent and the vendors' routes take."""

    def __init__(
        self,
        boot: "Boot",
        in_force: "InForce",
        clients: "Mapping[str, PlatformClient]",
        address: "Path | Server",
        database: "Database",
        replica: str,
        limiting: "LimitDesk",
        clock: "Clock",
    ) -> None:
        settings, catalogs = in_force.settled.settings, in_force.catalogs
        routing = settings.routing
        self.coordinator = CoordinatorClient(
            coordinator_options(boot, settings, address),
            replica,
            settings_for.terms(routing),
            fingerprints(settings, in_force.settled.resolved),
        )
        self.definitions = BudgetDefinitions(database)
        self.homes = BudgetHomes() if settings.regions is None else settings.regions.budget_homes
        self.abroad = BudgetsAbroad(database)
        away = Away(self.homes, self.abroad, self.coordinator)
        self.purse = Purse(self.definitions, self.coordinator, replica, clock, away)
        self.clients = clients
        self.decisions = Decisions(database)
        self._accountant = Accountant(catalogs, Savings(database), clock, routing.default_platform)
        self._witness = Witness(
            catalogs, self.decisions, Worlds(database), settings_for.weights(routing), clock
        )
        self.road = Road(
            catalogs,
            self.coordinator,
            Executor(self.clients, catalogs, self.coordinator, clock),
            self._witness,
            settings_for.road_options(routing),
            clock,
            random.Random(),  # noqa: S311  spreads load; nothing secret hangs on it
            self.purse,
            self._accountant,
            limiting.tokens,
        )
        self._budgets = settings.budgets

    async def start(self) -> None:
        """Hear the coordinator, and learn the budgets."""
        await self.coordinator.start()
        await self.purse.start(budget.budget for budget in self._budgets)

    async def aclose(self) -> None:
        """Write what waits, and tell the coordinator what is left."""
        await asyncio.gather(*(client.aclose() for client in self.clients.values()))
        await self.purse.aclose()
        await self._witness.aclose()
        await self._accountant.aclose()
        await self.coordinator.aclose()
