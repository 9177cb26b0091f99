"""A place for audit chains of a test's own: keys, a clock that is moved, and short ways to look at it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from actors.audit import AuditLog, AuditRecord, Chain, make_keys, open_chain, read_keys
from actors.audit.anchor import write_anchor
from actors.audit.chain import FILE_MAX
from actors.audit.folder import chains_in
from actors.audit.record import take_apart
from actors.audit.recovery import Position
from actors.audit.verify import Report, verify
from deployments.security.trail import Trail
from routing.clock import ManualClock


def record(action: str = "PUT /admin/budgets/{id}", tenant: str = "acme") -> AuditRecord:
    return AuditRecord(1_767_225_600_000, tenant, action, "begun", subject="key:0123456789abcdef")


class AuditWorld:
    """Chains below `root`, heads below `heads`."""

    def __init__(self, path: Path) -> None:
        self.root, self.heads = path / "audit", path / "heads"
        self.root.mkdir(parents=True)
        self.heads.mkdir()
        make_keys(path / "audit.keys")
        self.keys = read_keys(path / "audit.keys")
        self.clock = ManualClock()

    def chain(self, name: str = "node-test", file_max: int = FILE_MAX) -> Chain:
        new = str(len(chains_in(self.root)) + 1)
        return open_chain(self.root, name, self.keys, self.clock, file_max, lambda: new)

    def log(self, queued_max: int = 100) -> AuditLog:
        return AuditLog(self.chain, self.clock, queued_max)

    @asynccontextmanager
    async def trail(self) -> AsyncIterator[Trail]:
        """A trail into a log that is whole when this ends."""
        log = self.log(10_000)
        yield Trail(log, self.keys, self.clock)
        await log.aclose()

    def anchor(self, at: Position) -> None:
        write_anchor(self.heads, at, self.keys, self.clock.now())

    def verified(self) -> list[Report]:
        return verify(self.root, self.heads, self.keys.public)

    def faults(self) -> list[str]:
        return [finding.fault for report in self.verified() for finding in report.findings]

    def file(self, number: int = 1, chain: str = "node-test-1") -> Path:
        return self.root / chain / f"{number:06}.jsonl"

    def records(self, chain: str = "node-test-1") -> list[dict[str, object]]:
        """Every record of the chain, as it is on disk."""
        bodies = [
            orjson.loads(take_apart(line).body)
            for path in sorted((self.root / chain).glob("*.jsonl"))
            for line in path.read_bytes().splitlines(keepends=True)
        ]
        return [body for body in bodies if body["k"] == "record"]

    def everything(self) -> bytes:
        """All bytes of all files, to look for what must not be there."""
        return b"".join(path.read_bytes() for path in self.root.rglob("*") if path.is_file())


async def until_written(log: AuditLog, number: int) -> None:
    """Wait until the chain has that many entries."""
    async with asyncio.timeout(10):
        while log.position is None or log.position.number < number:  # noqa: ASYNC110  a thread's word
            await asyncio.sleep(0.01)
