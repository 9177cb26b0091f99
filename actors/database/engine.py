"""Open the store: one SQLite file, one lane that writes and a few that read.

What is written against it is a function of a SQLAlchemy `Connection`. PostgreSQL will
run the same functions through `AsyncConnection.run_sync` behind the same two methods;
nothing above `Database` knows which of the two it is.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from actors.database.lane import Lane
from actors.database.migrate import apply_pending
from routing.errors import ConfigError

T = TypeVar("T")

# 64 pieces at 0.17 ms hold the write lock some 10 ms, which another process can wait for.
JOBS_PER_TRANSACTION = 64

# Readers never wait for the writer in WAL; two let a short read pass a long one. More only
# fight over the GIL: histories of 20 turns at 64 callers ran at 1,600/s with one read to a
# transaction, at 2,000/s with 16.
READING_THREADS = 2
READS_PER_TRANSACTION = 16

# How long one process waits for another's write lock before it gives up.
BUSY_TIMEOUT_MS = 5000


class Database:
    """The open store of one process. Make one with `open_database`, close it with `aclose`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # A write takes the lock when it begins: a deferred transaction that turns from
        # reading to writing fails at once with SQLITE_BUSY_SNAPSHOT instead of waiting.
        self._writing = Lane(
            _engine(path, "BEGIN IMMEDIATE", query_only=False), "write", 1, JOBS_PER_TRANSACTION
        )
        self._reading = Lane(
            _engine(path, "BEGIN", query_only=True), "read", READING_THREADS, READS_PER_TRANSACTION
        )

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a write transaction and return its result after the commit.

        Concurrent calls share a transaction, so `work` may be run a second time if a
        neighbour's failed: it must touch nothing but the connection. A commit survives
        the death of the process; the last ones may not survive a power cut
        (synchronous=NORMAL), which never leaves a damaged or half-written file.

        Raises:
            DatabaseBusy: Too many wait already.
            DatabaseUnavailable: Nothing was written.
        """
        return await self._writing.run(work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a snapshot that holds every write acknowledged before the call.

        Raises:
            DatabaseBusy: Too many wait already.
            DatabaseUnavailable: The file could not be read.
        """
        return await self._reading.run(work)

    async def migrate(self) -> int:
        """Bring the schema to this code's version and return it; safe from many processes at once.

        Raises:
            ConfigError: The file was written by a newer SupportMax.
        """
        return await self.write(lambda connection: apply_pending(connection, str(self.path)))

    async def aclose(self) -> None:
        """Finish what waits and let the file go."""
        await self._writing.aclose()
        await self._reading.aclose()


def open_database(url_or_path: str | Path) -> Database:
    """The store at a path or a `sqlite:///` URL, made if missing, readable by its owner alone.

    Raises:
        ConfigError: Not a file of SQLite, or one in memory, which no second connection sees.
    """
    path = _path_of(url_or_path)
    _prepare(path)
    return Database(path)


def _path_of(url_or_path: str | Path) -> Path:
    if isinstance(url_or_path, Path) or "://" not in url_or_path:
        return Path(url_or_path)
    try:
        url = make_url(url_or_path)
    except ArgumentError as error:
        raise ConfigError("(database)", None, "database.url", "is not a URL") from error
    shown = url.render_as_string(hide_password=True)
    if url.get_backend_name() != "sqlite":
        raise ConfigError(
            "(database)", None, "database.url", f"only sqlite:/// is understood, not {shown}"
        )
    if url.database in {None, "", ":memory:"}:
        raise ConfigError("(database)", None, "database.url", f"{shown} names no file")
    return Path(str(url.database))


def _prepare(path: Path) -> None:
    """Create the file with mode 0600 and put it in WAL, one process at a time.

    Without the lock 5 of 240 processes that switched while others wrote failed at once
    with "database is locked", whatever their busy_timeout; with it none did (SQLite
    3.40). It is a file beside the database: closing a descriptor of the database itself
    would drop SQLite's own locks.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR, 0o600), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        path.chmod(0o600)  # SQLite gives its -wal and -shm files the same mode.
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")


def _engine(path: Path, begin: str, *, query_only: bool) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # Python's sqlite3 would begin transactions by its own rules; ours begin below.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"query_only={'ON' if query_only else 'OFF'}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
