"""The journal of business tools: what is done under a key is done once, and kept with its outcome.

What a tool changes in this database and what it came to are one transaction, so a crash leaves
both or neither. A call that leaves the house cannot be in one; it is written down before it
begins and after it ended, and what lies between is said to be unknown.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, select, update

from actors.database.engine import Database
from actors.database.sealed_places import CALL_OUTCOME
from actors.database.sealing import Keys
from actors.database.tool_tables import tool_call
from actors.database.upsert import Insert, insert_into
from routing.message import JsonObject


@dataclass(frozen=True, slots=True)
class NewCall:
    """A call about to be made. `args_hash` covers tool, customer and arguments.

    `id` is the same for the same tenant, principal and key: by it a call is known whose principal
    was replaced by a pseudonym.
    """

    tenant: str
    principal: str
    key: str
    id: str
    tool: str
    args_hash: str
    customer: str | None
    conversation_id: str | None
    approval_id: str | None
    at: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call came to: a result, or with `is_error` a refusal."""

    body: JsonObject
    is_error: bool


@dataclass(frozen=True, slots=True)
class Postponed:
    """Nothing was done and nothing is kept: a human has to agree first, for this reason."""

    reason: str


@dataclass(frozen=True, slots=True)
class Reused:
    """The key stands for other arguments already."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Somebody is at it, and `until` then nobody else will be."""

    until: float


@dataclass(frozen=True, slots=True)
class Unfinished:
    """It was begun and never ended: it may have happened or not."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """It was begun before, and who began it was erased, and with them what it came to."""


@dataclass(frozen=True, slots=True)
class Begun:
    """It is the caller's to do; `until` is what `finish` is told."""

    until: float


Known: TypeAlias = Outcome | Reused | UnderWay | Unfinished | Forgotten


class ToolCalls:
    """Does each call once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def once(
        self, call: NewCall, work: Callable[[Connection], Outcome | Postponed]
    ) -> Known | Postponed:
        """What `work` came to under this key, now or the first time.

        `work` runs inside the transaction that keeps its outcome, and may be run again from the
        start if a neighbour's transaction fails: it must touch nothing but the connection. What it
        raises undoes everything and is kept by nobody.

        Raises:
            DatabaseBusy: Nothing was done.
            DatabaseUnavailable: The same.
        """
        row = {**asdict(call), "state": "done", "is_error": False}
        keys = await self._database.sealing.to_seal(call.tenant)

        def transact(connection: Connection) -> Known | Postponed:
            # First the key: of two at once PostgreSQL lets the second wait here for the first.
            if not connection.execute(_taking(connection.dialect.name), row).rowcount:
                return _known(keys, connection, call)
            done = work(connection)
            if isinstance(done, Postponed):
                connection.execute(_FORGETTING, _asked(call))
            else:
                connection.execute(_FINISHING, _ended(keys, call, done, call.at))
            return done

        return await self._database.write(transact)

    async def begin(self, call: NewCall, lease_s: float, *, may_repeat: bool) -> Known | Begun:
        """Take a call that leaves the house, or learn what became of it.

        With `may_repeat` one that was begun and never ended is given to the next who asks: the
        other side knows the key and does nothing twice.
        """
        until = call.at + lease_s
        row = {**asdict(call), "state": "running", "is_error": False, "leased_until": until}
        # What it will come to is to be kept: a call is not begun whose outcome could not be.
        keys = await self._database.sealing.to_seal(call.tenant)

        def transact(connection: Connection) -> Known | Begun:
            if connection.execute(_taking(connection.dialect.name), row).rowcount:
                return Begun(until)
            known = _known(keys, connection, call)
            if not isinstance(known, Unfinished) or not may_repeat:
                return known
            taken = {**_asked(call), "now": call.at, "until": until}
            if connection.execute(_TAKING_OVER, taken).rowcount:
                return Begun(until)
            return _known(keys, connection, call)

        return await self._database.write(transact)

    async def knows(self, tenant: str, call_id: str) -> bool:
        """Whether this call was begun, by whoever is erased since too."""
        asked = {"of": tenant, "known": call_id}
        return await self._database.read(lambda c: c.execute(_BY_ID, asked).first() is not None)

    async def finish(self, call: NewCall, begun: Begun, outcome: Outcome, now: float) -> bool:
        """Keep what it came to; False if another took it over meanwhile."""
        keys = await self._database.sealing.to_seal(call.tenant)
        values = {**_ended(keys, call, outcome, now), "until": begun.until}
        return await self._database.write(
            lambda connection: connection.execute(_ENDING, values).rowcount > 0
        )

    async def abandon(self, call: NewCall, begun: Begun) -> None:
        """Give a call back that certainly did nothing."""
        statement = _FORGETTING.where(tool_call.c.leased_until == bindparam("until"))
        values = {**_asked(call), "until": begun.until}
        await self._database.write(lambda connection: connection.execute(statement, values).close())


def _is() -> ColumnElement[bool]:
    return (
        (tool_call.c.tenant == bindparam("of"))
        & (tool_call.c.principal == bindparam("who"))
        & (tool_call.c.key == bindparam("named"))
    )


_ONE = select(tool_call).where(_is())
_BY_ID = select(tool_call).where(
    tool_call.c.tenant == bindparam("of"), tool_call.c.id == bindparam("known")
)
_FORGETTING = delete(tool_call).where(_is())
_FINISHING = (
    update(tool_call)
    .where(_is())
    .values(
        outcome=bindparam("came_to", type_=tool_call.c.outcome.type),
        is_error=bindparam("failed"),
        finished_at=bindparam("ended_at"),
        state="done",
        leased_until=None,
    )
)
_ENDING = _FINISHING.where(
    tool_call.c.state == "running", tool_call.c.leased_until == bindparam("until")
)
_TAKING_OVER = (
    update(tool_call)
    .where(_is(), tool_call.c.state == "running", tool_call.c.leased_until <= bindparam("now"))
    .values(leased_until=bindparam("until"))
)


@cache
def _taking(dialect: str) -> Insert:
    # By its key or by its id.
    return insert_into(tool_call, dialect).on_conflict_do_nothing()


def _asked(call: NewCall) -> dict[str, object]:
    return {"of": call.tenant, "who": call.principal, "named": call.key}


def _ended(keys: Keys, call: NewCall, outcome: Outcome, now: float) -> dict[str, object]:
    sealed = keys.seal_json(CALL_OUTCOME, (call.principal, call.key), dict(outcome.body))
    return {**_asked(call), "came_to": sealed, "failed": outcome.is_error, "ended_at": now}


def _known(keys: Keys, connection: Connection, call: NewCall) -> Known:
    row: Row[*tuple[Any, ...]] | None = connection.execute(_ONE, _asked(call)).one_or_none()
    if row is None:
        row = connection.execute(_BY_ID, {"of": call.tenant, "known": call.id}).one()
    if row.args_hash != call.args_hash:
        return Reused()
    if row.principal != call.principal:
        return Forgotten()
    if row.state == "done":
        body = keys.open_json(CALL_OUTCOME, (call.principal, call.key), row.outcome)
        return Outcome(body, row.is_error)
    return UnderWay(row.leased_until) if row.leased_until > call.at else Unfinished()
