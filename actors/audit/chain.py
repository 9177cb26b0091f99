"""The hash chain of one process: records appended in commits, each of them signed and on disk.

A chain belongs to one process at a time, by a lock; after its end the next process of the same
name on the same machine goes on with it. A full file is followed by the next.
"""

import contextlib
import os
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

from actors.audit.folder import CHAINS_MAX, Held, chains_of, file_name, hold, plain, taken
from actors.audit.keys import AuditKeys
from actors.audit.record import START, AuditRecord, body_of, canonical, line_of, link
from actors.audit.recovery import ChainBroken, Position, Recovered, recover
from actors.audit.seal import seal_of
from routing.clock import Clock

FILE_MAX = 16 * 1024 * 1024
"""Bytes after which the next commit begins a new file: some 30,000 records, read in two seconds."""


class Chain:
    """One chain, open for appending, for one thread. Make it with `open_chain`."""

    def __init__(
        self, held: Held, found: Recovered, keys: AuditKeys, clock: Clock, file_max: int
    ) -> None:
        """Begin the first file, or go on in the last.

        Raises:
            OSError: it cannot be written.
        """
        self._held = held
        self._keys = keys
        self._clock = clock
        self._file_max = file_max
        self.name = held.path.name
        begin = Position(self.name, 0, 0, 0, START.hex())
        self.position = found.position or begin
        if found.position is None:
            self._begin_file()
        self._descriptor = self._open()

    def append(self, records: Sequence[AuditRecord]) -> Position:
        """Write the records and a seal, and return when they are on disk.

        Raises:
            OSError: nothing of them is in the chain; close it, and open it anew.
        """
        if self.position.offset >= self._file_max:
            self._begin_file()
            os.close(self._descriptor)
            self._descriptor = self._open()
        at = self.position
        if not os.path.samestat(os.fstat(self._descriptor), self._path(at.file).stat()):
            raise FileNotFoundError(f"{self._path(at.file)} is another file now")
        bodies = [body_of(record, at.number + i) for i, record in enumerate(records, 1)]
        data, end = self._sealed(at, bodies)
        try:
            _write_all(self._descriptor, data)
            os.fdatasync(self._descriptor)
        except OSError:
            # What was written in part is no record; if it cannot be cut off, recovery does it.
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, at.offset)
            raise
        self.position = Position(at.chain, at.file, at.offset + len(data), *end)
        return self.position

    def close(self) -> None:
        """Let the chain go, to be continued by whoever opens it next."""
        os.close(self._descriptor)
        self._held.release()

    def _sealed(self, at: Position, bodies: Sequence[bytes]) -> tuple[bytes, tuple[int, str]]:
        """Lines of the bodies and of a seal; the number and head at their end."""
        head, lines = bytes.fromhex(at.head), list[bytes]()
        for body in bodies:
            head = link(head, body)
            lines.append(line_of(head, body))
        number = at.number + len(bodies) + 1
        seal = seal_of(at.chain, number, head, self._now_ms(), self._keys)
        head = link(head, seal)
        lines.append(line_of(head, seal))
        return b"".join(lines), (number, head.hex())

    def _begin_file(self) -> None:
        """Make the next file, whole or not at all."""
        at = self.position
        file = at.file + 1
        body = canonical(
            {
                "k": "open", "n": at.number + 1, "at_ms": self._now_ms(), "chain": at.chain,
                "file": file, "previous": at.head, "version": 1,
            }
        )  # fmt: skip
        data, end = self._sealed(at, [body])
        path = self._path(file)
        scratch = path.with_suffix(".new")
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        scratch.rename(path)
        _sync_folder(self._held.path)
        self.position = Position(at.chain, file, len(data), *end)

    def _open(self) -> int:
        return os.open(self._path(self.position.file), os.O_WRONLY | os.O_APPEND)

    def _path(self, file: int) -> Path:
        return self._held.path / file_name(file)

    def _now_ms(self) -> int:
        return int(self._clock.now() * 1000)


def open_chain(
    root: Path,
    name: str,
    keys: AuditKeys,
    clock: Clock,
    file_max: int = FILE_MAX,
    new: Callable[[], str] = lambda: secrets.token_hex(4),
) -> Chain:
    """The first chain of that name below `root` that nobody has and that holds together, or a new one.

    How the last process left it is the first thing that is put on record. A new chain's name ends
    with what `new` makes up, so that no name ever stands for two chains, whatever was deleted.

    Raises:
        AuditUnavailable: there is none.
        OSError: `root` is not there, or nothing can be written to it.
    """
    broken = list[str]()
    known = chains_of(root, name)
    another = [root / f"{plain(name)}-{new()}"] if len(known) < CHAINS_MAX else []
    for folder in [*known, *another]:
        held = hold(folder)
        if held is None:
            continue
        try:
            found = recover(held.path, keys.public)
            chain = Chain(held, found, keys, clock, file_max)
        except ChainBroken:
            held.release()
            broken.append(held.path.name)
            continue
        except OSError:
            held.release()
            raise
        try:
            chain.append(_opened(found, broken, int(clock.now() * 1000)))
        except OSError:
            chain.close()
            raise
        return chain
    raise taken(name)


def _opened(found: Recovered, broken: Sequence[str], at_ms: int) -> list[AuditRecord]:
    """What the chain says of its own beginning."""
    reason = "new" if found.position is None else "after_an_end"
    if not found.was_closed:
        reason = "after_a_crash"
    opened = AuditRecord(at_ms, "", "audit.opened", "stated", reason=reason, count=found.torn_bytes)
    left = [
        AuditRecord(at_ms, "", "audit.broken_chain_left", "stated", object=name) for name in broken
    ]
    return [opened, *left]


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
