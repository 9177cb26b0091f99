"""The product's whole road against a bare relay, both against the same upstream asked directly."""

import contextlib
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.progress import Progress

from tests.bench import product, workers
from tests.bench.cpu import TICK_S, cpu_ticks, family, pss_mb
from tests.bench.decision import adaptive_us, decision_us
from tests.bench.load import Measured
from tests.bench.report import Report
from tests.bench.rounds import CASES, Contestant, Found, one_round, warm_up
from tests.bench.wire import Call, Shape, product_call, upstream_call

# Seven short rounds say more than two long ones where neighbours come and go.
ROUNDS = 7
# A machine too busy for them all gets fewer; with the start and the stop this is three minutes.
ROUNDS_WITHIN_S = 80.0
REST_S = 3.0


class _Arena:
    """Who can be asked, and where."""

    def __init__(
        self,
        generator: workers.Worker,
        ports: dict[Contestant, int],
        key: str,
        pids: dict[int, str],
    ) -> None:
        self._generator = generator
        self._ports = ports
        self._key = key
        self._pids = pids

    def run(self, name: Contestant, shape: Shape, clients: int, requests: int) -> Measured:
        """One contestant under one load."""
        port = self._ports[name]
        call = self._call(name, port, shape)
        return workers.load(self._generator, port, call, clients, requests)

    def spent(self) -> Counter[str]:
        """CPU ticks so far, by process."""
        return cpu_ticks(self._pids)

    def _call(self, name: Contestant, port: int, shape: Shape) -> Call:
        if name == "product":
            return product_call(port, shape, self._key)
        return upstream_call(port, shape)


def measure(progress: Progress) -> Report:
    """Start everything, measure, stop everything.

    Raises:
        RuntimeError: Something did not start, or gave a wrong answer.
    """
    steps = progress.add_task("starting upstream and relay", total=ROUNDS + 4)
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="smx", dir="/tmp"))
        upstream, upstream_port = stack.enter_context(workers.server("upstream"))
        relay, relay_port = stack.enter_context(workers.server("relay", str(upstream_port)))
        generator = stack.enter_context(workers.worker("load"))
        progress.update(steps, advance=1, description="starting the product")
        with contextlib.ExitStack() as running:
            started = running.enter_context(product.running(Path(directory), upstream_port))
            own = {upstream.pid: "upstream", relay.pid: "relay", generator.pid: "load generator"}
            theirs = family(started.pid)
            ports: dict[Contestant, int] = {
                "direct": upstream_port,
                "relay": relay_port,
                "product": started.port,
            }
            arena = _Arena(generator, ports, started.key, own | theirs)
            progress.update(steps, advance=1, description="warming up")
            warm_up(arena.run)
            idle_percent = _at_rest(theirs)
            found = [Found(case) for case in CASES]
            until = time.monotonic() + ROUNDS_WITHIN_S
            rounds = 0
            while rounds < ROUNDS and time.monotonic() < until:
                progress.update(steps, advance=1, description=f"round {rounds + 1} of {ROUNDS}")
                one_round(found, arena.run, arena.spent)
                rounds += 1
            memory_mb = pss_mb(theirs)
            progress.update(steps, advance=1, description="stopping the product")
            began = time.perf_counter()
            running.close()
            stop_s = time.perf_counter() - began
        progress.update(steps, completed=ROUNDS + 4, description="timing decisions")
        return Report(
            found,
            rounds,
            started.start_s,
            stop_s,
            decision_us(),
            adaptive_us(),
            idle_percent,
            memory_mb,
        )


def _at_rest(pids: dict[int, str]) -> float:
    """How much of a core the processes take while nobody asks."""
    before = cpu_ticks(pids).total()
    time.sleep(REST_S)  # rest is what is measured
    return (cpu_ticks(pids).total() - before) * TICK_S / REST_S * 100
