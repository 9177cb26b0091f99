"""The bench's own processes: each ends when the pipe to it is closed, so none outlives us."""

import base64
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict

from tests.bench.load import ANSWER_TIMEOUT_S, Measured, Order
from tests.bench.wire import Call

# Two of them import half of this project first.
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0


class Worker:
    """One of this package's modules as a process that speaks in lines."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid

    def tell(self, line: str) -> None:
        """Write one line to it."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self, within_s: float) -> str:
        """The next line it writes.

        Raises:
            RuntimeError: it ended, or said nothing in time.
        """
        assert self._process.stdout is not None
        # A blocking read is bounded by ending the one who does not write.
        watchdog = threading.Timer(within_s, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended, or was silent for {within_s:g} s")
        return line.strip()


@contextlib.contextmanager
def worker(module: str, *arguments: str) -> Iterator[Worker]:
    """`python -m tests.bench.<module>`, until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.bench.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Worker(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@contextlib.contextmanager
def server(module: str, *arguments: str) -> Iterator[tuple[Worker, int]]:
    """A worker that says its port first."""
    with worker(module, *arguments) as started:
        yield started, int(started.hear(START_TIMEOUT_S))


def load(generator: Worker, port: int, call: Call, clients: int, requests: int) -> Measured:
    """Have `generator` ask `requests` times.

    Raises:
        RuntimeError: an answer was wrong or did not come.
    """
    raw = base64.b64encode(call.raw).decode()
    order = Order(port, raw, call.ending.decode(), clients, requests)
    generator.tell(json.dumps(asdict(order)))
    # Each request is bounded there; this bounds them all.
    said = json.loads(generator.hear(3 * ANSWER_TIMEOUT_S))
    if "error" in said:
        raise RuntimeError(f"port {port}: {said['error']}")
    return Measured(**said)
