"""SQLite, the embedded store: a file, one writer at a time, readers beside it."""

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool
from typing_extensions import override

from actors.database.store import Store, Trouble

# How long one process waits for another's write lock before it gives up.
BUSY_TIMEOUT_MS = 5000


class SqliteStore(Store):
    """The file, for writing or for reading alone."""

    def __init__(self, path: Path, *, writes: bool) -> None:
        # A write takes the lock when it begins: a deferred transaction that turns from
        # reading to writing fails at once with SQLITE_BUSY_SNAPSHOT instead of waiting.
        self._begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        self._engine = _engine(path, query_only=not writes)

    @property
    @override
    def engine(self) -> Engine:
        return self._engine

    @override
    def begin(self, connection: Connection, *, alone: bool) -> None:
        connection.exec_driver_sql(self._begin)

    @override
    def trouble(self, error: Exception) -> Trouble:
        return Trouble.STORE if isinstance(error, OperationalError) else Trouble.WORK

    @override
    def committed(self, mark: str) -> bool | None:
        return None


def prepare(path: Path) -> None:
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


def _engine(path: Path, *, query_only: bool) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=NullPool,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        hide_parameters=True,  # what stands in an error stands in a log: statements, and nobody's words
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # Python's sqlite3 would begin transactions by its own rules; `begin` has ours.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            # What is deleted is overwritten: who was erased is not to be read in free pages.
            "secure_delete=ON",
            f"query_only={'ON' if query_only else 'OFF'}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine
