"""Wrapped data keys, tenant by tenant; who can unwrap them is not known here."""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, update

from actors.database.data_key_tables import data_key
from actors.database.engine import Database
from actors.database.upsert import Insert, insert_into
from actors.sealing.store import StoredKey

_C = data_key.c


class DataKeys:
    """A KeyStore in the database, and what administration does with keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keys(self, tenant: str) -> list[StoredKey]:
        """All of the tenant's, destroyed ones too, by purpose and number."""
        statement = select(data_key).where(_C.tenant == tenant).order_by(_C.purpose, _C.number)
        return await self._database.read(
            lambda connection: [_stored(row) for row in connection.execute(statement)]
        )

    async def add(self, key: StoredKey, retires_at: float) -> bool:
        """Keep a key, those before it to be retired at that time; False if its number is taken."""
        row = {
            "tenant": key.tenant,
            "purpose": key.purpose,
            "number": key.number,
            "wrapped": key.wrapped,
            "provider": key.provider,
            "messages": 0,
            "created_at": key.created_at,
        }
        retiring = (
            update(data_key)
            .where(_C.tenant == key.tenant, _C.purpose == key.purpose, _C.number < key.number)
            .where(_C.retired_at.is_(None))
            .values(retired_at=retires_at)
        )

        def work(connection: Connection) -> bool:
            if not connection.execute(_adding(connection.dialect.name), row).rowcount:
                return False
            connection.execute(retiring)
            return True

        return await self._database.write(work)

    async def reserve(self, key: StoredKey, messages: int, at_most: int) -> int | None:
        """Count so many messages to a key; how many that are in all, None if over `at_most`."""
        counting = (
            update(data_key)
            .where(_is(key), _C.destroyed_at.is_(None), _C.messages + messages <= at_most)
            .values(messages=_C.messages + messages)
            .returning(_C.messages)
        )
        return await self._database.write(
            lambda connection: connection.execute(counting).scalar_one_or_none()
        )

    async def rewrap(self, key: StoredKey, wrapped: str, provider: str) -> bool:
        """Keep the same key as another provider wrapped it; False if it was changed meanwhile."""
        statement = (
            update(data_key)
            .where(_is(key), _C.wrapped == key.wrapped, _C.destroyed_at.is_(None))
            .values(wrapped=wrapped, provider=provider)
        )
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount > 0
        )

    async def destroy(self, tenant: str, now: float) -> int:
        """Remove every key of the tenant and keep that there was one; how many were destroyed now."""
        statement = (
            update(data_key)
            .where(_C.tenant == tenant, _C.destroyed_at.is_(None))
            .values(wrapped="", destroyed_at=now, retired_at=now)
        )
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)

    async def tenants(self, after: str, limit: int) -> list[str]:
        """Tenants that have keys, in their order, from behind one on."""
        statement = (
            select(_C.tenant).distinct().where(_C.tenant > after).order_by(_C.tenant).limit(limit)
        )
        return await self._database.read(
            lambda connection: list(connection.execute(statement).scalars())
        )


def _is(key: StoredKey) -> ColumnElement[bool]:
    return (_C.tenant == key.tenant) & (_C.purpose == key.purpose) & (_C.number == key.number)


def _stored(row: Row[*tuple[Any, ...]]) -> StoredKey:
    return StoredKey(
        row.tenant,
        row.purpose,
        row.number,
        row.wrapped,
        row.provider,
        row.created_at,
        row.retired_at,
        row.destroyed_at,
    )


@cache
def _adding(dialect: str) -> Insert:
    return insert_into(data_key, dialect).on_conflict_do_nothing()
