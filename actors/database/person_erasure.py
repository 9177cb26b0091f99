"""A person's rows removed in bounded transactions: what was done is counted in the one that did it.

Whoever dies in the middle leaves a row that says so, and whoever goes on finds what is left. Until
an erasure is settled nothing new of the person is kept, so that an answer that was under way
brings nothing back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from sqlalchemy import (
    Connection,
    Row,
    Select,
    Table,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from actors.database.approval_ends import ENDED
from actors.database.engine import Database
from actors.database.erasing import UNDER_HOLD, is_held
from actors.database.people import MOMENT, PSEUDONYM, Holding, Naming, Person, sought
from actors.database.people_map import HOLDINGS, NAMED_WHY, NAMINGS
from actors.database.person_records import NAMED_IN, count_rows, select_named, select_of
from actors.database.tool_tables import tool_approval, tool_call
from actors.database.user_data_tables import erasure
from routing.errors import ConflictError

BATCH = 200
"""Rows of one transaction: 5 to 10 ms of SQLite's write lock, so that chats go on beside it."""
KEPT_S = 400 * 86_400.0
"""How long it is known that somebody was erased: as long as the audit log can be searched."""

State: TypeAlias = Literal["erasing", "settling", "settled"]


@dataclass(frozen=True, slots=True)
class ErasureRow:
    """How far an erasure is. `user_id` is None once it is settled; `ended_at` until rows are gone.

    `request` is the one under which its proof is on record, until then the one that began it.
    """

    tenant: str
    person: str
    user_id: str | None = field(repr=False)
    state: State
    request: str
    erased: Mapping[str, int]
    kept: Mapping[str, Mapping[str, int | str]]
    begun_at: float
    ended_at: float | None


class PersonErasure:
    """Erases people, each of one tenant."""

    def __init__(self, database: Database, batch: int = BATCH) -> None:
        self._database = database
        self._batch = batch

    async def begin(
        self, person: Person, pseudonyms: Sequence[str], request: str, now: float
    ) -> ErasureRow | None:
        """Note that the person is to be erased; None where nothing is known of such a one.

        Of somebody who was erased before and of whom there is nothing new it is the settled row of then.
        `pseudonyms` are all under which the person may stand from before.

        Raises:
            ConflictError: `legal_hold`.
            KeysUnavailable: it cannot be said what the person is sought by.
        """
        known = sought(person, await self._database.sealing.to_find(person.tenant))

        def work(connection: Connection) -> ErasureRow | None:
            if is_held(connection, person.tenant, person.user_id):
                raise ConflictError("legal_hold", UNDER_HOLD)
            counts = count_rows(connection, known)
            before = _row(connection, person.tenant, [person.pseudonym, *pseudonyms])
            if before is None:
                return _begun(connection, person, request, now, counts) if counts else None
            if before.state != "settled":
                return before
            if not any(counts.get(section) for section in _LEAVING):
                return before
            named = (erasure.c.tenant == person.tenant) & (erasure.c.person == before.person)
            connection.execute(delete(erasure).where(named)).close()
            return _begun(connection, person, request, now, counts)

        return await self._database.write(work)

    async def run(self, person: Person, row: ErasureRow) -> None:
        """Remove what there is, a batch at a time; to be called again after whatever stopped it.

        Raises:
            DatabaseBusy, DatabaseUnavailable: what was removed until then stays removed and counted.
        """
        for holding in HOLDINGS:
            while holding.fate != "kept" and await self._step(person, row, holding):
                pass
        for naming in NAMINGS:
            while await self._rename(person, row.person, naming):
                pass

    async def counted(self, tenant: str, person: str, windows: int) -> ErasureRow:
        """Add the windows that were forgotten; how much was erased until now."""

        def work(connection: Connection) -> ErasureRow:
            if windows:
                erased = dict(_must(connection, tenant, person).erased)
                erased["windows"] = erased.get("windows", 0) + windows
                connection.execute(_of(tenant, person).values(erased=erased)).close()
            return _must(connection, tenant, person)

        return await self._database.write(work)

    async def end(self, tenant: str, person: str, request: str, now: float) -> ErasureRow:
        """Nothing is left, as is on record under `request`; now it is waited for what may still be under way.

        An erasure that ended before ended then.
        """

        def work(connection: Connection) -> ErasureRow:
            ended = func.coalesce(erasure.c.ended_at, now)
            ending = _of(tenant, person).values(state="settling", ended_at=ended, request=request)
            connection.execute(ending).close()
            return _must(connection, tenant, person)

        return await self._database.write(work)

    async def settle(self, tenant: str, person: str) -> None:
        """Forget whom the erasure was about; only the pseudonym stays."""
        done = _of(tenant, person).values(state="settled", user_id=None)
        await self._database.write(lambda connection: connection.execute(done).close())

    async def open(self, ended_before: float, limit: int) -> list[ErasureRow]:
        """Erasures that were begun and not ended, and those that ended before and are not settled."""
        c = erasure.c
        due = (c.state == "erasing") | ((c.state == "settling") & (c.ended_at <= ended_before))
        statement = select(erasure).where(due).order_by(c.begun_at).limit(limit)
        return await self._database.read(
            lambda connection: [_of_row(row) for row in connection.execute(statement)]
        )

    async def prune(self, now: float) -> int:
        """Drop what is known of erasures that were settled long ago; how many."""
        old = delete(erasure).where(erasure.c.state == "settled", erasure.c.begun_at < now - KEPT_S)
        return await self._database.write(lambda connection: connection.execute(old).rowcount)

    async def _step(self, person: Person, erased: ErasureRow, holding: Holding) -> bool:
        """One batch; whether there may be more."""
        table, pick, named = holding.table, select_of(holding, person), erased.person
        stands_for = {PSEUDONYM: named, MOMENT: erased.begun_at}

        def work(connection: Connection) -> bool:
            keys = _keys(connection, table, pick, self._batch)
            if not keys:
                return False
            if holding.fate == "erased":
                connection.execute(delete(table).where(_among(table, keys))).close()
            else:
                values = {
                    name: stands_for.get(value, value) for name, value in holding.blanked.items()
                }
                connection.execute(update(table).where(_among(table, keys)).values(values)).close()
            _count(connection, person.tenant, named, holding, len(keys))
            return len(keys) == self._batch

        return await self._database.write(work)

    async def _rename(self, person: Person, named: str, naming: Naming) -> bool:
        table, pick = naming.table, select_named(naming, person)
        values: dict[str, object] = {naming.column: named}
        if table is tool_call:
            # Their keys may be another's of the same pseudonym; ids are unique, and by its id a call
            # that is repeated is known. The outcome is sealed to the key's columns: nobody can open it.
            values = {naming.column: literal(f"{named}#") + tool_call.c.id, "outcome": None}
        if table is tool_approval and naming.column != "decided_by":
            # Who asked is not the one to approve: where nobody can tell any more who asked, nobody does.
            values |= ENDED

        def work(connection: Connection) -> bool:
            keys = _keys(connection, table, pick, self._batch)
            if not keys:
                return False
            connection.execute(update(table).where(_among(table, keys)).values(values)).close()
            _add_kept(connection, person.tenant, named, NAMED_IN, len(keys), NAMED_WHY)
            return len(keys) == self._batch

        return await self._database.write(work)


# Sections of which nothing is left after an erasure.
_LEAVING = frozenset(h.section for h in HOLDINGS if h.fate != "kept") | {NAMED_IN}


def _begun(
    connection: Connection, person: Person, request: str, now: float, counts: Mapping[str, int]
) -> ErasureRow:
    kept = {
        holding.section: {"records": counts[holding.section], "why": holding.why}
        for holding in HOLDINGS
        if holding.fate == "kept" and holding.section in counts
    }
    row = {
        "tenant": person.tenant, "person": person.pseudonym, "user_id": person.user_id,
        "state": "erasing", "request": request, "erased": {}, "kept": kept, "begun_at": now,
    }  # fmt: skip
    connection.execute(insert(erasure), row).close()
    return _must(connection, person.tenant, person.pseudonym)


def _keys(
    connection: Connection, table: Table, pick: Select[Any], limit: int
) -> list[tuple[Any, ...]]:
    key = list(table.primary_key.columns)
    ordered = pick.with_only_columns(*key).order_by(*key).limit(limit)
    return [tuple(row) for row in connection.execute(ordered)]


def _among(table: Table, keys: Sequence[tuple[Any, ...]]) -> Any:
    return tuple_(*table.primary_key.columns).in_(keys)


def _count(connection: Connection, tenant: str, named: str, holding: Holding, count: int) -> None:
    if holding.fate == "anonymised":
        _add_kept(connection, tenant, named, holding.section, count, holding.why)
        return
    erased = dict(_must(connection, tenant, named).erased)
    erased[holding.section] = erased.get(holding.section, 0) + count
    connection.execute(_of(tenant, named).values(erased=erased)).close()


def _add_kept(
    connection: Connection, tenant: str, named: str, section: str, count: int, why: str
) -> None:
    kept = {name: dict(told) for name, told in _must(connection, tenant, named).kept.items()}
    before = int(kept.get(section, {}).get("records", 0))
    kept[section] = {"records": before + count, "why": why}
    connection.execute(_of(tenant, named).values(kept=kept)).close()


def _of(tenant: str, named: str) -> Any:
    return update(erasure).where(erasure.c.tenant == tenant, erasure.c.person == named)


def _must(connection: Connection, tenant: str, named: str) -> ErasureRow:
    found = _row(connection, tenant, [named])
    assert found is not None  # noqa: S101  it is made first and dropped last
    return found


def _row(connection: Connection, tenant: str, names: Sequence[str]) -> ErasureRow | None:
    c = erasure.c
    row = connection.execute(
        select(erasure).where(c.tenant == tenant, c.person.in_(names)).order_by(c.begun_at.desc())
    ).first()
    return None if row is None else _of_row(row)


def _of_row(row: Row[*tuple[Any, ...]]) -> ErasureRow:
    return ErasureRow(
        row.tenant, row.person, row.user_id, row.state, row.request, row.erased, row.kept,
        row.begun_at, row.ended_at,
    )  # fmt: skip
