"""What the audit log costs: a record noted, beside a line of Python's own logging into a file.

Both in one process, in turns. A note is what a request waits for; the thread that hashes, signs
and flushes runs beside it, as it does in the product. Commits are what a change waits for.
"""

import asyncio
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from rich.table import Table

from actors.audit import AuditLog, make_keys, open_chain, read_keys
from actors.audit.verify import verify
from deployments.security.principal import Principal
from deployments.security.trail import Deed, Trail
from routing.clock import SystemClock
from tests.bench.report import Target, plain_targets, targets_table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

ROUNDS, BURST = 100, 100
COMMITS, IN_FLIGHT = 200, 64
# Between bursts, so that what is measured is not a full queue: the log's own linger.
PAUSE_S = 0.02
NOTE_US = 20.0


@dataclass(frozen=True, slots=True)
class Audited:
    """Microseconds of a note, of a line of logging; milliseconds of a commit; records a second."""

    note_p50_us: float
    note_p99_us: float
    logging_p50_us: float
    times_logging: float
    commit_p50_ms: float
    commit_p95_ms: float
    commits_per_s: float
    verified_per_s: float
    bytes_per_record: float


def measure(progress: "Progress") -> Audited:
    """Note, log, commit and verify."""
    return asyncio.run(_measure(progress))


async def _measure(progress: "Progress") -> Audited:
    bar = progress.add_task("audit", total=ROUNDS + 20)
    with tempfile.TemporaryDirectory() as path:
        home, clock = Path(path), SystemClock()
        root = home / "audit"
        root.mkdir()
        make_keys(home / "keys")
        keys = read_keys(home / "keys")
        log = AuditLog(lambda: open_chain(root, "bench", keys, clock), clock)
        trail, who = Trail(log, keys, clock), Principal("northwind", "key:0123456789abcdef")
        deed = Deed("POST /v3/chat", "done", "", "chat:create", "roles:agent", 200)
        logger, handler = _logger(home / "lines.log")
        notes, lines = list[float](), list[float]()
        for _ in range(ROUNDS):
            notes += _timed(lambda: trail.note(who, deed))
            lines += _timed(lambda: logger.info("%s %s %s", who.tenant, who.subject, deed))
            await asyncio.sleep(PAUSE_S)
            progress.advance(bar)
        begun = Deed("PUT /admin/budgets/{id}", "begun")
        waits = list[float]()
        for _ in range(COMMITS):
            at = time.perf_counter()
            await trail.commit(who, begun)
            waits.append((time.perf_counter() - at) * 1000)
        at = time.perf_counter()
        for _ in range(20):
            await asyncio.gather(*(trail.commit(who, begun) for _ in range(IN_FLIGHT)))
            progress.advance(bar)
        per_s = 20 * IN_FLIGHT / (time.perf_counter() - at)
        await log.aclose()
        handler.close()
        at = time.perf_counter()
        [report] = verify(root, None, keys.public)
        took = time.perf_counter() - at
        size = sum(file.stat().st_size for file in root.rglob("*.jsonl"))
    if report.findings or report.records < ROUNDS * BURST + COMMITS + 20 * IN_FLIGHT:
        raise RuntimeError("the bench's own chain must be whole")
    note, line = median(notes), median(lines)
    return Audited(
        note, quantiles(notes, n=100)[-1], line, note / line,
        median(waits), quantiles(waits, n=20)[-1], per_s,
        report.records / took, size / report.records,
    )  # fmt: skip


def _timed(call: Callable[[], object]) -> list[float]:
    took = list[float]()
    for _ in range(BURST):
        at = time.perf_counter()
        call()
        took.append((time.perf_counter() - at) * 1e6)
    return took


def _logger(path: Path) -> tuple[logging.Logger, logging.Handler]:
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.Logger("bench.audit", logging.INFO)  # noqa: LOG001  of this bench alone
    logger.addHandler(handler)
    return logger, handler


def targets(found: Audited) -> list[Target]:
    """The promise and what became of it."""
    return [Target("a record of the audit enqueued, p50", found.note_p50_us, NOTE_US, "µs")]


def show(found: Audited, console: "Console") -> None:
    """For people."""
    table = Table(title="What the audit log costs", title_justify="left")
    for column in ("what", "measured"):
        table.add_column(column, justify="left" if column == "what" else "right")
    table.add_row("a note, p99", f"{found.note_p99_us:.1f} µs")
    table.add_row("a line of logging, p50", f"{found.logging_p50_us:.1f} µs")
    table.add_row("of that", f"{found.times_logging:.2f}")
    table.add_row("a commit alone, p50", f"{found.commit_p50_ms:.1f} ms")
    table.add_row("a commit alone, p95", f"{found.commit_p95_ms:.1f} ms")
    table.add_row(f"commits, {IN_FLIGHT} at once", f"{found.commits_per_s:,.0f}/s")
    table.add_row("records verified", f"{found.verified_per_s:,.0f}/s")
    table.add_row("a record on disk", f"{found.bytes_per_record:.0f} bytes")
    console.print(table)
    console.print(targets_table(targets(found)))


def plain(found: Audited) -> dict[str, object]:
    """For bench.json."""
    figures = {name: round(value, 3) for name, value in asdict(found).items()}
    return {"audit": {**figures, "targets": plain_targets(targets(found))}}
