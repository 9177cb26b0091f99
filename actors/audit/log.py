"""The audit log as a process uses it: a bounded queue, and one thread that commits what is in it.

`commit` returns when the record is on disk, or raises before anything is done. `note` returns at
once; what it takes waits at most `LINGER_S` for company, because a commit costs a disk's flush
whatever is in it.
"""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from actors.audit.chain import Chain
from actors.audit.errors import AuditUnavailable
from actors.audit.record import AuditRecord
from routing.clock import Clock

if TYPE_CHECKING:
    from actors.audit.recovery import Position

_log = logging.getLogger(__name__)

QUEUED_MAX = 10_000
"""Records that wait in memory while the disk cannot be written: some 10 MB."""
COMMIT_MAX = 512
"""Records of one commit: 250 KB, and 10 ms of hashing."""
LINGER_S = 0.2
"""What notes wait for company: five flushes a second at most, and that much may be lost in a crash."""
COMMIT_TIMEOUT_S = 2.0
"""A flush takes 1 to 30 ms; a disk that needs longer than this is in trouble."""
RETRY_S = 1.0
"""After a failure notes are tried this often. Whoever commits has it tried at once."""


class _Waiting:
    """A record on its way, and who waits for it."""

    __slots__ = ("loop", "record", "waiter")

    def __init__(
        self,
        record: AuditRecord,
        loop: asyncio.AbstractEventLoop | None = None,
        waiter: "asyncio.Future[None] | None" = None,
    ) -> None:
        self.record = record
        self.loop = loop
        self.waiter = waiter


class AuditLog:
    """One process's log; `open_chain` is called when it is first needed and after each failure."""

    def __init__(
        self, open_chain: Callable[[], Chain], clock: Clock, queued_max: int = QUEUED_MAX
    ) -> None:
        self._open_chain = open_chain
        self._clock = clock
        self._queued_max = queued_max
        self._waiting: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._is_urgent = False
        self._is_closing = False
        self._failed: str | None = None
        self._chain: Chain | None = None
        self._lost = 0
        self.position: Position | None = None
        # A daemon: a process that is told to stop does not hang on a log nobody closed.
        self._thread = threading.Thread(target=self._serve, name="audit", daemon=True)
        self._thread.start()

    def note(self, record: AuditRecord) -> None:
        """Put it on record soon. Where too much waits already it is counted, and the count recorded."""
        with self._changed:
            if len(self._waiting) >= self._queued_max or self._is_closing:
                self._lost += 1
                return
            self._waiting.append(_Waiting(record))
            if len(self._waiting) in {1, COMMIT_MAX}:
                self._changed.notify()

    async def commit(self, record: AuditRecord) -> None:
        """Return when the record is on disk.

        Raises:
            AuditUnavailable: it is not, and what it is about must not be done.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(record, loop, loop.create_future())
        assert waiting.waiter is not None  # noqa: S101  just made
        with self._changed:
            if self._is_closing:
                raise AuditUnavailable("the audit log is closed")
            if len(self._waiting) >= self._queued_max:
                raise AuditUnavailable("too much waits for the audit log already")
            self._waiting.append(waiting)
            self._is_urgent = True
            self._changed.notify()
        try:
            async with asyncio.timeout(COMMIT_TIMEOUT_S):
                await waiting.waiter
        except TimeoutError:
            raise AuditUnavailable(f"not on disk within {COMMIT_TIMEOUT_S:g} s") from None

    @property
    def is_failing(self) -> bool:
        """Whether nothing could be written the last time; it is tried again by itself."""
        return self._failed is not None

    async def aclose(self) -> None:
        """Write what waits, say that the chain ends here, and let it go."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)

    def _serve(self) -> None:
        while batch := self._take():
            is_last_try = self._is_closing
            self._write(batch)
            if self._failed is not None and is_last_try:
                break
        chain, self._chain = self._chain, None
        if chain is not None:
            with contextlib.suppress(OSError):
                said = AuditRecord(self._now_ms(), "", "audit.closed", "stated")
                self.position = chain.append([*self._said_lost(), said])
            chain.close()

    def _take(self) -> list[_Waiting]:
        """What is written next; nothing at the end."""
        with self._changed:
            while not self._waiting and not self._is_closing:
                self._changed.wait()
            patience = LINGER_S if self._failed is None else RETRY_S
            self._changed.wait_for(
                lambda: self._is_urgent or self._is_closing or self._is_crowded(), patience
            )
            count = min(len(self._waiting), COMMIT_MAX)
            batch = [self._waiting.popleft() for _ in range(count)]
            self._is_urgent = any(each.waiter is not None for each in self._waiting)
            return batch

    def _is_crowded(self) -> bool:
        return self._failed is None and len(self._waiting) >= COMMIT_MAX

    def _write(self, batch: list[_Waiting]) -> None:
        said = self._said_lost()
        records = [*(each.record for each in batch), *said]
        try:
            if self._chain is None:
                self._chain = self._open_chain()
            self.position = self._chain.append(records)
        except (OSError, AuditUnavailable) as error:
            self._fail(batch, sum(each.count for each in said), str(error))
            return
        if self._failed is not None:
            _log.warning("the audit log can be written again")
            self._failed = None
        _settle(batch, None)

    def _said_lost(self) -> list[AuditRecord]:
        """How many records found no room since this was last put on record."""
        with self._changed:
            lost, self._lost = self._lost, 0
        if not lost:
            return []
        at_ms = self._now_ms()
        return [AuditRecord(at_ms, "", "audit.lost", "stated", reason="queue_full", count=lost)]

    def _fail(self, batch: list[_Waiting], lost: int, why: str) -> None:
        """Tell everybody who waits, keep the notes in their order, and begin anew later."""
        if self._failed is None:
            _log.error("the audit log cannot be written: %s", why)
        self._failed = why
        chain, self._chain = self._chain, None
        if chain is not None:
            with contextlib.suppress(OSError):
                chain.close()
        with self._changed:
            every = [*batch, *self._waiting]
            self._waiting = deque(each for each in every if each.waiter is None)
            self._is_urgent = False
            self._lost += lost
            while len(self._waiting) > self._queued_max:
                self._waiting.pop()
                self._lost += 1
        _settle(every, why)

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)


def _settle(batch: list[_Waiting], why: str | None) -> None:
    """Wake who waits, each on its own event loop."""
    for loop in {each.loop for each in batch if each.loop is not None}:
        mine = [each for each in batch if each.loop is loop]
        with contextlib.suppress(RuntimeError):  # That loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(_settle_all, mine, why)


def _settle_all(batch: list[_Waiting], why: str | None) -> None:
    for each in batch:
        if each.waiter is None or each.waiter.done():
            continue
        if why is None:
            each.waiter.set_result(None)
        else:
            each.waiter.set_exception(AuditUnavailable(why))
