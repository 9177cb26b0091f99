"""What was spent and lent of the budgets: one transaction reads a book, decides and writes it.

So a process that is killed at any point has lent what its rows say, and nothing else; and of
two that lend from one book, the second sees what the first lent.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, Row, bindparam, delete, or_, select

from actors.database.budget_rows import key_parameters, lease_of, load_book, save_leases
from actors.database.budget_tables import budget as budget_table
from actors.database.budget_tables import budget_lease, budget_spend
from actors.database.engine import Database
from routing.budget import FORGOTTEN_SEQ, Book, Budget, Claim, Key, Lease, Scope, Standing, day_at
from routing.loan import Lent, Refusal

KEPT_DAYS = 3
"""Days of books that are kept behind today's, for clocks that were set wrong and right again."""

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
                    limit = _limit(connection, claim.key) or 0
                    book = books[claim.key] = load_book(connection, claim.key, limit, now)
                lends = _is_near(claim.key.day, today)
                standings.append(book.claim(claim, now, lends=lends))
                lease = book.leases.get(claim.lease)
                if lease is not None and not lease.is_forgotten:
                    heard[claim.key, claim.lease] = lease
            save_leases(connection, heard)
            return standings

        return await self._database.write(work)

    async def lend(
        self, region: str, claims: Sequence[Claim], lease_s: float, now: float, today: int
    ) -> list[Lent]:
        """The same for another region, whose leases run out after `lease_s`.

        A claim on what does not exist, is of a far day, or goes by the name of somebody else's
        lease is refused, and leaves no trace. A region that has a lease is heard in any case.

        Raises:
            DatabaseBusy: Nothing was lent; ask again.
            DatabaseUnavailable: The same.
        """

        def work(connection: Connection) -> list[Lent]:
            answers: list[Lent] = []
            for claim in claims:
                limit = _limit(connection, claim.key)
                book = load_book(connection, claim.key, limit or 0, now)
                is_near = _is_near(claim.key.day, today)
                refusal = _refusal(region, claim, book, limit, is_near=is_near)
                if refusal is not None:
                    none = Standing(claim.key, claim.lease, claim.seq, 0, 0)
                    answers.append(Lent(none, 0, refusal))
                    continue
                standing = book.claim(
                    claim, now, lends=is_near, region=region, runs_out_at=now + lease_s
                )
                lease = book.leases.get(claim.lease)
                if lease is not None:
                    save_leases(connection, {(claim.key, claim.lease): lease})
                answers.append(Lent(standing, claim.seq if lease is None else lease.seq))
            return answers

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
                    book.leases[row.lease] = lease_of(row)
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


def _limit(connection: Connection, key: Key) -> int | None:
    limit: int | None = connection.execute(_LIMIT, key_parameters(key)).scalar()
    return limit


def _is_near(day: int, today: int) -> bool:
    return abs(day - today) <= 1


def _refusal(
    region: str, claim: Claim, book: Book, limit: int | None, *, is_near: bool
) -> Refusal | None:
    lease = book.leases.get(claim.lease)
    if lease is not None:
        return None if lease.region == region else Refusal.OTHERS_LEASE
    if not is_near:
        return Refusal.OTHER_DAY
    return Refusal.UNKNOWN_BUDGET if limit is None else None


_LIMIT = select(budget_table.c.limit_pico_usd).where(
    or_(budget_table.c.tenant == bindparam("of"), budget_table.c.tenant == _EVERY),
    budget_table.c.id == bindparam("named"),
    budget_table.c.scope == bindparam("in_scope"),
)
_SPENDS_OF = select(budget_spend).where(
    budget_spend.c.tenant == bindparam("of"), budget_spend.c.day == bindparam("on")
)
_LEASES_OF = select(budget_lease).where(
    budget_lease.c.tenant == bindparam("of"),
    budget_lease.c.day == bindparam("on"),
    budget_lease.c.seq < FORGOTTEN_SEQ,
)
