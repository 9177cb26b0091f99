"""A support agent that may act: scripted or real platforms, the demo company's desk and database."""

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from actors.audience import Audience
from actors.database.conversations import Conversations
from actors.database.tool_turns import ToolTurnStore
from actors.knowledge.document import Passage
from actors.memory import Episodes
from actors.window_store import InProcessWindows
from config.privacy import PrivacySettings
from deployments.agent.exchange import AgentEvent, Answer, Ask, Done
from deployments.agent.executor import Executor
from deployments.agent.links import AllowedLinks
from deployments.agent.pseudonym import Pseudonyms
from deployments.agent.road import Limits, Road, RoadOptions
from deployments.agent.support import SupportAgent
from deployments.agent.toolbox import Toolbox
from deployments.agent.witness import Witness
from deployments.mcp_gateway.context import ContextGateway
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.tool_server import ToolServer
from deployments.personal_data import sealer_of
from deployments.platforms.base import Platform
from deployments.security.principal import Principal
from routing.catalog import Catalog
from routing.clock import SystemClock
from routing.exchange import ChatReply, FinishReason, Usage
from routing.message import ToolCall
from routing.platform_profile import PlatformProfile
from routing.policies import POLICIES
from routing.policies.balanced import Weights
from routing.policy import Strategy
from routing.requirement import Requirements
from routing.scorecard import Snapshot
from tests.fixed_keys import FixedKeys
from tests.unit.agent.worlds import Board
from tests.unit.routing.worlds import platform as profile_of
from tests.unit.tools.desk import Desk, opened, person

CUSTOMER = "user_123"
PAID = "INV-2026-0039"
"""An invoice of that customer, 49 dollars, all of it refundable."""


class _Still(Board):
    snapshot = Snapshot(1, "local", 0.0, {})


class _Kept:
    """Decisions as they are written."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    async def put(self, rows: Any, *_: object) -> None:
        if isinstance(rows, list):
            self.rows += rows


class Found:
    """A source that finds the same for every question."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self.passages = list(passages)

    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int, reach: Audience
    ) -> Sequence[Passage]:
        return self.passages


def asks(
    *calls: tuple[str, Mapping[str, Any]], text: str = "", usage: Usage | None = None
) -> ChatReply:
    """A model's turn that asks for calls."""
    made = tuple(
        ToolCall(f"call_{n}_{random.getrandbits(32):08x}", name, arguments)
        for n, (name, arguments) in enumerate(calls)
    )
    usage = usage or Usage(input_tokens=400, output_tokens=20)
    return ChatReply(text, FinishReason.TOOL_CALLS, usage, "model-that-acts", tool_calls=made)


def says(text: str, usage: Usage | None = None) -> ChatReply:
    """A model's turn that answers."""
    usage = usage or Usage(input_tokens=500, output_tokens=30)
    return ChatReply(text, FinishReason.STOP, usage, "model-that-acts")


@dataclass
class World:
    desk: Desk
    agent: SupportAgent
    board: Board
    kept: _Kept
    articles: Found
    server: list[ToolServer] = field(default_factory=list)

    async def ask(
        self,
        message: str,
        *,
        who: Principal | None = None,
        conversation_id: str | None = None,
        max_cost_usd: Decimal | None = None,
        limits: Limits | None = None,
        **more: Any,
    ) -> Answer:
        return await self.agent.answer(
            who or person("agent"),
            _ask(message, conversation_id, max_cost_usd, limits, more),
        )

    async def listen(
        self,
        message: str,
        *,
        who: Principal | None = None,
        conversation_id: str | None = None,
        max_cost_usd: Decimal | None = None,
        limits: Limits | None = None,
        **more: Any,
    ) -> tuple[list[AgentEvent], Answer]:
        """Every event of the stream, and the answer it ended in."""
        asked = _ask(message, conversation_id, max_cost_usd, limits, more)
        asked = replace(asked, limits=replace(asked.limits, stream=True))
        events = []
        async with aclosing(self.agent.stream(who or person("agent"), asked)) as steps:
            events = [step async for step in steps]
        last = events[-1]
        assert isinstance(last, Done)
        assert sum(isinstance(event, Done) for event in events) == 1
        return events, last.answer

    async def snapshot(self) -> dict[str, int]:
        """What there is of everything a tool can change."""
        tables = ("refund", "password_reset", "plan_change", "incident", "tool_call")
        return {
            table: await self.desk.scalar(f"SELECT count(*) FROM {table}")  # noqa: S608
            for table in tables
        }


def _ask(
    message: str,
    conversation_id: str | None,
    max_cost_usd: Decimal | None,
    limits: Limits | None,
    more: Mapping[str, Any],
) -> Ask:
    wanted = Limits() if limits is None else limits
    if max_cost_usd is not None:
        wanted = replace(wanted, requirements=Requirements(max_cost_usd=max_cost_usd))
    user_id = more.get("user_id", CUSTOMER)
    rest = {name: value for name, value in more.items() if name != "user_id"}
    return Ask(message, user_id, conversation_id, limits=wanted, **rest)


@asynccontextmanager
async def acting(
    path: Path,
    platforms: Mapping[str, Platform],
    *,
    passages: Sequence[Passage] = (),
    servers: Sequence[ToolServer] = (),
    offered: Sequence[str] = ("*",),
    profiles: Sequence[PlatformProfile] | None = None,
    links: Sequence[str] = (),
    deadline_s: float = 30.0,
    sealed: bool = False,
) -> AsyncIterator[World]:
    """`platforms` in the order in which they are asked, over a database in a file of its own."""
    clock = SystemClock()
    async with opened(path / "acting.db") as desk:
        board, kept, articles = _Still(), _Kept(), Found(passages)
        catalog = Catalog(profiles or [profile_of(name) for name in platforms])
        road = Road(
            catalog,
            board,
            Executor(platforms, catalog, board, clock),
            Witness(catalog, cast("Any", kept), cast("Any", kept), Weights(), clock),
            RoadOptions(
                Strategy.COST_OPTIMIZED, POLICIES, tuple(platforms)[1:], 4, deadline_s, 60.0
            ),
            clock,
            random.Random(1),  # noqa: S311
        )
        gateway = desk.gateway
        if servers:
            own = desk.gateway._servers._own
            gateway = Gateway([*own, *servers], desk.clock, desk.queue)
        agent = SupportAgent(
            road,
            ContextGateway({"vector_store": articles}),
            Episodes(Conversations(desk.database), InProcessWindows(clock), desk.database.sealing),
            800,
            clock,
            Pseudonyms(FixedKeys()),
            Toolbox(
                gateway,
                offered,
                desk.approvals,
                ToolTurnStore(desk.database),
                desk.clock,
            ),
            AllowedLinks(links),
            await sealer_of(PrivacySettings(), FixedKeys(), desk.database, clock)
            if sealed
            else None,
        )
        try:
            yield World(desk, agent, board, kept, articles, list(servers))
        finally:
            await agent.aclose()
