"""`supportmax knowledge ingest`: bring a folder, a file or a page into what a tenant knows."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from actors.audience import Audience
from actors.database.engine import open_database
from actors.database.knowledge import KnowledgeStore
from actors.knowledge.draft import Columns, SourceFile
from actors.knowledge.ingest import Reading, Report, ingest
from actors.knowledge.readers.table import PARTS
from deployments.boot import Boot
from deployments.database import address_of
from deployments.knowledge.fetch import fetch
from deployments.knowledge.files import Found, find
from deployments.knowledge.rules import SHIPPED, read_rules
from routing.clock import Clock
from routing.errors import ConfigError, RequestError

# Of each list; whoever ingests 50,000 documents does not read their names.
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for. `name` is the source's, instead of its path or address."""

    what: str
    tenant: str
    audience: Audience | None
    columns: Sequence[str] = ()
    rules: Path | None = None
    name: str | None = None
    allow_private: bool = False


@dataclass(frozen=True, slots=True)
class _Source:
    """A source, what its documents' ids begin with, and what is there; None if it is gone."""

    key: str
    name: str
    found: Found | None


async def run(boot: Boot, order: Order, console: Console, clock: Clock) -> bool:
    """Ingest and print what was added, changed, removed and refused; False if anything was refused.

    Raises:
        ConfigError: the source, a column or the rules cannot be meant; nothing was changed.
    """
    reading = Reading(order.audience, read_rules(order.rules or SHIPPED), _columns(order.columns))
    source = await _source(order)
    database = open_database(address_of(boot))
    try:
        await database.migrate()
        store = KnowledgeStore(database)
        if source.found is None and source.key not in await store.sources(order.tenant):
            raise ConfigError(order.what, None, "", "is not there")
        found = source.found or Found(())
        with _progress(console, found.files) as done:
            report = await ingest(
                store,
                order.tenant,
                source.key,
                source.name,
                found.files,
                reading,
                clock,
                done,
            )
    finally:
        await database.aclose()
    _print(report, found.skipped)
    return not report.refused and not report.unread


async def _source(order: Order) -> _Source:
    what = order.what
    if what.startswith(("http://", "https://")):
        page = await fetch(what, allow_private=order.allow_private)
        host = what.split("/")[2]
        found = None if page is None else Found((page,))
        return _Source(order.name or what, order.name or host, found)
    return await asyncio.to_thread(_on_disk, order)


def _on_disk(order: Order) -> _Source:
    path = Path(order.what).resolve()
    found = find(path) if path.exists() else None
    # A file has its own name already: `faq.csv#…`.
    own = "" if path.is_file() else path.name
    return _Source(order.name or str(path), order.name or own, found)


def _columns(said: Sequence[str]) -> Columns:
    columns: list[tuple[str, str]] = []
    for word in said:
        part, is_pair, name = word.partition("=")
        if part not in PARTS or not is_pair or not name:
            message = f"--column is PART=NAME, with a part of {', '.join(PARTS)}; not {word!r}"
            raise RequestError("invalid_request", message)
        if part != "text" and part in dict(columns):
            raise RequestError("invalid_request", f"--column {part}=… is said twice")
        columns.append((part, name))
    return tuple(columns)


class _Bar:
    """The bar of files that are done."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("ingesting", total=total)

    def __call__(self, file: SourceFile) -> None:
        name = file.path if len(file.path) <= 40 else f"…{file.path[-39:]}"
        self._progress.update(self._task, advance=1, description=name)


@contextmanager
def _progress(console: Console, files: Sequence[SourceFile]) -> Iterator[_Bar]:
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
    )
    with progress:
        yield _Bar(progress, len(files))


def _print(report: Report, skipped: int) -> None:
    lists = (("added", report.added), ("changed", report.changed), ("removed", report.removed))
    for verb, names in lists:
        for name in names[:_SHOWN]:
            sys.stdout.write(f"{verb:<8} {name}\n")
        if len(names) > _SHOWN:
            sys.stdout.write(f"{verb:<8} … and {len(names) - _SHOWN} more\n")
    for error in report.refused:
        sys.stdout.write(f"refused  {error}\n")
    for name, missing in report.dangling:
        sys.stdout.write(f"note     {name}: related: no document has the id {missing}\n")
    for error in report.unread:
        sys.stdout.write(f"unread   {error}\n")
    counts = [f"{len(names)} {verb}" for verb, names in lists]
    counts += [f"{report.unchanged} unchanged", f"{len(report.refused)} refused"]
    if report.unread:
        counts.append(f"{len(report.unread)} unread")
    if skipped:
        counts.append(f"{skipped} files of other kinds")
    sys.stdout.write(f"{', '.join(counts)}\n")
