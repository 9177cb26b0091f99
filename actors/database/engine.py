"""Open the store: a SQLite file or a PostgreSQL server, one lane that writes and a few that read.

What is written against it is a function of a SQLAlchemy `Connection`; nothing above `Database`
knows which of the two it is.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from actors.database import sqlite
from actors.database.address import Address, Server, parse_address
from actors.database.errors import DatabaseUnavailable
from actors.database.lane import Lane, said
from actors.database.migrate import apply_pending
from actors.database.postgresql import PostgresStore, migrate_alone
from actors.database.sealing import Sealing, Unsealed
from actors.database.sqlite import SqliteStore
from actors.database.store import Store

T = TypeVar("T")

# 64 pieces at 0.17 ms hold SQLite's write lock some 10 ms, which another process can wait for.
JOBS_PER_TRANSACTION = 64

# Readers never wait for the writer; two let a short read pass a long one. More only
# fight over the GIL: histories of 20 turns at 64 callers ran at 1,600/s with one read to a
# transaction, at 2,000/s with 16. With the writer's, a process has three connections to a server.
READING_THREADS = 2
READS_PER_TRANSACTION = 16


class Database:
    """The open store of one process. Make one with `open_database`, close it with `aclose`.

    `sealing` has the keys that repositories keep texts under; it is set by who opens the store for
    the product (deployments/key_management/opening.py), because the keys are kept in it too.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.sealing: Sealing = Unsealed()
        writes, reads = _store(address, writes=True), _store(address, writes=False)
        self._writing = Lane(writes, "write", 1, JOBS_PER_TRANSACTION)
        self._reading = Lane(reads, "read", READING_THREADS, READS_PER_TRANSACTION)

    @property
    def path(self) -> Path:
        """The file of an embedded store."""
        if isinstance(self.address, Server):
            raise TypeError(f"{self.address} is no file")
        return self.address

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a write transaction and return its result after the commit.

        It is as if no two of them ever ran at once, in however many processes. Concurrent calls
        share a transaction, so `work` may be run a second time if a neighbour's failed: it must
        touch nothing but the connection. A commit survives the death of the process; in a file
        the last ones may not survive a power cut (synchronous=NORMAL), which never leaves a
        damaged or half-written file.

        Raises:
            DatabaseBusy: Too many wait already.
            DatabaseUnavailable: Nothing was written, or, where the error says so, nobody knows: a
                server was lost in the moment of the commit and has not come back.
        """
        return await self._writing.run(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a snapshot that holds every write acknowledged before the call.

        Raises:
            DatabaseBusy: Too many wait already.
            DatabaseUnavailable: The store could not be read.
        """
        return await self._reading.run(work)

    async def migrate(self) -> int:
        """Bring the schema to this code's version and return it; safe from many processes at once.

        Raises:
            ConfigError: The store was written by a newer SupportMax.
            DatabaseUnavailable: The server cannot be reached.
        """
        address = self.address

        def work(connection: Connection) -> int:
            return apply_pending(connection, str(address))

        if isinstance(address, Path):
            return await self.write(work)
        try:
            return await asyncio.to_thread(migrate_alone, address, work)
        except DBAPIError as error:
            raise DatabaseUnavailable(f"{address}: {said(error)}") from error

    async def aclose(self) -> None:
        """Finish what waits and let the store go."""
        await self._writing.aclose()
        await self._reading.aclose()


def open_database(where: str | Address) -> Database:
    """The store at a path, a `sqlite:///` or `postgresql://` URL, or on a server.

    A file is made if missing, readable by its owner alone. A server is not asked before the first work.

    Raises:
        ConfigError: The URL names neither.
    """
    address = parse_address(where) if isinstance(where, str) else where
    if isinstance(address, Path):
        sqlite.prepare(address)
    return Database(address)


def _store(address: Address, *, writes: bool) -> Store:
    if isinstance(address, Path):
        return SqliteStore(address, writes=writes)
    return PostgresStore(address, writes=writes)
