"""A support desk: the demo company's records, the tools over them, and people with roles."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from actors.database import Approvals, Database, open_database
from actors.knowledge import Records
from deployments.demo import RECORDS, TENANT
from deployments.mcp_gateway.business.approval_queue import ApprovalQueue
from deployments.mcp_gateway.business.declaration import ToolRegistry
from deployments.mcp_gateway.business.runner import ToolRunner
from deployments.mcp_gateway.business.shipped import tools_registry
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.servers.tools import tools_server
from deployments.mcp_gateway.tool import ToolOutcome
from deployments.security.principal import Principal
from deployments.security.rbac import load_roles
from routing.clock import ManualClock
from routing.message import Json, JsonObject

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC).timestamp()
"""Of the 16th of a month of 30 days: 15 days are left, this one counted."""

ROLES = load_roles()


def person(role: str, name: str = "ann", tenant: str = TENANT) -> Principal:
    """By a key of theirs."""
    return Principal(
        tenant, f"key:{name}", frozenset({role}), ROLES.grants[role], owner=f"okta:{name}"
    )


def program(role: str, name: str = "desk", tenant: str = TENANT) -> Principal:
    """A key that was made on the machine, for nobody."""
    return Principal(tenant, f"key:{name}", frozenset({role}), ROLES.grants[role])


def calling(
    role: str = "agent",
    customer: str | None = "user_123",
    name: str = "ann",
    *,
    tainted: bool = False,
) -> Caller:
    return Caller(person(role, name), customer, "conv_1", tainted)


@dataclass(frozen=True)
class Desk:
    database: Database
    runner: ToolRunner
    approvals: Approvals
    queue: ApprovalQueue
    gateway: Gateway
    clock: ManualClock

    async def call(
        self, caller: Caller, name: str, arguments: JsonObject, key: str | None = None
    ) -> ToolOutcome:
        return await self.gateway.call(caller, f"tools__{name}", arguments, idempotency_key=key)

    async def refunded_cents(self, invoice: str) -> int:
        """What went back of an invoice, by the rows themselves."""
        query = f"SELECT coalesce(sum(amount_cents), 0) FROM refund WHERE invoice_id = '{invoice}'"  # noqa: S608
        return int(await self.scalar(query))

    async def scalar(self, query: str) -> int:
        rows = await self.database.read(lambda c: c.exec_driver_sql(query).scalar_one())
        return int(rows)


def said(outcome: ToolOutcome) -> Mapping[str, Json]:
    """The result of a call that did what it was asked."""
    assert not outcome.is_error, outcome.text
    assert isinstance(outcome.structured, Mapping)
    return outcome.structured


async def desk_over(database: Database, registry: ToolRegistry = tools_registry) -> Desk:
    """A desk over a database that has its tables; it brings the demo company's records."""
    await Records(database).load(TENANT, RECORDS)
    clock = ManualClock(NOON)
    runner = ToolRunner(registry, database, ROLES.limits, clock)
    approvals = Approvals(database)
    queue = ApprovalQueue(approvals, runner, clock)
    gateway = Gateway([await tools_server(runner)], clock, queue)
    return Desk(database, runner, approvals, queue, gateway, clock)


@asynccontextmanager
async def opened(path: Path, registry: ToolRegistry = tools_registry) -> AsyncIterator[Desk]:
    database = open_database(path)
    await database.migrate()
    try:
        yield await desk_over(database, registry)
    finally:
        await database.aclose()
