"""Calls that wait for a human: sealed, decided once, used once.

A row lives until it expires. While it does, the same call by the same caller in the same
conversation finds it again, with what was decided and what came of it, so that a model which
asks twice neither fills the queue nor gets a second yes.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from sqlalchemy import Boolean, ColumnElement, Connection, Row, Update, bindparam, select, update

from actors.database.approval_outcomes import keep_outcome
from actors.database.approval_room import has_room
from actors.database.directory_ends import is_out, must_be_in
from actors.database.engine import Database
from actors.database.sealed_places import (
    APPROVAL_ARGUMENTS,
    APPROVAL_OUTCOME,
    APPROVAL_REASON,
    APPROVAL_SUMMARY,
)
from actors.database.sealing import Keys
from actors.database.tool_tables import tool_approval
from actors.database.upsert import Insert, insert_into
from routing.message import Json, JsonObject

State = Literal["waiting", "approved", "denied", "expired"]
STATES: tuple[State, ...] = get_args(State)

# What people decide in a few days; a flood of requests beyond it is refused, not queued.
WAITING_MAX = 1000


@dataclass(frozen=True, slots=True)
class NewApproval:
    """A call that needs a yes. `args_hash` seals the arguments, `live_key` the whole call."""

    tenant: str
    id: str
    live_key: str
    tool: str
    arguments: JsonObject
    args_hash: str
    reason: str
    summary: str
    principal: str
    roles: tuple[str, ...]
    customer: str | None
    conversation_id: str | None
    tainted: bool
    requested_at: float
    expires_at: float
    person: str | None = None


@dataclass(frozen=True, slots=True)
class ApprovalRow:
    """A call that needed a yes, and what became of it; `state` counts the time that has passed.

    `person` is who was behind it: for a key, whoever made the key. `first_by` is the person who said
    yes where it takes two.
    """

    tenant: str
    id: str
    tool: str
    arguments: Mapping[str, Json]
    args_hash: str
    reason: str
    summary: str
    principal: str
    roles: frozenset[str]
    customer: str | None
    conversation_id: str | None
    tainted: bool
    state: State
    requested_at: float
    expires_at: float
    decided_by: str | None
    decided_roles: frozenset[str]
    decided_at: float | None
    spent_at: float | None
    is_error: bool | None
    outcome: Mapping[str, Json] | None
    finished_at: float | None
    person: str | None = None
    first_by: str | None = None


class Approvals:
    """Keeps them. Who may decide is not its business; `person` is who does, and `by` what they came by."""

    def __init__(self, database: Database, directories: Container[str] | None = None) -> None:
        """`directories` are the tenants whose directory says who is out; None is every tenant."""
        self._database = database
        self._directories = directories

    async def request(self, new: NewApproval) -> ApprovalRow | None:
        """The living approval of this call, else this one; None if too many wait, or of theirs."""
        keys = await self._database.sealing.to_seal(new.tenant)
        now, values = new.requested_at, _row_of(keys, new)

        def work(connection: Connection) -> ApprovalRow | None:
            asked = {"of": new.tenant, "live": new.live_key}
            known = connection.execute(_LIVING, asked).one_or_none()
            if known is not None and known.expires_at > now:
                return _approval_of(keys, known, now)
            if known is not None:
                connection.execute(_BURYING, {**asked, "now": now})
            asker = (new.principal, new.person)
            if not has_room(connection, new.tenant, asker, new.customer, now, WAITING_MAX):
                return None
            connection.execute(_asking(connection.dialect.name), values)
            # Read again: in PostgreSQL another may have asked for the same at the same time.
            return _approval_of(keys, connection.execute(_LIVING, asked).one(), now)

        return await self._database.write(work)

    async def get(self, tenant: str, approval_id: str, now: float) -> ApprovalRow | None:
        """The tenant's approval of that id."""
        asked = {"of": tenant, "named": approval_id}
        keys = await self._database.sealing.to_open(tenant)
        row = await self._database.read(lambda c: c.execute(_ONE, asked).one_or_none())
        return None if row is None else _approval_of(keys, row, now)

    async def living(self, tenant: str, live_key: str, now: float) -> ApprovalRow | None:
        """The approval of exactly this call, while it lives."""
        asked = {"of": tenant, "live": live_key}
        keys = await self._database.sealing.to_open(tenant)
        row = await self._database.read(lambda c: c.execute(_LIVING, asked).one_or_none())
        return None if row is None or row.expires_at <= now else _approval_of(keys, row, now)

    async def list(
        self, tenant: str, state: State | None, now: float, limit: int
    ) -> list[ApprovalRow]:
        """The tenant's newest, of one state or of all."""
        statement = _OF
        match state:
            case "waiting":
                statement = statement.where(tool_approval.c.expires_at > now, _in_state("waiting"))
            case "expired":
                # Stored as such where who asked was erased.
                late = _in_state("waiting") & (tool_approval.c.expires_at <= now)
                statement = statement.where(late | _in_state("expired"))
            case "approved" | "denied":
                statement = statement.where(_in_state(state))
            case None:
                pass
        asked = {"of": tenant, "most": limit}
        keys = await self._database.sealing.to_open(tenant)
        rows = await self._database.read(lambda c: c.execute(statement, asked).all())
        return [_approval_of(keys, row, now) for row in rows]

    async def decide(
        self,
        tenant: str,
        approval_id: str,
        state: Literal["approved", "denied"],
        person: str,
        by: str,
        roles: tuple[str, ...],
        now: float,
    ) -> ApprovalRow | None:
        """Decide one that waits; what is decided or expired stays as it is. None: there is none.

        Raises:
            AccessError: the directory has put them out; this replica may not have heard yet.
        """
        said = {"word": state, "by": by, "as": list(roles)}
        return await self._after([_DECIDING], tenant, approval_id, person, now, said)

    async def agree(
        self, tenant: str, approval_id: str, person: str, now: float
    ) -> ApprovalRow | None:
        """Note who says yes first where it takes two; of several at once it is one. None: there is none.

        Whoever is noted and was put out gives way to `person`. Raises as `decide` does.
        """
        return await self._after([_AGREEING], tenant, approval_id, person, now, {})

    async def second(
        self,
        tenant: str,
        approval_id: str,
        first: str | None,
        person: str,
        by: str,
        roles: tuple[str, ...],
        now: float,
    ) -> ApprovalRow | None:
        """Approve one that takes two, if `first` is still who said yes first. None: there is none.

        If their yes was taken back meanwhile, or was written after they were put out, `person`'s is
        the first, and it waits on. Raises as `decide` does.
        """
        said = {"word": "approved", "by": by, "as": list(roles), "first": first}
        return await self._after([_SECONDING, _AGREEING], tenant, approval_id, person, now, said)

    async def spend(self, tenant: str, approval_id: str, now: float) -> bool:
        """Take an approved one to act on it: true exactly once."""
        asked = {"of": tenant, "named": approval_id, "now": now}
        return await self._database.write(
            lambda connection: connection.execute(_SPENDING, asked).rowcount > 0
        )

    async def finish(
        self, tenant: str, approval_id: str, outcome: JsonObject, now: float, *, is_error: bool
    ) -> None:
        """Keep what came of one that was spent; the first word stays."""
        keys = await self._database.sealing.to_seal(tenant)
        await self._database.write(
            lambda c: keep_outcome(c, keys, tenant, approval_id, outcome, now, is_error)
        )

    async def _after(
        self,
        changes: Sequence[Update],
        tenant: str,
        approval_id: str,
        person: str,
        now: float,
        said: Mapping[str, object],
    ) -> ApprovalRow | None:
        heeds = self._directories is None or tenant in self._directories
        asked = {"of": tenant, "named": approval_id, "whose": person, "now": now, "heeds": heeds}
        keys = await self._database.sealing.to_open(tenant)

        def work(connection: Connection) -> ApprovalRow | None:
            if heeds:
                must_be_in(connection, tenant, person)
            for change in changes:
                connection.execute(change, {**asked, **said})
            row = connection.execute(_ONE, asked).one_or_none()
            return None if row is None else _approval_of(keys, row, now)

        return await self._database.write(work)


def _in_state(state: State) -> ColumnElement[bool]:
    return tool_approval.c.state == state


_c = tool_approval.c
_IS = (_c.tenant == bindparam("of")) & (_c.id == bindparam("named"))
_IS_LIVING = (_c.tenant == bindparam("of")) & (_c.live_key == bindparam("live"))
_WAITS = _in_state("waiting") & (tool_approval.c.expires_at > bindparam("now"))
_ONE = select(tool_approval).where(_IS)
_LIVING = select(tool_approval).where(_IS_LIVING)
_BURYING = (
    update(tool_approval)
    .where(_IS_LIVING, tool_approval.c.expires_at <= bindparam("now"))
    .values(live_key=None)
)
_OF = (
    select(tool_approval)
    .where(tool_approval.c.tenant == bindparam("of"))
    .order_by(tool_approval.c.requested_at.desc(), tool_approval.c.id)
    .limit(bindparam("most"))
)
_DECIDING = (
    update(tool_approval)
    .where(_IS, _WAITS)
    .values(
        state=bindparam("word"),
        decided_by=bindparam("by"),
        decided_roles=bindparam("as", type_=tool_approval.c.decided_roles.type),
        decided_at=bindparam("now"),
    )
)
# A yes of theirs that a replica writes which has not heard is not there to be taken back when they go.
_FIRST_IS_OUT = bindparam("heeds", type_=Boolean) & is_out(_c.tenant, _c.first_by)
# Not of one whose first yes is nobody's: two unknowns are not equal.
_SECONDING = _DECIDING.where(tool_approval.c.first_by == bindparam("first"), ~_FIRST_IS_OUT)
_AGREEING = (
    update(tool_approval)
    .where(_IS, _WAITS, tool_approval.c.first_by.is_(None) | _FIRST_IS_OUT)
    .values(first_by=bindparam("whose"))
)
_SPENDING = (
    update(tool_approval)
    .where(_IS, _in_state("approved"), tool_approval.c.spent_at.is_(None))
    .values(spent_at=bindparam("now"))
)


@cache
def _asking(dialect: str) -> Insert:
    return insert_into(tool_approval, dialect).on_conflict_do_nothing(
        index_elements=["tenant", "live_key"]
    )


def _row_of(keys: Keys, new: NewApproval) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(new, name) for name in NewApproval.__slots__}
    return row | {
        "arguments": keys.seal_json(APPROVAL_ARGUMENTS, (new.id,), dict(new.arguments)),
        "reason": keys.seal(APPROVAL_REASON, (new.id,), new.reason),
        "summary": keys.seal(APPROVAL_SUMMARY, (new.id,), new.summary),
        "roles": list(new.roles),
        "state": "waiting",
    }


def _approval_of(keys: Keys, row: Row[*tuple[Any, ...]], now: float) -> ApprovalRow:
    values = {name: getattr(row, name) for name in ApprovalRow.__slots__}
    mine = (row.id,)
    values["arguments"] = keys.open_json(APPROVAL_ARGUMENTS, mine, row.arguments)
    values["reason"] = keys.open(APPROVAL_REASON, mine, row.reason)
    values["summary"] = keys.open(APPROVAL_SUMMARY, mine, row.summary)
    if row.outcome is not None:
        values["outcome"] = keys.open_json(APPROVAL_OUTCOME, mine, row.outcome)
    if row.state == "waiting" and row.expires_at <= now:
        values["state"] = "expired"
    values["roles"] = frozenset(row.roles)
    values["decided_roles"] = frozenset(row.decided_roles or ())
    return ApprovalRow(**values)
