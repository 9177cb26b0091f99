"""A lane: threads of their own that run pieces of database work, several to a transaction.

Databases block, so their work never runs on the event loop. One hop to a thread that keeps
its connection is what makes it quick: an append of two turns to SQLite took 0.34 ms this way and
1.34 ms through aiosqlite, which hops once per statement; at 64 callers 5,800/s against
650/s (two cores, SQLAlchemy 2.1.8, November 2026).
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.database.store import Store, Trouble

T = TypeVar("T")

# 1,024 waiting pieces at the 0.17 ms measured for one are 0.2 s of work: whoever would
# stand further back is better told so than kept.
MAX_WAITING = 1024

# The first beside other writers; the second alone, which a writer cannot come in the way of; and one
# more for a connection that was lost while nobody used it.
ATTEMPTS = 3


class _Job(Generic[T]):
    """One piece of work, who waits for it, and what came of it."""

    __slots__ = ("error", "loop", "result", "waiter", "work")

    def __init__(self, work: Callable[[Connection], T]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.waiter: asyncio.Future[T] = self.loop.create_future()
        self.result: T | None = None
        self.error: Exception | None = None

    def attempt(self, connection: Connection) -> None:
        """Do the work; a second attempt forgets the first one's result."""
        self.result, self.error = None, None
        self.result = self.work(connection)

    def settle(self) -> None:
        """Tell the waiter, on its own event loop."""
        if self.waiter.done():
            return  # It stopped waiting; what was written stays written.
        if self.error is not None:
            self.waiter.set_exception(self.error)
        else:
            self.waiter.set_result(self.result)  # type: ignore[arg-type]  # T is whatever work returned


class Lane:
    """Runs work in order of arrival; what waits while one transaction runs shares the next.

    Nobody is made to wait for company: an idle lane begins at once, and a busy one
    gathers exactly as long as the transaction before takes.
    """

    def __init__(self, store: Store, name: str, threads: int, jobs_per_transaction: int) -> None:
        self._store = store
        self._jobs_per_transaction = jobs_per_transaction
        self._waiting: deque[_Job[Any]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        # Daemons: a process that is told to stop does not hang on a lane nobody closed.
        self._threads = [
            threading.Thread(target=self._serve, name=f"database-{name}-{n}", daemon=True)
            for n in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, once its transaction is committed.

        A caller that stops waiting does not stop the work.

        Raises:
            DatabaseBusy: Too much waits already; the work was not begun.
            DatabaseUnavailable: The transaction could not be begun or committed.
        """
        job = _Job(work)
        with self._changed:
            if self._closing:
                raise DatabaseUnavailable("the database was closed")
            if len(self._waiting) >= MAX_WAITING:
                raise DatabaseBusy(f"{MAX_WAITING} pieces of work wait for the database already")
            self._waiting.append(job)
            self._changed.notify()
        return await job.waiter

    async def aclose(self) -> None:
        """Finish what waits, take nothing new, end the threads."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _serve(self) -> None:
        kept = _Kept(self._store)
        while jobs := self._take():
            self._transact(kept, jobs)
            _settle(jobs)
        kept.drop()

    def _take(self) -> list[_Job[Any]]:
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            count = min(len(self._waiting), self._jobs_per_transaction)
            return [self._waiting.popleft() for _ in range(count)]

    def _transact(self, kept: "_Kept", jobs: list[_Job[Any]]) -> None:
        alone = False
        for attempt in range(1, ATTEMPTS + 1):
            failure = self._attempt(kept, jobs, alone=alone)
            if failure is None:
                return
            error, trouble, mark = failure
            if mark is not None:
                match self._store.committed(mark):
                    case True:
                        return
                    case None:
                        _fail(jobs, error, "whether it was written is not known")
                        return
                    case False:
                        pass
            if trouble is Trouble.WORK or (trouble is Trouble.TAKEN and alone):
                self._find_fault(kept, jobs, error)
                return
            # A fault of the database, not one job's: trying each alone would wait for the
            # same lock once per job.
            if trouble is Trouble.STORE or attempt == ATTEMPTS:
                _fail(jobs, error)
                return
            alone = alone or trouble in {Trouble.CONFLICT, Trouble.TAKEN}

    def _attempt(
        self, kept: "_Kept", jobs: list[_Job[Any]], *, alone: bool
    ) -> tuple[Exception, Trouble, str | None] | None:
        """Do the jobs in one transaction; what went wrong, and its mark if it may be committed all the same."""
        mark: str | None = None
        is_committing = False
        try:
            connection = kept.connection()
            with connection.begin():
                mark = self._store.begin(connection, alone=alone)
                for job in jobs:
                    job.attempt(connection)
                is_committing = True
        except Exception as error:  # noqa: BLE001  handed to the caller whose work raised it
            trouble = self._store.trouble(error)
            is_lost = trouble is Trouble.LOST
            kept.reset(lost=is_lost)
            return error, trouble, mark if is_lost and is_committing else None
        return None

    def _find_fault(self, kept: "_Kept", jobs: list[_Job[Any]], error: Exception) -> None:
        """One of them is at fault; alone, only that one fails."""
        if len(jobs) == 1:
            jobs[0].error = error
            return
        for job in jobs:
            self._transact(kept, [job])


class _Kept:
    """A thread's connection, kept because opening one costs more than an append."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        """The connection, opened where there is none."""
        if self._connection is None:
            self._connection = self._store.engine.connect()
        return self._connection

    def reset(self, *, lost: bool) -> None:
        """Be outside of any transaction again.

        A commit that fails leaves SQLite inside the transaction and SQLAlchemy outside of it.
        """
        if self._connection is None:
            return
        try:
            if not lost:
                self._connection.connection.rollback()
                return
        except Exception:  # noqa: BLE001, S110  whatever it was, a new connection is free of it
            pass
        self.drop()

    def drop(self) -> None:
        """Let the connection go, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.invalidate()
            with suppress(Exception):
                connection.close()


def said(error: Exception) -> str:
    """The database's own words."""
    original = getattr(error, "orig", None) or error
    told = original.args[0] if original.args else None
    # PostgreSQL's errors come in parts: M is the message.
    return str(told.get("M", told)) if isinstance(told, dict) else str(original)


def _fail(jobs: list[_Job[Any]], error: Exception, more: str = "") -> None:
    for job in jobs:
        unavailable = DatabaseUnavailable(f"{said(error)}; {more}" if more else said(error))
        unavailable.__cause__ = error
        job.error = unavailable


def _settle(jobs: list[_Job[Any]]) -> None:
    """Wake the waiters, one crossing to each event loop however many wait there."""
    for loop in {job.loop for job in jobs}:
        with suppress(RuntimeError):  # That loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(_settle_all, [job for job in jobs if job.loop is loop])


def _settle_all(jobs: list[_Job[Any]]) -> None:
    for job in jobs:
        job.settle()
