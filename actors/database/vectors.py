"""Vectors of passages on a PostgreSQL with pgvector: an index, derived from the rows like every other.

Exact: every vector that the asker may see is compared, and none that he may not. The table is no
part of the migrations, because another kind of database has no word for it, and it can be dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import orjson
from sqlalchemy import BigInteger, Connection, TextClause, bindparam, text
from sqlalchemy.exc import DBAPIError

from actors.database.engine import Database
from routing.errors import ConfigError

# 1,000 vectors of 384 numbers are 4 MB of text: one message, and a statement of half a second.
_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A passage's vector under its index's key; `level` of the audience, 0 for everybody."""

    key: int
    level: int
    hash: str
    embedding: Sequence[float]


class Vectors:
    """Keeps one vector for each passage of a tenant and a model, and finds the nearest."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self) -> None:
        """Make the table if it is missing.

        Raises:
            ConfigError: the server has no pgvector, or this user may not switch it on.
        """

        def work(connection: Connection) -> None:
            there = connection.execute(text("SELECT to_regclass('kb_vector')")).scalar()
            if there is None:
                for statement in _TABLE:
                    connection.exec_driver_sql(statement)

        try:
            await self._database.write(work)
        except DBAPIError as error:
            message = (
                "pgvector is not to be had on this server; have its administrator run CREATE EXTENSION "
                "vector in this database, or write `index: memory`"
            )
            raise ConfigError(
                "(knowledge)", None, "mcp.servers.knowledge.index", message
            ) from error

    async def known(self, tenant: str, model: str) -> dict[int, tuple[int, str]]:
        """Level and hash of every passage that has a vector, by its key."""
        asked = {"of": tenant, "model": model}
        rows = await self._database.read(lambda c: c.execute(_KNOWN, asked).all())
        return {row.key: (row.level, row.hash) for row in rows}

    async def put(self, tenant: str, model: str, rows: Sequence[VectorRow]) -> None:
        """Keep these, in the place of what was there under their keys."""
        for start in range(0, len(rows), _AT_ONCE):
            plain = [
                {
                    "key": row.key,
                    "level": row.level,
                    "hash": row.hash,
                    "embedding": orjson.dumps([round(float(x), 7) for x in row.embedding]).decode(),
                }
                for row in rows[start : start + _AT_ONCE]
            ]
            values = {"of": tenant, "model": model, "rows": orjson.dumps(plain).decode()}
            await self._database.write(partial(_run, _PUTTING, values))

    async def drop(self, tenant: str, model: str, keys: Sequence[int]) -> None:
        """Forget passages that are gone, and every other model's vectors."""

        def work(connection: Connection) -> None:
            connection.execute(_OTHERS, {"of": tenant, "model": model})
            for start in range(0, len(keys), _AT_ONCE):
                some = {"of": tenant, "model": model, "keys": keys[start : start + _AT_ONCE]}
                connection.execute(_DROPPING, some)

        await self._database.write(work)

    async def nearest(
        self, tenant: str, model: str, level: int, vector: Sequence[float], limit: int
    ) -> Mapping[int, float]:
        """The `limit` nearest that `level` may see: the cosine by key, greatest first."""
        asked = {"of": tenant, "model": model, "level": level, "limit": limit}
        return await self._cosines(_NEAREST, asked, vector)

    async def cosines(
        self, tenant: str, model: str, level: int, vector: Sequence[float], keys: Sequence[int]
    ) -> Mapping[int, float]:
        """The same of certain passages, as far as `level` may see them."""
        asked = {"of": tenant, "model": model, "level": level, "keys": list(keys)}
        return await self._cosines(_CERTAIN, asked, vector)

    async def _cosines(
        self, statement: TextClause, asked: dict[str, object], vector: Sequence[float]
    ) -> Mapping[int, float]:
        values = {**asked, "asked": orjson.dumps([float(x) for x in vector]).decode()}
        rows = await self._database.read(lambda c: c.execute(statement, values).all())
        return {row.key: float(row.cosine) for row in rows}


def _run(statement: TextClause, values: Mapping[str, object], connection: Connection) -> None:
    connection.execute(statement, values)


_TABLE = (
    "CREATE EXTENSION IF NOT EXISTS vector",
    # Without a number of dimensions: a model has its own, and no row is compared with another's.
    "CREATE TABLE kb_vector (tenant TEXT NOT NULL, model TEXT NOT NULL, key BIGINT NOT NULL, "
    "level INTEGER NOT NULL, hash TEXT NOT NULL, embedding vector NOT NULL, "
    "PRIMARY KEY (tenant, model, key))",
)
_KNOWN = text("SELECT key, level, hash FROM kb_vector WHERE tenant = :of AND model = :model")
_PUTTING = text(
    "INSERT INTO kb_vector SELECT :of, :model, r.key, r.level, r.hash, CAST(r.embedding AS vector) "
    "FROM json_to_recordset(CAST(:rows AS json)) AS r(key bigint, level int, hash text, embedding text) "
    "ON CONFLICT (tenant, model, key) DO UPDATE SET level = excluded.level, hash = excluded.hash, "
    "embedding = excluded.embedding"
)
_OTHERS = text("DELETE FROM kb_vector WHERE tenant = :of AND model <> :model")
_DROPPING = text(
    "DELETE FROM kb_vector WHERE tenant = :of AND model = :model AND key IN :keys"
).bindparams(bindparam("keys", expanding=True, type_=BigInteger))
# Vectors have length 1, so the inner product is the cosine; pgvector's operator is its negative. What
# may not be seen is filtered before anything is ordered.
_SEEN = (
    "SELECT key, -(embedding <#> CAST(:asked AS vector)) AS cosine FROM kb_vector "
    "WHERE tenant = :of AND model = :model AND level <= :level"
)
_NEAREST = text(f"{_SEEN} ORDER BY embedding <#> CAST(:asked AS vector), key LIMIT :limit")
_CERTAIN = text(f"{_SEEN} AND key IN :keys").bindparams(
    bindparam("keys", expanding=True, type_=BigInteger)
)
