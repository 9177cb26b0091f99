"""What was spent and lent of the budgets: one transaction reads a book, decides and writes it.

So a process that is killed at any point has lent what its rows say, and nothing else; and of
two that lend from one book, the second sees what the first lent.
"""

from collections.abc import Collection, Sequence
from functools import cache

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, bindparam, delete, or_, select

from actors.database.engine import Database
from actors.database.tables import budget as budget_table
from actors.database.tables import budget_lease, budget_spend
from actors.database.upsert import Insert, insert_into
from routing.budget import Book, Budget, Claim, Key, Lease, Scope, Standing, day_at

KEPT_DAYS = 3
"""Days of books that are kept behind today's, for clocks that were set wrong and right again."""

# A figure that cannot be stored stops a transaction; no budget comes near 2**63 pico-dollars.
_MOST = 2**63 - 1

_EVERY = ""


class BudgetBooks:
    """Lends from the books, and shows them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, claims: Sequence[Claim], now: float, today: int) -> list[Standing]:
        """Take each holder's word and lend what there is; the same claims again lend no more.

        Only for today, and a day before and after it: clocks differ, and answers cross midnight.
        A budget that is gone lends nothing and still hears what was spent of it.

        Raises:
            DatabaseBusy: Nothing was lent; ask again.
            DatabaseUnavailable: The same.
        """

        def work(connection: Connection) -> list[Standing]:
            books: dict[Key, Book] = {}
            heard: dict[tuple[Key, str], Lease] = {}
            standings: list[Standing] = []
            for claim in claims:
                book = books.get(claim.key)
                if book is None:
                    book = books[claim.key] = _load(connection, claim.key)
                    _fold(connection, claim.key, book, now)
                lends = abs(claim.key.day - today) <= 1
                standings.append(book.claim(claim, now, lends=lends))
                if claim.lease in book.leases:
                    heard[claim.key, claim.lease] = book.leases[claim.lease]
            if heard:
                rows = [_lease_row(key, name, lease) for (key, name), lease in heard.items()]
                connection.execute(_hearing(connection.dialect.name), rows)
            return standings

        return await self._database.write(work)

    async def books(
        self, tenant: str, budgets: Collection[Budget], now: float
    ) -> dict[str, dict[str, Book]]:
        """Today's books of a tenant's budgets, by budget and then by subject."""
        limits = {(budget.id, budget.scope): budget.limit_pico for budget in budgets}
        asked = {"of": tenant, "on": day_at(now)}

        def work(connection: Connection) -> dict[str, dict[str, Book]]:
            found: dict[str, dict[str, Book]] = {budget.id: {} for budget in budgets}

            def book_of(row: Row[*tuple[object, ...]]) -> Book | None:
                limit = limits.get((row.budget, Scope(row.scope)))
                if limit is None:
                    return None
                return found[row.budget].setdefault(row.subject, Book(limit))

            for row in connection.execute(_SPENDS_OF, asked):
                if (book := book_of(row)) is not None:
                    book.settled = row.settled_pico_usd
            for row in connection.execute(_LEASES_OF, asked):
                if (book := book_of(row)) is not None:
                    book.leases[row.lease] = _lease_of(row)
            return found

        return await self._database.read(work)

    async def prune(self, today: int) -> int:
        """Drop the books of days long gone; how many rows went."""
        oldest = today - KEPT_DAYS

        def work(connection: Connection) -> int:
            return sum(
                connection.execute(delete(table).where(table.c.day < oldest)).rowcount
                for table in (budget_lease, budget_spend)
            )

        return await self._database.write(work)


def _load(connection: Connection, key: Key) -> Book:
    asked = _asked(key)
    limit: int | None = connection.execute(_LIMIT, asked).scalar()
    settled: int | None = connection.execute(_SPEND, asked).scalar()
    rows = connection.execute(_LEASES, asked).all()
    return Book(limit or 0, settled or 0, {row.lease: _lease_of(row) for row in rows})


def _fold(connection: Connection, key: Key, book: Book, now: float) -> None:
    """Settle what the dead had, here and in the book."""
    before = set(book.leases)
    book.fold(now)
    gone = before - set(book.leases)
    if not gone:
        return
    connection.execute(_FORGETTING, [{**_asked(key), "gone": name} for name in gone])
    row = {**_key_row(key), "settled_pico_usd": min(book.settled, _MOST)}
    connection.execute(_settling(connection.dialect.name), row)


def _is(table: Table) -> ColumnElement[bool]:
    columns = table.c
    return and_(
        columns.tenant == bindparam("of"),
        columns.budget == bindparam("named"),
        columns.scope == bindparam("in_scope"),
        columns.subject == bindparam("whose"),
        columns.day == bindparam("on"),
    )


_LIMIT = select(budget_table.c.limit_pico_usd).where(
    or_(budget_table.c.tenant == bindparam("of"), budget_table.c.tenant == _EVERY),
    budget_table.c.id == bindparam("named"),
    budget_table.c.scope == bindparam("in_scope"),
)
_SPEND = select(budget_spend.c.settled_pico_usd).where(_is(budget_spend))
_LEASES = select(budget_lease).where(_is(budget_lease))
_FORGETTING = delete(budget_lease).where(
    _is(budget_lease), budget_lease.c.lease == bindparam("gone")
)
_SPENDS_OF = select(budget_spend).where(
    budget_spend.c.tenant == bindparam("of"), budget_spend.c.day == bindparam("on")
)
_LEASES_OF = select(budget_lease).where(
    budget_lease.c.tenant == bindparam("of"), budget_lease.c.day == bindparam("on")
)


@cache
def _hearing(dialect: str) -> Insert:
    statement = insert_into(budget_lease, dialect)
    told = ("seq", "granted_pico_usd", "spent_pico_usd", "returned_pico_usd", "heard_at")
    return statement.on_conflict_do_update(
        index_elements=["tenant", "budget", "scope", "subject", "day", "lease"],
        set_={name: statement.excluded[name] for name in told},
    )


@cache
def _settling(dialect: str) -> Insert:
    statement = insert_into(budget_spend, dialect)
    return statement.on_conflict_do_update(
        index_elements=["tenant", "budget", "scope", "subject", "day"],
        set_={"settled_pico_usd": statement.excluded.settled_pico_usd},
    )


def _asked(key: Key) -> dict[str, object]:
    return {
        "of": key.tenant,
        "named": key.budget,
        "in_scope": key.scope.value,
        "whose": key.subject,
        "on": key.day,
    }


def _key_row(key: Key) -> dict[str, object]:
    return {
        "tenant": key.tenant,
        "budget": key.budget,
        "scope": key.scope.value,
        "subject": key.subject,
        "day": key.day,
    }


def _lease_row(key: Key, name: str, lease: Lease) -> dict[str, object]:
    return {
        **_key_row(key),
        "lease": name,
        "seq": lease.seq,
        "granted_pico_usd": lease.granted,
        "spent_pico_usd": min(lease.spent, _MOST),
        "returned_pico_usd": lease.returned,
        "heard_at": lease.heard_at,
    }


def _lease_of(row: Row[*tuple[object, ...]]) -> Lease:
    return Lease(
        granted=row.granted_pico_usd,
        spent=row.spent_pico_usd,
        returned=row.returned_pico_usd,
        seq=row.seq,
        heard_at=row.heard_at,
    )
