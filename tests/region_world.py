"""A region's budgets without Ray: its database, coordinator, courier and routes, over real HTTP."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from typing_extensions import override

from actors.coordinator.budgets import BudgetOwner
from actors.coordinator.loans import Answer, Borrower, Letter
from actors.database import Database
from actors.database.budget_books import BudgetBooks
from actors.database.budget_loans import BudgetLoans
from actors.database.budgets import BudgetDefinitions
from actors.database.budgets_abroad import BudgetsAbroad
from deployments.agent.budgets import Choose, Purse
from deployments.agent.lenders import Away
from deployments.ingress import api
from deployments.ingress.budgets import BudgetRoutes, Elsewhere
from deployments.ingress.lease_courier import LeaseCourier
from deployments.ingress.lending import LEASES, Lending
from deployments.ingress.peers import PeerAddress
from deployments.ingress.region_operations import lease_operations
from deployments.security.principal import Principal
from deployments.security.rbac import load_roles
from routing.budget import (
    DAY_S,
    Budget,
    Claim,
    Key,
    Payer,
    Scope,
    Standing,
    day_at,
    to_pico,
)
from routing.budget_home import BudgetHomes
from routing.clock import Clock, SystemClock
from routing.decision import Decision
from routing.loan import Lent
from routing.requirement import Requirements
from tests.unit.routing.worlds import asked, platform, seen

ROLES = load_roles()
LEASE_S = 3_600.0
TODAY = 20_000
# Whose key it is, and of which tenant it is a key.
KEYS = {
    "smk_region": ("acme", "region"),
    "smk_service": ("acme", "service"),
    "smk_admin": ("acme", "admin"),
    "smk_drifter": ("drifter", "admin"),
}
ONE_USD = to_pico(Decimal(1))
DAILY = Budget("daily", Scope.TENANT, ONE_USD, "acme")
EACH = Budget("each", Scope.USER, ONE_USD)
ELSEWHERES = Budget("theirs", Scope.TENANT, ONE_USD, "stays")
# acme may be served anywhere while us is down; stays never is; nobody named the drifter.
TENANTS = {"acme": "us", "stays": "us", "abroad": "eu"}


def homes(here: str) -> BudgetHomes:
    return BudgetHomes(here, "us", TENANTS, frozenset({"acme", "abroad"}))


class Noon(SystemClock):
    """Begins at noon of a day, so that no test crosses midnight; can be put forward."""

    def __init__(self) -> None:
        self._began = self.monotonic()
        self.ahead_s = 0.0

    @override
    def now(self) -> float:
        return (TODAY + 0.5) * DAY_S + self.monotonic() - self._began + self.ahead_s


class Coordinator:
    """A region's coordinator without Ray."""

    def __init__(self, database: Database, name: str, clock: Clock) -> None:
        self.clock = clock
        self.owner = BudgetOwner(BudgetBooks(database))
        self.borrower = Borrower(
            BudgetLoans(database, f"{name}-life"), BudgetsAbroad(database), self.clock
        )

    async def lease(self, claims: Sequence[Claim]) -> list[Standing]:
        return await self.owner.lease(claims, self.clock.now())

    async def lend(self, region: str, claims: Sequence[Claim], lease_s: float) -> list[Lent]:
        return await self.owner.lend(region, claims, lease_s, self.clock.now())

    async def borrow(self, home: str, claims: Sequence[Claim]) -> list[Standing]:
        return await self.borrower.borrow(home, claims)

    async def hold(self, home: str, reserves: "dict[Key, int] | Any") -> None:
        await self.borrower.hold(home, reserves)

    async def letter(self, home: str) -> Letter:
        return await self.borrower.letter(home, day_at(self.clock.now()))

    async def hear_home(self, home: str, sent_at: float, answer: Answer | None) -> None:
        if answer is None:
            self.borrower.unheard(home)
        else:
            await self.borrower.hear(home, sent_at, answer)


class Region:
    """What one ingress replica and the coordinator of a region have of budgets."""

    def __init__(self, name: str, database: Database, clock: Clock) -> None:
        self.clock = clock
        self.name, self.homes = name, homes(name)
        self.database = database
        self.definitions = BudgetDefinitions(database)
        self.abroad = BudgetsAbroad(database)
        self.coordinator = Coordinator(database, name, clock)
        away = Away(self.homes, self.abroad, self.coordinator)
        self.purse = Purse(self.definitions, self.coordinator, f"{name}-replica", clock, away)
        self.lending = Lending(
            self.coordinator, self.definitions, self.homes, frozenset({"us", "eu"}), LEASE_S
        )
        self.routes = BudgetRoutes(
            self.definitions,
            BudgetBooks(database),
            self.purse.learn,
            clock,
            Elsewhere(self.homes, self.abroad, BudgetLoans(database, f"{name}-replica")),
        )

    def app(self) -> Starlette:
        table = [*lease_operations(self.lending), *api._budgets(self.routes)]
        return api.application(table, authenticate, ROLES.permissions, max_body_bytes=10_000)

    def courier(self, url: str, key: str = "smk_region") -> LeaseCourier:
        """Of this region to the home us."""
        addresses = {"us": PeerAddress(url, key)}
        chance = random.Random(1)  # noqa: S311
        return LeaseCourier(
            addresses, self.coordinator, self.abroad, self.homes, self.clock, chance
        )

    async def spend(self, usd: str, tenant: str = "acme", user: str | None = None) -> None:
        """A request that may cost so much, and does."""
        due = self.purse.due(Payer(tenant, None, user))
        admitted = await self.purse.admit(due, Decimal(usd), choosing(Decimal(usd)))
        admitted.reservation.settle(to_pico(Decimal(usd)))


def choosing(usd: Decimal) -> Choose:
    """A decision for a platform whose answer is bounded by `usd`."""
    prices = (platform("openai"),)

    def choose(max_cost_usd: Decimal) -> Decision:
        if max_cost_usd < usd:
            return asked(prices, seen(), Requirements(max_cost_usd=Decimal("1e-9")))
        return asked(prices, seen(), Requirements(max_cost_usd=usd))

    return choose


async def authenticate(request: Request) -> Principal:
    tenant, role = KEYS[request.headers["authorization"].removeprefix("Bearer ")]
    return Principal(tenant, f"key:{role}", frozenset({role}), ROLES.grants[role])


@dataclass
class Site:
    """An application that is served at `url`."""

    url: str
    server: uvicorn.Server
    serving: "asyncio.Task[None]"

    async def dies(self) -> None:
        self.server.should_exit = True
        await self.serving

    async def get(self, path: str, key: str = "smk_admin") -> Any:
        async with client(key) as http:
            return (await http.get(self.url + path)).json()

    async def post(self, body: object, key: str = "smk_region") -> httpx2.Response:
        async with client(key) as http:
            return await http.post(self.url + LEASES, json=body)


def client(key: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}, trust_env=False)


@contextlib.asynccontextmanager
async def served(app: Starlette, port: int = 0) -> AsyncIterator[Site]:
    with socket.create_server(("127.0.0.1", port)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            async with asyncio.timeout(10.0):
                while not server.started:  # noqa: ASYNC110  uvicorn tells by a flag
                    await asyncio.sleep(0.01)
            yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}", server, serving)
        finally:
            server.should_exit = True
            await serving
