"""What is too old, found by reading and removed in bounded batches that look again before they remove.

What hangs on a row goes with it. What is about a person under a legal hold stays.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
)

from actors.database.audit_tables import audit_event
from actors.database.engine import Database
from actors.database.identity_tables import session
from actors.database.memory_tables import memory_fact, runbook_run
from actors.database.savings_tables import saving
from actors.database.tables import conversation, decision, feedback, ledger, thread
from actors.database.tool_tables import tool_approval, tool_call
from actors.database.user_data_tables import legal_hold

BATCH = 100
"""Rows of one transaction; a conversation takes its turns with it, some thousands at worst."""
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Kind:
    """Rows that go by age. `person` is the column that says whose they are, where one does."""

    name: str
    table: Table
    aged: ColumnElement[Any]
    person: ColumnElement[Any] | None = None
    only: ColumnElement[bool] | None = None
    per_second: int = 1


KINDS = (
    Kind("conversations", conversation, conversation.c.updated_at, conversation.c.user_id),
    Kind("memory", memory_fact, memory_fact.c.recorded_at, memory_fact.c.user_id),
    Kind(
        "memory",
        runbook_run,
        func.coalesce(runbook_run.c.ended_at, runbook_run.c.started_at),
        runbook_run.c.user_id,
    ),
    Kind(
        "threads",
        thread,
        # One that is being run just now is young, whatever was last added to it.
        case(
            (thread.c.leased_until > thread.c.updated_at, thread.c.leased_until),
            else_=thread.c.updated_at,
        ),
        thread.c.user_id,
    ),
    Kind("tool_calls", tool_call, tool_call.c.at, tool_call.c.customer),
    Kind("approvals", tool_approval, tool_approval.c.requested_at, tool_approval.c.customer),
    Kind("sessions", session, session.c.expires_at, session.c.subject),
    Kind("decisions", decision, decision.c.at),
    # What nobody has learned from yet is waited for.
    Kind("feedback", feedback, feedback.c.at, only=feedback.c.taught.is_(True)),
    Kind("savings", saving, saving.c.at),
    Kind("ledger", ledger, ledger.c.at),
    Kind("audit_index", audit_event, audit_event.c.at_ms, per_second=1000),
)


@dataclass(frozen=True, slots=True)
class Ages:
    """The days of one kind: the most for everybody, and fewer for some tenants."""

    most: int
    tenants: Mapping[str, int]


class Retention:
    """Finds and removes what is too old."""

    def __init__(self, database: Database, batch: int = BATCH) -> None:
        self._database = database
        self._batch = batch

    async def too_old(self, kind: Kind, ages: Ages, now: float) -> dict[str, int]:
        """How many rows would go now, by tenant."""
        tenant = kind.table.c.tenant
        counted = select(tenant, func.count()).where(_old(kind, ages, now)).group_by(tenant)
        return await self._database.read(
            lambda connection: {row[0]: row[1] for row in connection.execute(counted)}
        )

    async def remove(self, kind: Kind, ages: Ages, now: float) -> Counter[str]:
        """Remove a batch; how many rows by tenant. Fewer than a batch: there is no more for now.

        Raises:
            DatabaseBusy, DatabaseUnavailable: nothing was removed.
        """
        table, old = kind.table, _old(kind, ages, now)
        key = list(table.primary_key.columns)
        # Looking may take long, and holds up nobody where it reads.
        found = await self._database.read(
            lambda connection: [
                tuple(row) for row in connection.execute(select(*key).where(old).limit(self._batch))
            ]
        )
        if not found:
            return Counter()

        def work(connection: Connection) -> Counter[str]:
            # Whatever was used or came under a hold since then is not too old any more.
            gone = delete(table).where(tuple_(*key).in_(found), old).returning(table.c.tenant)
            return Counter(connection.execute(gone).scalars().all())

        return await self._database.write(work)

    @property
    def batch(self) -> int:
        """Rows of a full batch."""
        return self._batch


def _old(kind: Kind, ages: Ages, now: float) -> ColumnElement[bool]:
    c = kind.table.c
    old = [kind.aged < _moment(kind, now - ages.most * DAY_S)]
    old += [
        and_(c.tenant == tenant, kind.aged < _moment(kind, now - days * DAY_S))
        for tenant, days in ages.tenants.items()
    ]
    wanted = [or_(*old)]
    if kind.only is not None:
        wanted.append(kind.only)
    if kind.person is not None:
        held = (legal_hold.c.tenant == c.tenant) & (legal_hold.c.user_id == kind.person)
        wanted.append(~exists().where(held))
    return and_(*wanted)


def _moment(kind: Kind, at: float) -> float:
    """As the column has it: PostgreSQL compares a column of whole numbers with no other."""
    return at if kind.per_second == 1 else int(at * kind.per_second)
