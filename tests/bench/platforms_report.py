"""What the platforms cost: tables for people, plain values for bench.json."""

import os
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from tests.bench.contestant import Loaded
from tests.bench.platforms import HELD, KINDS, Cost, PlatformCost
from tests.bench.wire import CHUNKS


def show(found: Sequence[PlatformCost], console: Console) -> None:
    """Two tables."""
    console.print(_calls(found))
    console.print(_processes(found))
    console.print(
        f"Rounds: {_rounds(found)}. client: the vendor's own Python client, asked the same. "
        "Streams come chunk by chunk. Copilot Studio is asked over Direct-to-Engine, where JSON "
        "is a stream of one message and every answer opens a conversation."
    )


def plain(found: Sequence[PlatformCost]) -> dict[str, object]:
    """The same, as data."""
    costs = {
        one.platform: {
            "adapter": _plain(one.adapter),
            "sdk": _plain(one.sdk),
            "replica": asdict(one.replica),
            "sdk_by_adapter": {kind: one.ratio(kind) for kind in KINDS},
        }
        for one in found
    }
    return {"rounds": _rounds(found), "load": os.getloadavg()[0], "costs": costs}


def _rounds(found: Sequence[PlatformCost]) -> int:
    """Of the platform that had the fewest."""
    return min(len(one.adapter.cpu_ms["json"]) for one in found)


def _plain(cost: Cost) -> dict[str, object]:
    medians = {f"{kind}_cpu_ms": cost.median_ms(kind) for kind in KINDS}
    return {**medians, **asdict(cost)}


def _calls(found: Sequence[PlatformCost]) -> Table:
    table = Table(
        title="CPU ms of a call in its process: our adapter, the vendor's client",
        title_justify="left",
    )
    table.add_column("platform", no_wrap=True)
    for kind in ("JSON", f"stream of {CHUNKS}"):
        for heading in (f"{kind}: adapter", "client", "ratio"):
            table.add_column(heading, justify="right", max_width=12)
    for one in found:
        cells = []
        for kind in KINDS:
            ours, theirs = one.adapter.median_ms(kind), one.sdk.median_ms(kind)
            cells += [f"{ours:.2f}", f"{theirs:.2f}", f"{one.ratio(kind):.1f}"]
        table.add_row(one.platform, *cells)
    return table


def _processes(found: Sequence[PlatformCost]) -> Table:
    table = Table(
        title="A process with one platform, when it has given its first answer",
        title_justify="left",
    )
    for heading in ("platform", "loaded"):
        table.add_column(heading, no_wrap=True)
    for heading in ("modules", "CPU s", "RSS MB", "PSS MB", f"KB a stream of {HELD} open"):
        table.add_column(heading, justify="right", max_width=12)
    for one in found:
        table.add_row(one.platform, "adapter", *_memory(one.adapter.loaded), _held(one.adapter))
        table.add_row("", "client", *_memory(one.sdk.loaded), _held(one.sdk))
        table.add_row("", "replica, Ray", *_memory(one.replica), "", end_section=True)
    return table


def _memory(loaded: Loaded) -> tuple[str, ...]:
    memory = f"{loaded.rss_mb:.0f}", f"{loaded.pss_mb:.0f}"
    return (f"{loaded.modules:,}", f"{loaded.cpu_s:.1f}", *memory)


def _held(cost: Cost) -> str:
    return f"{cost.held_kb:.0f}"
