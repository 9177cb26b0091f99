"""What this region holds of other regions' budgets: lent to its own processes, journaled, told.

A loan is the limit of this region's own book of the budget. One transaction reads both, decides
and writes; a claim is on its way to the home only after what it says is in the journal, so a
process that is killed at any point has neither spent what it returned nor leased anything twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from sqlalchemy import Connection, Row, bindparam, delete, select

from actors.database.budget_books import KEPT_DAYS
from actors.database.budget_rows import (
    BUDGET_KEY,
    is_key,
    key_of,
    key_parameters,
    key_row,
    load_book,
    save_leases,
)
from actors.database.budget_tables import budget_loan
from actors.database.engine import Database
from actors.database.upsert import Insert, insert_into
from routing.budget import Beyond, Book, Claim, Key, Lease, Standing
from routing.loan import SHARE, Lent, Loan

LETTER_MAX = 100
"""Claims told of at once: 15 kB, and at 0.5 ms each the write lock of either store for 50 ms."""


@dataclass(frozen=True, slots=True)
class HeldLoan:
    """A loan beside this region's book of it."""

    key: Key
    loan: Loan
    book: Book


class BudgetLoans:
    """Borrows from other regions. `life` names leases this process begins; two never share one."""

    def __init__(self, database: Database, life: str) -> None:
        self._database = database
        self._life = life

    async def hold(self, home: str, reserves: Mapping[Key, int], now: float) -> None:
        """Keep a share of each of these limits at hand from now on, for when the home is gone.

        Raises:
            DatabaseBusy: Nothing has changed.
            DatabaseUnavailable: The same.
        """

        def work(connection: Connection) -> None:
            for key, limit in reserves.items():
                loan = _load(connection, home, key)
                if loan is None:
                    # It asks for twice of what is needed.
                    need = limit // SHARE // 2
                    loan = Loan(self._life, need=need, is_reserve=True, used_at=now, next_at=now)
                    _save(connection, home, key, loan)
                elif not loan.is_reserve and not loan.is_closed:
                    _save(connection, home, key, replace(loan, is_reserve=True, next_at=now))

        await self._database.write(work)

    async def borrow(
        self, home: str, claims: Sequence[Claim], now: float, *, is_silent: bool
    ) -> list[Standing]:
        """Lend to this region's processes out of what it holds; `is_silent` says the home is.

        Raises:
            DatabaseBusy: Nothing was lent; ask again.
            DatabaseUnavailable: The same.
        """

        def work(connection: Connection) -> list[Standing]:
            return [self._lend(connection, home, claim, now, is_silent) for claim in claims]

        return await self._database.write(work)

    def _lend(
        self, connection: Connection, home: str, claim: Claim, now: float, is_silent: bool
    ) -> Standing:
        before = _load(connection, home, claim.key)
        loan = before or Loan(self._life)
        book = load_book(connection, claim.key, loan.limit, now)
        known = book.leases.get(claim.lease, Lease())
        standing = book.claim(claim, now, lends=loan.lends(now))
        lease = book.leases.get(claim.lease)
        if lease is not None and not lease.is_forgotten:
            save_leases(connection, {(claim.key, claim.lease): lease})
        free = standing.free if loan.lends(now) else 0
        if not is_silent and not loan.is_closed:
            # It can be had: whoever needs more than is here asks for it, and so does the region.
            free += loan.home_free
        beyond, need = Beyond.SILENT if is_silent else None, 0
        if claim.want > standing.granted and not standing.is_closed:
            beyond = loan.beyond(now, is_silent=is_silent)
            need = 0 if loan.is_closed else claim.want - standing.granted
        elif claim.want > known.granted:
            # It was lent at once; what remains may be little, which is the next letter's affair.
            loan = replace(loan, used_at=max(loan.used_at, now))
        loan = loan.used(need, now)
        if loan != before:
            _save(connection, home, claim.key, loan)
        return replace(standing, free=free, beyond=beyond)

    async def letter(self, home: str, now: float, today: int) -> list[Claim]:
        """What the home has to be told by now, those first that waited longest; journaled as told.

        Raises:
            DatabaseBusy: Nothing may be told.
            DatabaseUnavailable: The same.
        """

        def due(connection: Connection) -> bool:
            return (
                connection.execute(_NEXT, {"at": home, "now": now, "most": 1}).first() is not None
            )

        def work(connection: Connection) -> list[Claim]:
            claims: list[Claim] = []
            asked = {"at": home, "now": now, "most": LETTER_MAX}
            for row in connection.execute(_NEXT, asked).all():
                key, loan = key_of(row), _loan_of(row)
                book = load_book(connection, key, loan.limit, now)
                loan, claim = loan.tell(key, book, now, today)
                _save(connection, home, key, loan)
                claims.append(claim)
            return claims

        # A reader first: it waits for nobody, and mostly there is nothing to tell.
        if not await self._database.read(due):
            return []
        return await self._database.write(work)

    async def hear(
        self, home: str, answers: Sequence[Lent], sent_at: float, lease_s: float, now: float
    ) -> None:
        """Take what the home answers to a letter of `sent_at`.

        Raises:
            DatabaseBusy: Nothing was taken; it will be asked again.
            DatabaseUnavailable: The same.
        """

        def work(connection: Connection) -> None:
            for lent in answers:
                key = lent.standing.key
                before = _load(connection, home, key)
                if before is None:
                    continue
                loan = before.hear(lent, sent_at, lease_s, now)
                if loan != before:
                    _save(connection, home, key, loan)

        if answers:
            await self._database.write(work)

    async def held(self, tenant: str, today: int, now: float) -> list[HeldLoan]:
        """What this region holds of a tenant's budgets today."""

        def work(connection: Connection) -> list[HeldLoan]:
            rows = connection.execute(_OF, {"of": tenant, "on": today}).all()
            return [
                HeldLoan(key_of(row), loan, load_book(connection, key_of(row), loan.limit, now))
                for row in rows
                for loan in (_loan_of(row),)
            ]

        return await self._database.write(work)

    async def prune(self, today: int) -> None:
        """Drop the loans of days long gone, with the books they stand beside."""
        statement = delete(budget_loan).where(budget_loan.c.day < today - KEPT_DAYS)
        await self._database.write(lambda connection: connection.execute(statement).rowcount)


_ONE = select(budget_loan).where(is_key(budget_loan), budget_loan.c.home == bindparam("at"))
_OF = select(budget_loan).where(
    budget_loan.c.tenant == bindparam("of"), budget_loan.c.day == bindparam("on")
)
_NEXT = (
    select(budget_loan)
    .where(budget_loan.c.home == bindparam("at"), budget_loan.c.next_at <= bindparam("now"))
    .order_by(budget_loan.c.next_at)
    .limit(bindparam("most"))
)
_FIGURES = (
    "lease", "seq", "heard_seq", "want_pico_usd", "granted_pico_usd", "told_pico_usd",
    "returned_pico_usd", "need_pico_usd", "home_free_pico_usd", "is_reserve", "is_closed",
    "runs_out_at", "heard_at", "used_at", "next_at",
)  # fmt: skip


def _load(connection: Connection, home: str, key: Key) -> Loan | None:
    row = connection.execute(_ONE, {**key_parameters(key), "at": home}).first()
    return None if row is None else _loan_of(row)


def _save(connection: Connection, home: str, key: Key, loan: Loan) -> None:
    row = {
        **key_row(key),
        "home": home,
        "lease": loan.lease,
        "seq": loan.seq,
        "heard_seq": loan.heard_seq,
        "want_pico_usd": loan.want,
        "granted_pico_usd": loan.granted,
        "told_pico_usd": loan.told,
        "returned_pico_usd": loan.returned,
        "need_pico_usd": loan.need,
        "home_free_pico_usd": loan.home_free,
        "is_reserve": loan.is_reserve,
        "is_closed": loan.is_closed,
        "runs_out_at": loan.runs_out_at,
        "heard_at": loan.heard_at,
        "used_at": loan.used_at,
        "next_at": loan.next_at,
    }
    connection.execute(_saving(connection.dialect.name), row)


@cache
def _saving(dialect: str) -> Insert:
    statement = insert_into(budget_loan, dialect)
    return statement.on_conflict_do_update(
        index_elements=[*BUDGET_KEY, "home"],
        set_={name: statement.excluded[name] for name in _FIGURES},
    )


def _loan_of(row: Row[*tuple[object, ...]]) -> Loan:
    return Loan(
        lease=row.lease,
        seq=row.seq,
        heard_seq=row.heard_seq,
        want=row.want_pico_usd,
        granted=row.granted_pico_usd,
        told=row.told_pico_usd,
        returned=row.returned_pico_usd,
        need=row.need_pico_usd,
        home_free=row.home_free_pico_usd,
        is_reserve=row.is_reserve,
        is_closed=row.is_closed,
        runs_out_at=row.runs_out_at,
        heard_at=row.heard_at,
        used_at=row.used_at,
        next_at=row.next_at,
    )
