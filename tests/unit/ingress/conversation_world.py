"""The vendors' routes over a real store in a file: two tenants, two scripted platforms, assistants."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx2
import openai
from starlette.applications import Starlette
from starlette.requests import Request

from actors.database import Database, Threads, open_database
from config.assistants import AssistantSettings
from deployments.agent.executor import Executor
from deployments.agent.pseudonym import Pseudonyms
from deployments.agent.road import Road, RoadOptions
from deployments.agent.witness import Witness
from deployments.ingress import api
from deployments.ingress.assistants import Assistants
from deployments.ingress.compatible import Compatible
from deployments.ingress.conversation_run import ConversationRuns
from deployments.ingress.conversations import Conversations
from deployments.platforms.base import Platform
from deployments.security.principal import Principal
from routing.catalog import Catalog
from routing.clock import ManualClock
from routing.policies import POLICIES
from routing.policies.balanced import Weights
from routing.policy import Strategy
from tests.fixed_keys import FixedKeys
from tests.unit.ingress.test_compatible import Blank, Scripted, Unheard
from tests.unit.routing.worlds import platform

if TYPE_CHECKING:
    from actors.database.decisions import Decisions
    from actors.database.worlds import Worlds
    from deployments.ingress.budgets import BudgetRoutes
    from deployments.ingress.chat import Chat
    from deployments.ingress.evidence import Evidence
    from deployments.ingress.platforms import Platforms
    from deployments.ingress.savings import SavingsRoutes

PERMISSIONS = frozenset({"chat:create", "platforms:read"})
DEADLINE_S = 30.0


async def authenticate(request: Request) -> Principal:
    """The key is the tenant's name, `/` and who it is of several there, and `+any` for any customer's."""
    _, _, key = request.headers["authorization"].partition(" ")
    named, plus, _ = key.partition("+any")
    tenant, _, subject = named.partition("/")
    more = {"customers:any"} if plus else set[str]()
    return Principal(tenant, subject or "key:1", frozenset(), PERMISSIONS | more)


@dataclass
class World:
    """One process: its application, its clock, and the platforms behind it."""

    app: Starlette
    http: httpx2.AsyncClient
    threads: Threads
    clock: ManualClock
    gpt: Scripted
    claude: Scripted
    database: Database

    def client(self, tenant: str = "acme") -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            api_key=tenant, base_url="http://test/v1", http_client=self.http, max_retries=0
        )


@asynccontextmanager
async def running(
    file: Path,
    assistants: Mapping[str, tuple[AssistantSettings, ...]] | None = None,
    clock: ManualClock | None = None,
    openai_platform: Platform | None = None,
) -> AsyncIterator[World]:
    """A process over the store in `file`; a second one afterwards finds what the first left.

    `openai_platform` stands in place of the scripted one of that name.
    """
    clock = clock or ManualClock(1_000_000.0)
    database = open_database(file)
    await database.migrate()
    threads = Threads(database)
    terra = replace(platform("openai"), model="gpt-6.1-terra")
    catalog = Catalog((terra, platform("anthropic", quality=0.1)))
    scripts = {name: Scripted() for name in catalog.platforms}
    platforms: dict[str, Platform] = {**scripts}
    if openai_platform is not None:
        platforms["openai"] = openai_platform
    blank: Any = Blank()
    road = Road(
        catalog,
        blank,
        Executor(platforms, catalog, Unheard(), clock),
        Witness(catalog, cast("Decisions", blank), cast("Worlds", blank), Weights(), clock),
        RoadOptions(Strategy.CAPABILITY, POLICIES, (), 4, DEADLINE_S, 60.0),
        clock,
        random.Random(1),  # noqa: S311
    )
    table = api.operations(
        cast("Chat", blank),
        cast("Platforms", blank),
        cast("Evidence", blank),
        Compatible(
            road,
            catalog,
            800,
            clock,
            max_text_bytes=3_000_000,
            assistants=Assistants(assistants or {}),
            runs=ConversationRuns(threads, clock),
            pseudonyms=Pseudonyms(FixedKeys()),
        ),
        Conversations(threads, clock),
        cast("BudgetRoutes", blank),
        cast("SavingsRoutes", blank),
    )
    vendors = [row for row in table if row.path.startswith("/v1/")]
    app = api.application(vendors, authenticate, PERMISSIONS, max_body_bytes=3_000_000)
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with httpx2.AsyncClient(transport=transport) as http:
            yield World(
                app, http, threads, clock, scripts["openai"], scripts["anthropic"], database
            )
    finally:
        await database.aclose()
