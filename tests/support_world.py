"""The support agent in one process: a real store, real adapters, and the simulators behind them.

What Ray adds (the coordinator, replicas) is left out; nothing else is.
"""

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from queue import Queue

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from typing_extensions import override

from actors.database import open_database
from actors.database.decisions import Decisions
from actors.database.idempotency import Idempotency
from actors.database.knowledge import KnowledgeStore
from actors.database.worlds import Worlds
from actors.knowledge import Records
from actors.knowledge.indexing import Indexing
from actors.memory import make_memory
from actors.window_store import InProcessWindows
from deployments.agent.attempt import Reporter
from deployments.agent.executor import Executor
from deployments.agent.pseudonym import Pseudonyms
from deployments.agent.road import Road, RoadOptions
from deployments.agent.support import SupportAgent
from deployments.agent.witness import Witness
from deployments.demo import RECORDS, TENANT
from deployments.first_start import ingest_demo
from deployments.ingress import api, schema
from deployments.ingress.chat import Chat
from deployments.ingress.routes import Operation
from deployments.mcp_gateway.context import ContextGateway
from deployments.mcp_gateway.sources import sources
from deployments.platforms.registry import open_platform
from deployments.security.principal import Principal
from routing.capability import Capability
from routing.catalog import Catalog
from routing.clock import SystemClock
from routing.errors import AccessError
from routing.money import Price
from routing.outcome import Outcome
from routing.platform_profile import PlatformProfile
from routing.policies import POLICIES
from routing.policies.balanced import Weights
from routing.policy import Strategy
from routing.scorecard import Snapshot
from tests.fixed_keys import FixedKeys
from tests.servers import START_S, Simulators

KEY = "sm-a-key-of-the-tests"
CUSTOMER = Principal(TENANT, "a test", permissions=frozenset({"chat:create", "customers:any"}))
_MODELS = {"openai": "gpt-6.1-terra", "anthropic": "claude-sonnet-5-5", "copilot_studio": "copilot"}


class Still(Reporter):
    """A scoreboard on which nothing changes."""

    snapshot = Snapshot(1, "local", 0.0, {})

    @override
    def begin(self, platform: str) -> None:
        pass

    @override
    def end(self, outcome: Outcome) -> None:
        pass

    @override
    async def claim_probe(self, platform: str, key: str) -> bool:
        return True

    @override
    def release_probe(self, platform: str, key: str) -> None:
        pass


@contextlib.asynccontextmanager
async def support(simulators: Simulators, folder: Path) -> AsyncIterator[SupportAgent]:
    """The agent, in the running event loop; `folder` is for its store."""
    async with _parts(simulators, folder) as (agent, _):
        yield agent


@contextlib.contextmanager
def served(simulators: Simulators, folder: Path) -> Iterator[str]:
    """The address of `POST /v3/chat`, served from a thread of its own; it wants `KEY`."""
    listening = socket.create_server(("127.0.0.1", 0))
    ready: Queue[uvicorn.Server] = Queue()

    async def serve() -> None:
        async with _parts(simulators, folder) as (_, app):
            options = uvicorn.Config(app, log_level="error", lifespan="off")
            server = uvicorn.Server(options)
            ready.put(server)
            await server.serve(sockets=[listening])

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    server = ready.get(timeout=START_S)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(START_S)


@contextlib.asynccontextmanager
async def _parts(
    simulators: Simulators, folder: Path
) -> AsyncIterator[tuple[SupportAgent, Starlette]]:
    clock = SystemClock()
    database = open_database(folder / "supportmax.db")
    await database.migrate()
    records = Records(database)
    await records.load(TENANT, RECORDS)
    store = KnowledgeStore(database)
    await ingest_demo(store, clock)
    indexing = Indexing(store, None, clock)
    await indexing.refresh()
    platforms = {name: open_platform(name, simulators.connection(name)) for name in _MODELS}
    catalog = Catalog(map(_profile, _MODELS))
    still = Still()
    road = Road(
        catalog,
        still,
        Executor(platforms, catalog, still, clock),
        Witness(catalog, Decisions(database), Worlds(database), Weights(), clock),
        RoadOptions(Strategy.COST_OPTIMIZED, POLICIES, (), 3, 30.0, 120.0),
        clock,
        random.Random(7),  # noqa: S311
    )
    memory = make_memory(database, InProcessWindows(clock), clock)
    context = ContextGateway(sources(indexing, records, memory.facts))
    agent = SupportAgent(road, context, memory.episodes, 800, clock, Pseudonyms(FixedKeys()))
    chat = Chat(agent, Idempotency(database), clock)
    try:
        yield agent, _application(chat)
    finally:
        for platform in platforms.values():
            await platform.aclose()
        await database.aclose()


def _application(chat: Chat) -> Starlette:
    row = Operation(
        "POST", "/v3/chat", "Answer a customer", "chat:create", "chat", "action",
        chat.auto, schema.AnswerBody, schema.ChatBody, streams=True,
    )  # fmt: skip
    return api.application([row], _authenticate, CUSTOMER.permissions, 1_000_000)


async def _authenticate(request: Request) -> Principal:
    if request.headers.get("authorization") != f"Bearer {KEY}":
        raise AccessError("unauthenticated", "This key is not known.")
    return CUSTOMER


def _profile(name: str) -> PlatformProfile:
    agents = frozenset({Capability.STREAMING})
    can: Mapping[str, frozenset[Capability]] = {"copilot_studio": agents}
    return PlatformProfile(
        name=name,
        model=_MODELS[name],
        capabilities=can.get(name, frozenset(Capability)),
        context_window=128_000,
        max_output_tokens=8_192,
        regions=frozenset(),
        quality=0.5,
        prior_latency_ms=500.0,
        price=Price(Decimal("0.25"), Decimal("1.25")),
        simulated=True,
    )
