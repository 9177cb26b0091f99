"""From the chains to the rows that are searched: read on from where each chain was read to.

The files are the truth and the queue: while the database is away nothing is held in memory, and
nothing is lost. What lies behind the last seal is not read; it may yet be undone.
"""

import asyncio
import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from actors.audit.folder import chains_in, file_name
from actors.audit.log import AuditLog
from actors.audit.record import LINE_MAX, AuditRecord, record_in, take_apart
from actors.database.audit_events import AuditEvent, AuditEvents, AuditPosition
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from routing.clock import Clock

if TYPE_CHECKING:
    from actors.audit.recovery import Position
    from routing.message import JsonObject

_log = logging.getLogger(__name__)

INDEX_S = 1.0
"""How long after its commit a record is found, at most, while the database answers."""
ENTRIES_MAX = 500
"""Entries of one transaction: 30 ms of SQLite's write lock."""
SEARCHABLE_S = 400 * 86_400.0
"""More than a year, so that a yearly review sees its whole year. The files keep everything."""
PRUNE_S = 3600.0


async def index_chain(folder: Path, events: AuditEvents) -> int:
    """Bring the rows of one chain up to its last seal; how many were read.

    Raises:
        DatabaseBusy, DatabaseUnavailable: the rest is for the next time.
        OSError, ValueError, LookupError: the chain cannot be read on; `verify` says why.
    """
    begun = await events.position(folder.name)
    at = begun or AuditPosition(folder.name, 1, 0, 0, "")
    count = 0
    while True:
        rows, after = await asyncio.to_thread(_read, folder, at)
        if after == at:
            return count
        await events.put(rows, after)
        count, at = count + len(rows), after


async def index_all(root: Path, events: AuditEvents) -> int:
    """The same for every chain below `root`; one that cannot be read keeps no other from it."""
    count = 0
    for folder in await asyncio.to_thread(chains_in, root):
        try:
            count += await index_chain(folder, events)
        except (OSError, ValueError, LookupError) as error:
            _log.error("the audit chain %s cannot be read on: %s", folder.name, error)
    return count


def _read(folder: Path, at: AuditPosition) -> tuple[list[AuditEvent], AuditPosition]:
    """The records of the next entries up to a seal, and where that is."""
    kept, waiting, place = list[AuditEvent](), list[AuditEvent](), at
    file, byte, entries = at.file, at.byte, 0
    while (path := folder / file_name(file)).exists():
        with path.open("rb") as stream:
            stream.seek(byte)
            while (line := stream.readline(LINE_MAX + 1)).endswith(b"\n"):
                byte, entries = byte + len(line), entries + 1
                taken = take_apart(line)
                body: JsonObject = orjson.loads(taken.body)
                number = int(str(body["n"]))
                if body["k"] == "record":
                    waiting.append(_event(folder.name, number, record_in(body)))
                elif body["k"] == "seal":
                    kept, waiting = [*kept, *waiting], []
                    place = AuditPosition(folder.name, file, byte, number, taken.head)
                    if entries >= ENTRIES_MAX:
                        return kept, place
        file, byte = file + 1, 0
    return kept, place


def _event(chain: str, number: int, record: AuditRecord) -> AuditEvent:
    return AuditEvent(
        tenant=record.tenant,
        at_ms=record.at_ms,
        chain=chain,
        n=number,
        action=record.action,
        outcome=record.outcome,
        subject=record.subject,
        credential=record.credential,
        object=record.object,
        permission=record.permission,
        reason=record.reason,
        request=record.request,
        status=record.status,
        count=record.count,
    )


class Indexing:
    """Keeps the rows of one process's chain up to date; at the start those of every chain here."""

    def __init__(self, log: AuditLog, root: Path, events: AuditEvents, clock: Clock) -> None:
        self._log = log
        self._root = root
        self._events = events
        self._clock = clock
        self._indexed: Position | None = None
        self._pruned = float("-inf")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Stop, with everything indexed that can be; after the log itself was closed."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.once()

    async def once(self) -> None:
        """Index what this process wrote since the last time; a failure is for the next time."""
        at = self._log.position
        if at is None or at == self._indexed:
            return
        try:
            await index_chain(self._root / at.chain, self._events)
        except (DatabaseBusy, DatabaseUnavailable) as error:
            _log.warning("the audit log cannot be indexed now: %s", error)
            return
        except (OSError, ValueError, LookupError) as error:
            _log.error("the audit chain %s cannot be read on: %s", at.chain, error)
        self._indexed = at

    async def _run(self) -> None:
        with contextlib.suppress(DatabaseBusy, DatabaseUnavailable):
            await index_all(self._root, self._events)
        while True:
            await self.once()
            await self._prune()
            # How late a search may be; other processes write the chains, and no event says so.
            await asyncio.sleep(INDEX_S)

    async def _prune(self) -> None:
        now = self._clock.monotonic()
        if now < self._pruned + PRUNE_S:
            return
        with contextlib.suppress(DatabaseBusy, DatabaseUnavailable):
            await self._events.prune(int((self._clock.now() - SEARCHABLE_S) * 1000))
            self._pruned = now
