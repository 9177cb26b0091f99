"""What it costs to be let in: the limits of a tenant and a key, from what was borrowed, and as headers."""

import asyncio
import importlib
import importlib.util
import ipaddress
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.table import Table

from config.limits import ClassRates, LimitSettings, RateSettings, RequestRates
from deployments.security.address_limits import AddressLimits
from deployments.security.gate import Gate
from deployments.security.leased_limits import LeasedLimits
from deployments.security.network_set import NetworkSet
from deployments.security.peer import Peer
from deployments.security.principal import Principal
from deployments.security.rate_limits import RateLimits
from deployments.security.shares import Shares
from routing.clock import SystemClock
from routing.errors import AccessError
from tests.bench.report import Target, plain_targets, targets_table
from tests.limit_world import ModelLeases

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

_BATCH = 200
_BATCHES = 100
_NETWORKS = 1_000
TAKEN_US = 10.0
CALLER = Principal("acme", "key:0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Limited:
    """CPU microseconds of one request each: the median of batches, and the 99th percentile of them."""

    taken_p50_us: float
    taken_p99_us: float
    admitted_p50_us: float
    refused_p50_us: float
    network_p50_us: float
    library_p50_us: float | None


def measure(progress: "Progress") -> Limited:
    """Thousands of requests of one caller."""
    bar = progress.add_task("limits", total=5)
    return asyncio.run(_measure(lambda: progress.advance(bar)))


async def _measure(step: Callable[[], None]) -> Limited:
    clock = SystemClock()
    shares = Shares.fixed(clock, 0.25)
    leased = LeasedLimits(ModelLeases(clock), "bench", shares, clock)
    wide = ClassRates(chat=RateSettings(per_minute=100_000_000))
    settings = LimitSettings(requests=RequestRates(tenant=wide, key=wide))
    limits = RateLimits(settings, leased, shares)
    gate = Gate(AddressLimits(settings, shares, clock), limits, Peer())
    await limits.admit(CALLER, "chat")

    async def taken() -> None:
        leased.take(limits._plan(CALLER, "chat"))

    async def admitted() -> None:
        (await gate.admit(CALLER, "chat")).end()

    narrow = ClassRates(chat=RateSettings(per_minute=1, burst=4))
    strict = RateLimits(LimitSettings(requests=RequestRates(tenant=narrow)), leased, shares)
    other = Principal("other", "key:0123456789abcdef")

    async def refused() -> None:
        try:
            await strict.admit(other, "chat")
        except AccessError:
            return

    for _ in range(10):
        await refused()
    thousand = NetworkSet(
        ipaddress.ip_network(f"10.{n // 256}.{n % 256}.0/25") for n in range(_NETWORKS)
    )
    address = ipaddress.ip_address("10.2.100.7")

    async def within() -> None:
        assert address in thousand

    found = list[tuple[float, float]]()
    for work in (taken, admitted, refused, within):
        found.append(await _us(work))
        step()
    (p50, p99), (admitted_us, _), (refused_us, _), (network_us, _) = found
    library = _library()
    library_us = None if library is None else (await _us(library))[0]
    step()
    return Limited(p50, p99, admitted_us, refused_us, network_us, library_us)


def _library() -> Callable[[], Awaitable[None]] | None:
    """The library `limits` on the same two subjects in memory; None where it is not installed."""
    if importlib.util.find_spec("limits") is None:
        return None
    limits = importlib.import_module("limits")
    storage = importlib.import_module("limits.storage").MemoryStorage()
    window = importlib.import_module("limits.strategies").SlidingWindowCounterRateLimiter(storage)
    rate = limits.RateLimitItemPerMinute(100_000_000)

    async def hit() -> None:
        assert window.hit(rate, "tenant", "acme")
        assert window.hit(rate, "key", "acme", "0123456789abcdef")

    return hit


async def _us(work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    took = list[float]()
    for _ in range(_BATCHES):
        began = time.process_time()
        for _ in range(_BATCH):
            await work()
        took.append((time.process_time() - began) / _BATCH * 1e6)
        await asyncio.sleep(0)  # what was spent is borrowed again
    took.sort()
    return took[len(took) // 2], took[len(took) * 99 // 100]


def targets(found: Limited) -> list[Target]:
    """The promise and what became of it."""
    return [
        Target("a tenant's and a key's limit, borrowed", found.taken_p50_us, TAKEN_US, "µs"),
    ]


def show(found: Limited, console: "Console") -> None:
    """For people."""
    table = Table(title="Limits, CPU microseconds of a request", title_justify="left")
    for column in ("what", "measured"):
        table.add_column(column, justify="left" if column == "what" else "right")
    table.add_row("a tenant's and a key's limit, borrowed, p99", f"{found.taken_p99_us:.1f}")
    if found.library_p50_us is not None:
        table.add_row("the library limits, both in memory", f"{found.library_p50_us:.1f}")
    table.add_row("let in, with its headers", f"{found.admitted_p50_us:.1f}")
    table.add_row("refused, with its words", f"{found.refused_p50_us:.1f}")
    table.add_row(f"an address in {_NETWORKS:,} networks", f"{found.network_p50_us:.1f}")
    console.print(table)
    console.print(targets_table(targets(found)))


def plain(found: Limited) -> dict[str, object]:
    """For bench.json."""
    known = {name: value for name, value in asdict(found).items() if value is not None}
    figures = {name: round(value, 3) for name, value in known.items()}
    return {"limits": {**figures, "targets": plain_targets(targets(found))}}
