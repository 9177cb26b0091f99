"""The rounds: every contestant in turn under every load, and the medians of what each round found.

A busy machine slows all contestants of a round alike, so ratios are taken within a
round and never across two.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal, TypeAlias

from tests.bench.cpu import TICK_S
from tests.bench.load import Measured
from tests.bench.wire import Shape

Contestant: TypeAlias = Literal["direct", "relay", "product"]
Run: TypeAlias = Callable[[Contestant, Shape, int, int], Measured]
"""Runs one contestant with so many clients and requests."""
Spent: TypeAlias = Callable[[], Counter[str]]
"""CPU ticks so far, by process."""

BENCH = frozenset({"upstream", "relay", "load generator"})
"""The processes that are not the product's."""
CONTESTANTS: tuple[Contestant, ...] = ("direct", "relay", "product")


@dataclass(frozen=True, slots=True)
class Case:
    """One load. `requests` by contestant: enough for a second of a quiet machine, no more."""

    name: str
    shape: Shape
    clients: int
    requests: Mapping[Contestant, int]


CASES = (
    Case("JSON, 1 client", "json", 1, {"direct": 400, "relay": 200, "product": 100}),
    Case("JSON, 32 clients", "json", 32, {"direct": 3000, "relay": 800, "product": 400}),
    Case("streams of 50 chunks, 16 clients", "stream", 16,
         {"direct": 1500, "relay": 250, "product": 200}),
)  # fmt: skip


@dataclass(slots=True)
class Found:
    """What the rounds found of one case."""

    case: Case
    measured: dict[Contestant, list[Measured]] = field(
        default_factory=lambda: {name: [] for name in CONTESTANTS}
    )
    ticks: dict[Contestant, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in CONTESTANTS}
    )

    def rate(self, name: Contestant) -> float:
        """Answers a second."""
        return median(m.rate for m in self.measured[name])

    def p50_ms(self, name: Contestant) -> float:
        """Until an answer's last byte."""
        return median(m.p50_ms for m in self.measured[name])

    def p99_ms(self, name: Contestant) -> float:
        """Until the last byte of the slowest in a hundred."""
        return median(m.p99_ms for m in self.measured[name])

    def added_p50_ms(self) -> float:
        """What the product adds to the upstream."""
        pairs = zip(self.measured["product"], self.measured["direct"], strict=True)
        return median(product.p50_ms - direct.p50_ms for product, direct in pairs)

    def ratio(self) -> float:
        """The product's rate by the relay's."""
        pairs = zip(self.measured["product"], self.measured["relay"], strict=True)
        return median(product.rate / relay.rate for product, relay in pairs)

    def added_ratio(self) -> float:
        """What the product adds by what the relay adds: the same on a slow machine and a fast one."""
        direct, relay, product = (self.measured[name] for name in CONTESTANTS)
        rounds = zip(direct, relay, product, strict=True)
        return median((p.p50_ms - d.p50_ms) / (r.p50_ms - d.p50_ms) for d, r, p in rounds)

    def total_cpu_ms(self, name: Contestant) -> float:
        """CPU milliseconds per answer of the contestant itself, all its processes."""
        spent = self.cpu_ms(name)
        if name != "product":
            return spent.get("upstream" if name == "direct" else name, 0.0)
        return sum(ms for process, ms in spent.items() if process not in BENCH)

    def cpu_ms(self, name: Contestant) -> dict[str, float]:
        """CPU milliseconds per answer by process, dearest first, over all rounds."""
        answers = self.case.requests[name] * len(self.measured[name])
        spent = self.ticks[name].most_common()
        return {process: 1000 * TICK_S * ticks / answers for process, ticks in spent if ticks}


def warm_up(run: Run) -> None:
    """Fill pools and caches; nothing is kept of it."""
    for case in CASES:
        for name in CONTESTANTS:
            run(name, case.shape, case.clients, case.requests[name] // 2)


def one_round(found: list[Found], run: Run, spent: Spent) -> None:
    """Every case once, the contestants one right after the other."""
    for one in found:
        for name in CONTESTANTS:
            before = spent()
            measured = run(name, one.case.shape, one.case.clients, one.case.requests[name])
            after = spent()
            after.subtract(before)
            one.measured[name].append(measured)
            one.ticks[name].update(after)
