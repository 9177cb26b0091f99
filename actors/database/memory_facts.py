"""Facts about customers: what holds now, what held before, and who said so."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, delete, func, select, update

from actors.database.engine import Database
from actors.database.erasing import is_being_erased
from actors.database.memory_tables import memory_fact
from actors.database.sealed_places import FACT_QUOTE, FACT_VALUE
from actors.database.sealing import Keys
from actors.database.upsert import Insert, insert_into
from routing.errors import ConflictError, RequestError

FactSource: TypeAlias = Literal["customer", "staff", "record"]
"""Who says so: the customer in a turn of theirs, one of the company's people, or a record of ours."""

# What is remembered of one customer, former values included. A person has a few dozen attributes;
# thousands are a machine that talks to itself.
FACTS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class NewFact:
    """A fact to remember. `quote` are the words it was taken from, `source_ref` where they stand.

    `stated_by` is the principal who had it remembered; it holds from `valid_from` on.
    """

    id: str
    attribute: str
    value: str
    source: FactSource
    source_ref: str
    quote: str
    stated_by: str
    valid_from: float
    recorded_at: float


@dataclass(frozen=True, slots=True)
class FactRow(NewFact):
    """A fact as it is kept; `valid_to` None: it holds still."""

    valid_to: float | None


class Facts:
    """Keeps facts, each for one customer of one tenant and nobody else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def current(self, tenant: str, user_id: str, limit: int) -> list[FactRow]:
        """What holds of the customer now, the newest first."""
        return await self._rows(tenant, user_id, memory_fact.c.is_current.is_(True), limit)

    async def history(self, tenant: str, user_id: str, limit: int) -> list[FactRow]:
        """What holds and what held, the newest first."""
        return await self._rows(tenant, user_id, None, limit)

    async def remember(self, tenant: str, user_id: str, fact: NewFact) -> FactRow:
        """Keep the fact in place of the attribute's former value; the same value again changes nothing.

        Raises:
            ConflictError: `superseded`: what holds is newer; `changed`: somebody else replaced
                the same value just now; `being_erased`: the customer is.
            RequestError: `too_many_facts`.
        """
        c = memory_fact.c
        mine = (c.tenant == tenant) & (c.user_id == user_id)
        keys = await self._database.sealing.to_seal(tenant)

        def work(connection: Connection) -> FactRow:
            if is_being_erased(connection, tenant, user_id):
                message = "What is kept of this customer is being erased; nothing is added now."
                raise ConflictError("being_erased", message)
            held = connection.execute(
                select(memory_fact).where(mine, c.attribute == fact.attribute, c.is_current)
            ).one_or_none()
            if held is not None:
                known = _fact(keys, held)
                if known.value == fact.value:
                    return known
                if held.valid_from > fact.valid_from:
                    message = f"A later source says otherwise of {fact.attribute}."
                    raise ConflictError("superseded", message)
                connection.execute(
                    update(memory_fact)
                    .where(mine, c.id == held.id)
                    .values(valid_to=fact.valid_from, is_current=None)
                )
            count = connection.execute(select(func.count()).where(mine)).scalar_one()
            if count >= FACTS_MAX:
                message = f"{FACTS_MAX} facts are remembered of this customer already."
                raise RequestError("too_many_facts", message)
            row = {
                "tenant": tenant,
                "user_id": user_id,
                **asdict(fact),
                "value": keys.seal(FACT_VALUE, (user_id, fact.id), fact.value),
                "quote": keys.seal(FACT_QUOTE, (user_id, fact.id), fact.quote),
                "is_current": True,
            }
            # In PostgreSQL two may come this far at once; the index lets one in.
            if not connection.execute(_adding(connection.dialect.name), row).rowcount:
                raise ConflictError("changed", f"{fact.attribute} was changed at the same time.")
            return FactRow(**asdict(fact), valid_to=None)

        return await self._database.write(work)

    async def forget(self, tenant: str, user_id: str, attribute: str) -> int:
        """Remove what is and was remembered under the attribute; how many values."""
        c = memory_fact.c
        statement = delete(memory_fact).where(
            c.tenant == tenant, c.user_id == user_id, c.attribute == attribute
        )
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def _rows(
        self, tenant: str, user_id: str, only: ColumnElement[bool] | None, limit: int
    ) -> list[FactRow]:
        c = memory_fact.c
        statement = select(memory_fact).where(c.tenant == tenant, c.user_id == user_id)
        if only is not None:
            statement = statement.where(only)
        ordered = statement.order_by(c.valid_from.desc(), c.recorded_at.desc(), c.id).limit(limit)
        keys = await self._database.sealing.to_open(tenant)
        return await self._database.read(
            lambda connection: [_fact(keys, row) for row in connection.execute(ordered)]
        )


def _fact(keys: Keys, row: Row[*tuple[Any, ...]]) -> FactRow:
    values = {name: getattr(row, name) for name in _FIELDS}
    values["value"] = keys.open(FACT_VALUE, (row.user_id, row.id), row.value)
    values["quote"] = keys.open(FACT_QUOTE, (row.user_id, row.id), row.quote)
    return FactRow(**values)


_FIELDS: Sequence[str] = tuple(FactRow.__dataclass_fields__)


@cache
def _adding(dialect: str) -> Insert:
    return insert_into(memory_fact, dialect).on_conflict_do_nothing()
