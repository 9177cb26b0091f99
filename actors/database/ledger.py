"""What was spent: every attempt booked once, together with the scorecards it led to.

Replicas report outcomes in numbered batches and send a batch again when its
acknowledgement was lost. Rows, the batch's number and the coordinator's checkpoint are
one transaction, so that a coordinator which restarts finds the three agreeing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    delete,
    func,
    literal,
    select,
)

from actors.database.engine import Database
from actors.database.ledger_rows import outcome_of, row_of, usd
from actors.database.tables import checkpoint as checkpoint_table
from actors.database.tables import ledger, reporter
from actors.database.upsert import Insert, insert_into
from routing.exchange import Usage
from routing.outcome import Outcome

# A batch may overtake another or come again this many numbers late and is still told
# apart; anything older counts as seen. Replicas keep far fewer unacknowledged.
SEQ_WINDOW = 256

SCORECARDS = "scorecards"

# Sums are taken as two halves: 2**63 pico-dollars, 9.2 million USD, would overflow SQLite's.
_HALF = 10**6

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Spend:
    """What one target cost: `unpriced_attempts` are in `attempts` but not in `cost_usd`."""

    target: str
    platform: str
    simulated: bool
    attempts: int
    unpriced_attempts: int
    cost_usd: Decimal
    usage: Usage


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A state somebody asked to be kept; `version` grows by one with every save."""

    version: int
    at: float
    body: str


class Ledger:
    """Books outcomes and adds them up."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(
        self,
        replica: str,
        seq: int,
        outcomes: Sequence[Outcome],
        checkpoint: bytes | str | None = None,
        *,
        now: float | None = None,
    ) -> bool:
        """Book batch `seq` of `replica`, or return False and write nothing if it was seen before.

        `replica` names one life of one process: numbers must not start again under the
        same name. `checkpoint` is UTF-8 text, kept under the name `SCORECARDS`, at `now`
        (the newest outcome's time where none is given).

        Raises:
            DatabaseBusy: Nothing was written; send the batch again.
            DatabaseUnavailable: The same.
        """
        rows = [row_of(outcome) for outcome in outcomes]
        body = checkpoint.decode() if isinstance(checkpoint, bytes) else checkpoint
        at = now if now is not None else max((outcome.at for outcome in outcomes), default=0.0)

        def work(connection: Connection) -> bool:
            dialect = connection.dialect.name
            if not _is_new(connection, replica, seq):
                return False
            if rows:
                connection.execute(_booking(dialect), rows)
            if body is not None:
                kept = {"name": SCORECARDS, "version": 1, "at": at, "body": body}
                connection.execute(saving(dialect), kept)
            return True

        return await self._database.write(work)

    async def last_seqs(self) -> dict[str, int]:
        """The highest batch number booked of every replica ever heard of."""
        statement = select(reporter.c.replica, func.max(reporter.c.seq).label("last")).group_by(
            reporter.c.replica
        )
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return {row.replica: row.last for row in rows}

    async def forget(self, replica: str) -> None:
        """Drop the batch numbers of a replica that is gone for good."""
        statement = delete(reporter).where(reporter.c.replica == replica)
        await self._database.write(lambda connection: connection.execute(statement).close())

    async def load_checkpoint(self, name: str = SCORECARDS) -> Checkpoint | None:
        """The newest checkpoint of that name."""
        kept = checkpoint_table.c
        statement = select(kept.version, kept.at, kept.body).where(kept.name == name)
        row = await self._database.read(lambda connection: connection.execute(statement).first())
        return None if row is None else Checkpoint(row.version, row.at, row.body)

    async def save_checkpoint(self, body: str, now: float) -> None:
        """Keep a checkpoint by itself, under the name `SCORECARDS`.

        Raises:
            DatabaseBusy: Nothing was written.
            DatabaseUnavailable: The same.
        """
        kept = {"name": SCORECARDS, "version": 1, "at": now, "body": body}
        await self._database.write(
            lambda connection: connection.execute(saving(connection.dialect.name), kept).close()
        )

    async def spend_today(self, now: float) -> dict[str, Decimal]:
        """USD per target of all tenants together since midnight UTC; unpriced attempts count 0.

        For operators, and the coordinator's start: it reads every row of the day.
        """
        midnight = now - now % _DAY_S
        spent: dict[str, Decimal] = {}
        for spend in await self._spend(ledger.c.at >= midnight):
            spent[spend.target] = spent.get(spend.target, Decimal(0)) + spend.cost_usd
        return spent

    async def spend(
        self, tenant: str, since: float, until: float | None = None
    ) -> tuple[Spend, ...]:
        """What the tenant's attempts ended in [since, until) cost, by target."""
        bounds = [ledger.c.tenant == tenant, ledger.c.at >= since]
        if until is not None:
            bounds.append(ledger.c.at < until)
        return await self._spend(*bounds)

    async def attempts_of(self, tenant: str, answer_id: str) -> list[Outcome]:
        """Every attempt booked for one answer, first to last; empty if it is not the tenant's."""
        statement = (
            select(ledger)
            .where(ledger.c.tenant == tenant, ledger.c.answer_id == answer_id)
            .order_by(ledger.c.attempt)
        )
        rows = await self._database.read(
            lambda connection: connection.execute(statement).mappings().all()
        )
        return [outcome_of(row) for row in rows]

    async def _spend(self, *bounds: ColumnElement[bool]) -> tuple[Spend, ...]:
        statement = _sums().where(*bounds)
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return tuple(
            Spend(
                target=row.target,
                platform=row.platform,
                simulated=row.simulated,
                attempts=row.attempts,
                unpriced_attempts=row.attempts - row.priced,
                cost_usd=usd(int(row.high or 0) * _HALF + int(row.low or 0)),
                usage=Usage(*(int(tokens) for tokens in row[7:])),
            )
            for row in rows
        )


def _is_new(connection: Connection, replica: str, seq: int) -> bool:
    """Note the number, unless it was noted before or is too old to tell."""
    last: int | None = connection.execute(_LAST, {"replica": replica}).scalar()
    if last is not None and seq <= last - SEQ_WINDOW:
        return False
    noting = connection.execute(_noting(connection.dialect.name), {"replica": replica, "seq": seq})
    if noting.rowcount == 0:
        return False
    if last is not None and seq > last:
        connection.execute(_FORGETTING, {"of": replica, "up_to": seq - SEQ_WINDOW})
    return True


_LAST = select(func.max(reporter.c.seq)).where(reporter.c.replica == bindparam("replica"))
_FORGETTING = delete(reporter).where(
    reporter.c.replica == bindparam("of"), reporter.c.seq <= bindparam("up_to")
)


@cache
def _noting(dialect: str) -> Insert:
    return insert_into(reporter, dialect).on_conflict_do_nothing()


@cache
def _booking(dialect: str) -> Insert:
    # An attempt that two batches name, as after a replica lost count, is booked once too.
    return insert_into(ledger, dialect).on_conflict_do_nothing()


@cache
def saving(dialect: str) -> Insert:
    """Put a checkpoint in the place of the last one of its name."""
    statement = insert_into(checkpoint_table, dialect)
    return statement.on_conflict_do_update(
        index_elements=["name"],
        set_={
            "version": checkpoint_table.c.version + literal(1),
            "at": statement.excluded.at,
            "body": statement.excluded.body,
        },
    )


def _sums() -> Select[*tuple[Any, ...]]:
    row = ledger.c
    return select(
        row.target,
        row.platform,
        row.simulated,
        func.count().label("attempts"),
        func.count(row.cost_pico_usd).label("priced"),
        func.sum(row.cost_pico_usd // _HALF).label("high"),
        func.sum(row.cost_pico_usd % _HALF).label("low"),
        func.sum(row.input_tokens),
        func.sum(row.cached_tokens),
        func.sum(row.cache_write_tokens),
        func.sum(row.output_tokens),
        func.sum(row.reasoning_tokens),
        func.sum(row.long_cache_write_tokens),
    ).group_by(row.target, row.platform, row.simulated)
