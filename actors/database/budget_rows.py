"""Books as rows: one is read, decided on and written back inside the caller's transaction."""

from collections.abc import Mapping
from functools import cache

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, bindparam, select

from actors.database.budget_tables import budget_lease, budget_spend
from actors.database.upsert import Insert, insert_into
from routing.budget import Book, Key, Lease, Scope

# A figure that cannot be stored stops a transaction; no budget comes near 2**63 pico-dollars.
MOST = 2**63 - 1

BUDGET_KEY = ("tenant", "budget", "scope", "subject", "day")


def load_book(connection: Connection, key: Key, limit: int, now: float) -> Book:
    """The key's book under `limit`; what the dead had is settled in it, and written so.

    Names of leases that were given up stay until their day is pruned.
    """
    asked = key_parameters(key)
    settled: int | None = connection.execute(_SPEND, asked).scalar()
    rows = connection.execute(_LEASES, asked).all()
    book = Book(limit, settled or 0, {row.lease: lease_of(row) for row in rows})
    before = dict(book.leases)
    book.fold(now)
    forgotten = {(key, name): lease for name, lease in book.leases.items() if lease != before[name]}
    if forgotten:
        save_leases(connection, forgotten)
        row = {**key_row(key), "settled_pico_usd": min(book.settled, MOST)}
        connection.execute(_settling(connection.dialect.name), row)
    return book


def save_leases(connection: Connection, heard: Mapping[tuple[Key, str], Lease]) -> None:
    """Keep what was lent."""
    if heard:
        rows = [_lease_row(key, name, lease) for (key, name), lease in heard.items()]
        connection.execute(_hearing(connection.dialect.name), rows)


def key_parameters(key: Key) -> dict[str, object]:
    """What `is_key` compares with."""
    return {
        "of": key.tenant,
        "named": key.budget,
        "in_scope": key.scope.value,
        "whose": key.subject,
        "on": key.day,
    }


def is_key(table: Table) -> ColumnElement[bool]:
    """That a row is of the key."""
    columns = table.c
    return and_(
        columns.tenant == bindparam("of"),
        columns.budget == bindparam("named"),
        columns.scope == bindparam("in_scope"),
        columns.subject == bindparam("whose"),
        columns.day == bindparam("on"),
    )


def key_row(key: Key) -> dict[str, object]:
    """The key's columns."""
    return {
        "tenant": key.tenant,
        "budget": key.budget,
        "scope": key.scope.value,
        "subject": key.subject,
        "day": key.day,
    }


def key_of(row: Row[*tuple[object, ...]]) -> Key:
    """The key of a row."""
    return Key(row.tenant, row.budget, Scope(row.scope), row.subject, row.day)


def lease_of(row: Row[*tuple[object, ...]]) -> Lease:
    """The lease of a row."""
    return Lease(
        granted=row.granted_pico_usd,
        spent=row.spent_pico_usd,
        returned=row.returned_pico_usd,
        seq=row.seq,
        heard_at=row.heard_at,
        region=row.region,
        runs_out_at=row.runs_out_at,
    )


_SPEND = select(budget_spend.c.settled_pico_usd).where(is_key(budget_spend))
_LEASES = select(budget_lease).where(is_key(budget_lease))


@cache
def _hearing(dialect: str) -> Insert:
    statement = insert_into(budget_lease, dialect)
    told = (
        "seq", "granted_pico_usd", "spent_pico_usd", "returned_pico_usd", "heard_at",
        "region", "runs_out_at",
    )  # fmt: skip
    return statement.on_conflict_do_update(
        index_elements=[*BUDGET_KEY, "lease"],
        set_={name: statement.excluded[name] for name in told},
    )


@cache
def _settling(dialect: str) -> Insert:
    statement = insert_into(budget_spend, dialect)
    return statement.on_conflict_do_update(
        index_elements=BUDGET_KEY,
        set_={"settled_pico_usd": statement.excluded.settled_pico_usd},
    )


def _lease_row(key: Key, name: str, lease: Lease) -> dict[str, object]:
    return {
        **key_row(key),
        "lease": name,
        "seq": lease.seq,
        "granted_pico_usd": lease.granted,
        "spent_pico_usd": min(lease.spent, MOST),
        "returned_pico_usd": lease.returned,
        "heard_at": lease.heard_at,
        "region": lease.region,
        "runs_out_at": lease.runs_out_at,
    }
