"""PostgreSQL, a region's store: many processes on many machines write to it at once.

What was written for a single writer holds here too, because transactions are serialisable: of two
that could not have run one after the other, one is undone by the server. It is then run again while
no other writer is beside it, so a second try succeeds; everybody takes the lock it needs in the
weak form, which stands in nobody's way. Reads see one snapshot and are never undone.
"""

import ssl
from collections.abc import Callable
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool
from typing_extensions import override

from actors.database.address import Server
from actors.database.store import Store, Trouble

# The longest piece of work, pruning a day of a large ledger, takes seconds; what takes longer is a
# plan gone wrong, and holds up everybody behind it.
STATEMENT_TIMEOUT_S = 30
# As long as SQLite waits for its one lock.
LOCK_TIMEOUT_S = 5
# Between two statements of ours lie microseconds: a process that stopped there is gone, and holds locks.
IDLE_TIMEOUT_S = 30
# Longer than the server's own bound, so that a server which lives says itself what was wrong.
SOCKET_TIMEOUT_S = STATEMENT_TIMEOUT_S + 5.0

_APPLICATION = "supportmax"

# One message: begin, take the place among writers, and the number under which the server knows it.
# `LOCK TABLE` takes no snapshot, so the transaction sees all that was committed before it got the lock.
_BEGIN_WRITE = (
    "BEGIN ISOLATION LEVEL SERIALIZABLE; LOCK TABLE schema_version IN {mode} MODE; "
    "SELECT pg_current_xact_id()::text"
)
_BESIDE_OTHERS = _BEGIN_WRITE.format(mode="ROW SHARE")
_ALONE = _BEGIN_WRITE.format(mode="EXCLUSIVE")
_BEGIN_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_CONFLICTS = frozenset({"40001", "40P01"})  # could not be serialised; deadlock
# A unique or a foreign key. Of two transactions at once the server may say this of one before it
# finds out that no order of them is possible.
_TAKEN = frozenset({"23505", "23503"})
# shut down, crashed, starting up; a session that was ended for idling
_LOST = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03"})
# cancelled at the timeout; no lock in time; a write on a reader's connection, or on a standby
_STORE = frozenset({"57014", "55P03", "25006"})
_LOST_CLASS = "08"
# who may come in; out of disk, memory or connections
_STORE_CLASSES = frozenset({"28", "53"})

# "SMX1": of all advisory locks of a server, ours.
_MIGRATING = 0x534D5831


class PostgresStore(Store):
    """A server, for writing or for reading alone."""

    def __init__(self, server: Server, *, writes: bool) -> None:
        self._writes = writes
        self._engine = engine_of(server, SOCKET_TIMEOUT_S)

    @property
    @override
    def engine(self) -> Engine:
        return self._engine

    @override
    def begin(self, connection: Connection, *, alone: bool) -> str | None:
        if not self._writes:
            connection.exec_driver_sql(_BEGIN_READ)
            return None
        mark: str = connection.exec_driver_sql(_ALONE if alone else _BESIDE_OTHERS).scalar_one()
        return mark

    @override
    def trouble(self, error: Exception) -> Trouble:
        if not isinstance(error, DBAPIError):
            # Of a work that touches nothing but the connection: a certificate that is not the host's.
            return Trouble.LOST if isinstance(error, OSError) else Trouble.WORK
        code = _code(error)
        # The driver says this of a wire that broke, and of a password or a role that was refused.
        is_lost = isinstance(error, InterfaceError) or code in _LOST
        for codes, trouble in ((_CONFLICTS, Trouble.CONFLICT), (_TAKEN, Trouble.TAKEN)):
            if code in codes:
                return trouble
        if is_lost or code.startswith(_LOST_CLASS):
            return Trouble.LOST
        is_store = code in _STORE or code[:2] in _STORE_CLASSES
        return Trouble.STORE if is_store else Trouble.WORK

    @override
    def committed(self, mark: str) -> bool | None:
        try:
            with self._engine.connect() as connection:
                asked = text("SELECT pg_xact_status(CAST(:mark AS xid8))")
                state = connection.execute(asked, {"mark": mark}).scalar()
        except DBAPIError:
            return None
        return {"committed": True, "aborted": False}.get(str(state))


def engine_of(server: Server, timeout_s: float | None) -> Engine:
    """Connections to the server; `timeout_s` None: one statement may take as long as it takes."""
    parameters = {"idle_in_transaction_session_timeout": f"{IDLE_TIMEOUT_S}s"}
    if timeout_s is not None:
        parameters |= {
            "statement_timeout": f"{STATEMENT_TIMEOUT_S}s",
            "lock_timeout": f"{LOCK_TIMEOUT_S}s",
        }
    arguments: dict[str, Any] = {
        "user": server.user,
        "database": server.name,
        "application_name": _APPLICATION,
        "timeout": timeout_s,
        "startup_params": parameters,
    }
    if server.socket is None:
        context = (
            ssl.create_default_context(cafile=server.ca_file) if server.tls != "off" else False
        )
        arguments |= {"host": server.host, "port": server.port, "ssl_context": context}
    else:
        socket = f"{server.socket}/.s.PGSQL.{server.port}"
        arguments |= {"unix_sock": socket, "ssl_context": False}
    engine = create_engine(
        "postgresql+pg8000://",
        poolclass=NullPool,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        hide_parameters=True,  # what stands in an error stands in a log: statements, and nobody's words
    )

    @event.listens_for(engine, "do_connect")
    def _arguments(_dialect: object, _record: object, _args: object, given: dict[str, Any]) -> None:
        # Now and not once: a password may be changed while we run.
        given.clear()
        given |= arguments | {"password": None if server.password is None else server.password()}

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.autocommit = True  # The driver would begin transactions by its own rules.
        connection.py_types[str] = _without_nul

    return engine


def migrate_alone(server: Server, work: Callable[[Connection], int]) -> int:
    """Run `work` in a transaction while no other process does; it may take any time."""
    engine = engine_of(server, None)
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql(f"BEGIN; SELECT pg_advisory_xact_lock({_MIGRATING})")
        return work(connection)


def _without_nul(value: str) -> str:
    """PostgreSQL's texts cannot hold U+0000; U+FFFD says that something was there."""
    return value.replace("\0", "\ufffd") if "\0" in value else value


def _code(error: DBAPIError) -> str:
    """The five letters by which the server names an error."""
    said = error.orig.args[0] if error.orig is not None and error.orig.args else None
    return str(said.get("C", "")) if isinstance(said, dict) else ""
