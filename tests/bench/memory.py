"""What remembering costs: a window of 50 turns read and a conversation extended, one at a time.

With a real Redis, a real cluster of three and without either, beside a bare GET and SET of as many
bytes at the same Redis in the same run. The database is SQLite.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from rich.table import Table

from actors.database import NewTurn, open_database
from actors.memory import Memory, make_memory
from actors.memory.window import WINDOW_TURNS
from actors.redis_store import RedisOptions, RedisWindows
from actors.window_store import InProcessWindows, Key, WindowStore, customer_of
from routing.clock import SystemClock
from tests.redis_servers import redis_cluster, redis_server

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

# Rounds in turn, so that what else the machine does is everybody's; the medians of them count.
ROUNDS = 7
CALLS = 100
P95_MS = 5.0
# Nothing is written to a disk: what Redis loses here the database has.
_AS_A_CACHE = ("--appendonly", "no")
# As long as turns of support conversations are.
_TEXT = "Hello, I was charged twice in November, invoices INV-2041 and INV-2042. " * 3


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds of wall time."""

    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Remembered:
    """By store: reading a window and extending it; `bare` are GET and SET of as many bytes."""

    bare_get: Took
    bare_set: Took
    read: dict[str, Took]
    append: dict[str, Took]


def measure(progress: "Progress") -> Remembered:
    """Start the servers, and ask them."""
    bar = progress.add_task("memory", total=8 * ROUNDS)
    with (
        TemporaryDirectory() as folder,
        redis_server(Path(folder) / "one", *_AS_A_CACHE) as one,
        redis_cluster(Path(folder) / "cluster", *_AS_A_CACHE) as nodes,
    ):
        single = RedisOptions((one.url,), is_cluster=False)
        cluster = RedisOptions(tuple(node.url for node in nodes), is_cluster=True)
        return asyncio.run(_measure(Path(folder), single, cluster, lambda: progress.advance(bar)))


async def _measure(
    folder: Path, single: RedisOptions, cluster: RedisOptions, tick: Callable[[], None]
) -> Remembered:
    clock = SystemClock()
    async with contextlib.AsyncExitStack() as stack:
        bare = RedisWindows(single, clock)
        stack.push_async_callback(bare.aclose)
        await bare.start()
        key = Key(customer_of("bench", "bare"), "bare").text
        # Past the store's own methods: what the server and its client cost without us.
        client, held = bare._client, b"x" * len(_TEXT.encode()) * WINDOW_TURNS
        asks: dict[str, Callable[[], Awaitable[object]]] = {
            "SET": lambda: client.set(key, held),
            "GET": lambda: client.get(key),
        }
        stores: dict[str, WindowStore] = {
            "Redis": RedisWindows(single, clock),
            "Redis Cluster": RedisWindows(cluster, clock),
            "in process": InProcessWindows(clock),
        }
        for name, store in stores.items():
            database = open_database(folder / f"{name}.db")
            await database.migrate()
            await store.start()
            memory = make_memory(database, store, clock)
            stack.push_async_callback(database.aclose)
            stack.push_async_callback(memory.aclose)
            for _ in range(WINDOW_TURNS // 2):
                await _say(memory)
            await memory.episodes.window("bench", "conv", "ann")
            asks[f"read {name}"] = partial(_read, memory)
            asks[f"append {name}"] = partial(_say, memory)
        took: dict[str, list[Took]] = {name: [] for name in asks}
        for _ in range(ROUNDS):
            for name, ask in asks.items():
                took[name].append(await _timed(ask))
                tick()
    middle = {name: _median(rounds) for name, rounds in took.items()}
    return Remembered(
        middle["GET"],
        middle["SET"],
        {name: middle[f"read {name}"] for name in stores},
        {name: middle[f"append {name}"] for name in stores},
    )


async def _say(memory: Memory) -> None:
    turns = [NewTurn("user", _TEXT, 1.0), NewTurn("assistant", _TEXT, 1.0)]
    if not await memory.episodes.append("bench", "conv", "ann", turns):
        raise RuntimeError("the store went away during the bench")


async def _read(memory: Memory) -> None:
    window = await memory.episodes.window("bench", "conv", "ann")
    if window is None or window.is_degraded or len(window.turns) != WINDOW_TURNS:
        raise RuntimeError("the bench's window must be whole and at hand")


async def _timed(ask: Callable[[], Awaitable[object]]) -> Took:
    took = list[float]()
    for _ in range(CALLS):
        at = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - at) * 1000)
    return Took(median(took), quantiles(took, n=20)[-1])


def _median(rounds: Sequence[Took]) -> Took:
    return Took(median(one.p50_ms for one in rounds), median(one.p95_ms for one in rounds))


def show(found: Remembered, console: "Console") -> None:
    """For people."""
    table = Table(title=f"Memory, windows of {WINDOW_TURNS} turns", title_justify="left")
    for column in ("what", "p50", "p95", "of the bare p50", "target"):
        table.add_column(column, justify="left" if column == "what" else "right")
    table.add_row("bare GET", *_ms(found.bare_get), "", "")
    table.add_row("bare SET", *_ms(found.bare_set), "", "")
    target = f"p95 <= {P95_MS:.0f} ms"
    for what, by_store, bare in (
        ("read", found.read, found.bare_get),
        ("append", found.append, found.bare_set),
    ):
        for name, took in by_store.items():
            ratio = f"{took.p50_ms / bare.p50_ms:.1f}"
            table.add_row(f"{what}, {name}", *_ms(took), ratio, target)
    console.print(table)


def _ms(took: Took) -> tuple[str, str]:
    return f"{took.p50_ms:.2f} ms", f"{took.p95_ms:.2f} ms"


def plain(found: Remembered) -> dict[str, object]:
    """For bench.json."""
    return {"memory": asdict(found)}
