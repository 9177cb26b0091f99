"""One key, one answer: a request repeated under the same key is not carried out twice."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Row, delete, select, update

from actors.database.engine import Database
from actors.database.sealed_places import KEPT_ANSWER
from actors.database.sealing import Keys
from actors.database.tables import idempotency
from actors.database.upsert import Insert, insert_into
from routing.message import Json, JsonObject

# The contract's: a key may be used again a day later.
KEPT_S = 24 * 3600.0

# Five times the longest deadline a chat request may ask for (120 s): whoever held the
# key longer has died.
LEASE_S = 600.0


@dataclass(frozen=True, slots=True)
class Fresh:
    """Nobody finished this yet: do it, then `finish` or `abandon` with this `lease`.

    `since` is when the key was first used, the same for every try of this request.
    """

    lease: str
    since: float


@dataclass(frozen=True, slots=True)
class Running:
    """Somebody is at it, since `since`."""

    since: float


@dataclass(frozen=True, slots=True)
class Done:
    """It was done, and this was the answer."""

    status: int
    answer: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The key was used for a different body."""


Begun: TypeAlias = Fresh | Running | Done | Mismatch


class Idempotency:
    """Remembers for a day which keys were used and what was answered."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(
        self, tenant: str, key: str, body_hash: str, now: float, user_id: str | None = None
    ) -> Begun:
        """Take the key for a request, or learn what became of it.

        Of callers that ask at once, in however many processes, exactly one gets `Fresh`. The answer
        will be about `user_id` and goes when they are erased.
        """
        lease = secrets.token_hex(8)
        taken = {
            "tenant": tenant,
            "key": key,
            "body_hash": body_hash,
            "state": "running",
            "lease": lease,
            "created_at": now,
            "leased_at": now,
            "user_id": user_id,
        }
        keys = await self._database.sealing.to_open(tenant)

        def work(connection: Connection) -> Begun:
            inserting = _taking(connection.dialect.name)
            if connection.execute(inserting, taken).rowcount:
                return Fresh(lease, now)
            row = connection.execute(select(idempotency).where(_is(tenant, key))).one()
            if row.created_at <= now - KEPT_S:
                connection.execute(delete(idempotency).where(_is(tenant, key)))
                connection.execute(inserting, taken)
                return Fresh(lease, now)
            found = _found(keys, row, body_hash)
            if isinstance(found, Running) and found.since <= now - LEASE_S:
                renewed = {"lease": lease, "leased_at": now, "user_id": user_id}
                connection.execute(update(idempotency).where(_is(tenant, key)).values(renewed))
                return Fresh(lease, row.created_at)
            return found

        return await self._database.write(work)

    async def finish(
        self, tenant: str, key: str, lease: str, status: int, answer: JsonObject
    ) -> bool:
        """Keep the answer for whoever repeats the request; False if another took the key over."""
        keys = await self._database.sealing.to_seal(tenant)
        sealed = keys.seal_json(KEPT_ANSWER, (key,), answer)
        statement = (
            update(idempotency)
            .where(_is(tenant, key), idempotency.c.lease == lease)
            .where(idempotency.c.state == "running")
            .values(state="done", status=status, answer=sealed)
        )
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount > 0
        )

    async def abandon(self, tenant: str, key: str, lease: str) -> None:
        """Give the key back to whoever repeats the request.

        It stays the key of this request: what a try did before it broke off is known by it.
        """
        statement = (
            update(idempotency)
            .where(_is(tenant, key), idempotency.c.lease == lease)
            .where(idempotency.c.state == "running")
            .values(leased_at=-LEASE_S)
        )
        await self._database.write(lambda connection: connection.execute(statement).close())

    async def prune(self, now: float) -> int:
        """Drop what is older than a day, of all tenants; how many went."""
        statement = delete(idempotency).where(idempotency.c.created_at <= now - KEPT_S)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)


@cache
def _taking(dialect: str) -> Insert:
    return insert_into(idempotency, dialect).on_conflict_do_nothing()


def _is(tenant: str, key: str) -> ColumnElement[bool]:
    return (idempotency.c.tenant == tenant) & (idempotency.c.key == key)


def _found(keys: Keys, row: Row[*tuple[Any, ...]], body_hash: str) -> Done | Running | Mismatch:
    if row.body_hash != body_hash:
        return Mismatch()
    if row.state == "done":
        return Done(row.status, keys.open_json(KEPT_ANSWER, (row.key,), row.answer))
    return Running(row.leased_at)
