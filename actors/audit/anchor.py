"""Heads of chains, signed, in a second place: whoever shortens a chain does not reach it there.

A chain alone cannot show that its end is missing. Put the second place where those who
administer the first cannot write: another volume, a bucket that only takes new objects.
One file for each chain and day, to which lines are added.
"""

import asyncio
import contextlib
import logging
import os
import socket
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from actors.audit.keys import AuditKeys, PublicKeys
from actors.audit.log import AuditLog
from actors.audit.record import AuditRecord, canonical
from actors.audit.recovery import Position
from routing.clock import Clock

if TYPE_CHECKING:
    from routing.message import JsonObject

_log = logging.getLogger(__name__)
_ANCHOR = b"supportmax.audit.anchor.1\0"

ANCHOR_S = 10.0
"""What can be cut off a chain unseen is what was written in this time."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head that was written down elsewhere; `is_good` says whether its signature holds."""

    number: int
    head: str
    where: str
    is_good: bool = True


def write_anchor(root: Path, at: Position, keys: AuditKeys, now: float) -> None:
    """Write the head down, and return when it is on disk.

    Raises:
        OSError: it is not.
    """
    said: JsonObject = {
        "at_ms": int(now * 1000), "chain": at.chain, "n": at.number, "head": at.head,
        "key": keys.signs,
    }  # fmt: skip
    line = canonical({**said, "sig": keys.sign(_ANCHOR + canonical(said))}) + b"\n"
    day = datetime.fromtimestamp(now, UTC).date().isoformat()
    folder = root / at.chain
    folder.mkdir(exist_ok=True, mode=0o700)
    descriptor = os.open(folder / f"{day}.heads", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(f"{folder}: the head was written in part")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def must_take_heads(root: Path) -> None:
    """Return if something can be written below the folder, and take it away again where that may be done.

    Raises:
        OSError: it cannot, or the folder is not there.
    """
    descriptor, probe = tempfile.mkstemp(prefix=".probe-", dir=root)
    os.close(descriptor)
    with contextlib.suppress(OSError):
        Path(probe).unlink()


def read_anchors(root: Path, chain: str, keys: PublicKeys) -> list[Anchor]:
    """Every head of the chain that was written down, good or not; a last line cut short is none."""
    found = list[Anchor]()
    for path in sorted((root / chain).glob("*.heads")):
        for row, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
            found.append(_read(line, chain, f"{path.name} line {row}", keys))
    return found


def anchored_chains(root: Path) -> list[str]:
    """The names of chains of which a head is written down."""
    if not root.is_dir():
        return []
    return sorted(path.parent.name for path in root.glob("*/*.heads"))


def _read(line: bytes, chain: str, where: str, keys: PublicKeys) -> Anchor:
    try:
        body: JsonObject = orjson.loads(line)
        said = {name: value for name, value in body.items() if name != "sig"}
        number, head = int(str(said["n"])), str(said["head"])
    except (ValueError, KeyError, AttributeError):
        return Anchor(0, "", where, is_good=False)
    is_good = (
        canonical(body) == line
        and said.get("chain") == chain
        and keys.signed(said.get("key"), body.get("sig"), _ANCHOR + canonical(said))
    )
    return Anchor(number, head, where, is_good)


class Anchoring:
    """Writes down the head of one process's chain, while it grows."""

    def __init__(
        self, log: AuditLog, root: Path, keys: AuditKeys, clock: Clock, every_s: float = ANCHOR_S
    ) -> None:
        self._log = log
        self._root = root
        self._keys = keys
        self._clock = clock
        self._every_s = every_s
        self._written: Position | None = None
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None

    @property
    def is_failing(self) -> bool:
        """Whether the last head that was to be written down was not."""
        return self._is_failing

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Stop, with the last head written down; after the log itself was closed."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.once()

    async def once(self) -> None:
        """Write the head down if it is another one. A failure is put on record, once."""
        at = self._log.position
        if at is None or at == self._written:
            return
        now = self._clock.now()
        try:
            await asyncio.to_thread(write_anchor, self._root, at, self._keys, now)
        except OSError as error:
            if not self._is_failing:
                _log.error("heads of the audit log cannot be written down: %s", error)
                said = AuditRecord(int(now * 1000), "", "audit.anchor_failed", "stated")
                self._log.note(said)
            self._is_failing = True
            return
        self._is_failing = False
        self._written = at

    async def _run(self) -> None:
        while True:
            # So much of the log, in seconds, may lose its end unnoticed; no event could say it.
            await asyncio.sleep(self._every_s)
            await self.once()


def process_name(role: str, node: Callable[[], str] = socket.gethostname) -> str:
    """What the chains of this kind of process on this machine are called."""
    return f"{node()}-{role}"
