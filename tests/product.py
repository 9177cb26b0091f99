"""The product as a user starts it: a process of its own in a data directory of its own, and its end.

`running` starts `supportmax run`, waits until it is ready, and at the end presses Ctrl-C and
sees to it that no process is left.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2

from deployments import flags
from tests.ports import free_port
from tests.servers import Simulators

REPOSITORY = Path(__file__).parent.parent
# A start takes 15 s on two quiet cores; a machine on which others work needs several times that.
START_S = 150.0
# Draining the replicas and ending Ray: 8 s on two quiet cores.
STOP_S = 60.0
LOOK_S = 0.05
ANSWER_S = 60.0

_OF_THE_TESTER = ("OPENAI_", "ANTHROPIC_", "AZURE_", "GCP_", "COPILOT_", "RAY_", "SUPPORTMAX_")


@dataclass(frozen=True, slots=True, order=True)
class Process:
    """One process; its start tells it from a later one of the same number."""

    pid: int
    started: int
    title: str

    @property
    def is_alive(self) -> bool:
        """Whether it runs; one that waits to be buried does not."""
        found = _read(self.pid)
        return found is not None and found[0].started == self.started and found[2] != "Z"

    def kill(self) -> None:
        """End it at once, as a crash would."""
        os.kill(self.pid, signal.SIGKILL)


class Product:
    """A product that answers at `address`; `key` is its administrator's."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        home: Path,
        port: int,
        environment: Mapping[str, str],
    ) -> None:
        self.home = home
        self.address = f"http://127.0.0.1:{port}"
        self.environment = environment
        self.process = process
        self._seen: set[Process] = set()

    @property
    def key(self) -> str:
        """The administrator's key, as the first start left it."""
        return (self.home / "admin.key").read_text().strip()

    @property
    def said(self) -> str:
        """What it printed so far."""
        return (self.home / "run.log").read_text(errors="replace")

    @property
    def dashboard(self) -> str:
        """The Ray dashboard's address, as it printed it."""
        found = re.search(r"dashboard\s+(http://\S+)", self.said)
        assert found is not None, self.said
        return found[1]

    @property
    def simulators(self) -> Simulators:
        """The control of its simulators, wherever they listen now."""
        port = int((self.home / "simulators.port").read_text())
        return Simulators(f"http://127.0.0.1:{port}", "simulated")

    def http(self, key: str | None = None, timeout_s: float = ANSWER_S) -> httpx2.AsyncClient:
        """A client with the administrator's key, or another."""
        headers = {"Authorization": f"Bearer {self.key if key is None else key}"}
        # Plain HTTP needs no certificates, and loading them is most of a client's cost.
        limits = httpx2.Limits(max_connections=300, max_keepalive_connections=100)
        return httpx2.AsyncClient(
            base_url=self.address, headers=headers, timeout=timeout_s, verify=False, limits=limits
        )

    def processes(self, title: str = "") -> list[Process]:
        """The living processes it started, itself included, whose title holds `title`."""
        family = _family(self.process.pid)
        self._seen |= set(family)
        return [process for process in family if title in process.title]

    def replicas(self, deployment: str) -> list[Process]:
        """The replicas of a Serve deployment."""
        return self.processes(f"ray::ServeReplica:supportmax:{deployment}")

    def press_ctrl_c(self) -> None:
        """As a terminal does it: every process of the foreground group is told."""
        self.processes()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)

    def wait(self, seconds: float = STOP_S) -> int:
        """Its exit status, once it has ended."""
        return self.process.wait(seconds)

    def left_behind(self) -> list[Process]:
        """What still runs of all that was ever seen of it, and whatever else carries its name."""
        ours = self._seen | {p for p in _everyone() if _carries(p.pid, self.home)}
        return sorted(process for process in ours if process.is_alive)


@contextlib.contextmanager
def running(
    *config: Path, environment: Mapping[str, str] | None = None, home: Path | None = None
) -> Iterator[Product]:
    """`supportmax run`, ready; at the block's end it is stopped and nothing of it may be left.

    Raises:
        AssertionError: it did not start, did not stop, or left a process behind.
    """
    with starting(*config, environment=environment, home=home) as product:
        _wait_until_ready(product)
        yield product
        product.press_ctrl_c()
        assert product.wait() == 0, product.said
        wait_until_gone(product)


@contextlib.contextmanager
def starting(
    *config: Path, environment: Mapping[str, str] | None = None, home: Path | None = None
) -> Iterator[Product]:
    """`supportmax run`, just begun; whatever of it is left at the block's end is ended."""
    with contextlib.ExitStack() as stack:
        if home is None:
            # Short: a Unix socket's path may have 107 characters, and Ray adds 60.
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sm-", dir="/tmp")))
        env = clean_environment(home, environment)
        port = free_port()
        product = Product(
            _start(home, env, ["--port", str(port), *map(str, config)]), home, port, env
        )
        try:
            yield product
        finally:
            _end(product)
            shutil.rmtree(flags._short_folder(home))


def clean_environment(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """The tester's environment without the tester's accounts, and `more`."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(_OF_THE_TESTER)}
    return {**kept, "SUPPORTMAX_HOME": str(home), "PYTHONUNBUFFERED": "1", **(more or {})}


def refused(
    home: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """`supportmax run` that is expected to say no, and soon."""
    return subprocess.run(
        [sys.executable, "-m", "deployments.cli", "run", *arguments],
        cwd=REPOSITORY,
        env=clean_environment(home, environment),
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )


def wait_until_gone(product: Product, within_s: float = 10.0) -> None:
    """Wait for the last process; raise AssertionError with the names of those that stay."""
    until = time.monotonic() + within_s
    while (left := product.left_behind()) and time.monotonic() < until:
        time.sleep(LOOK_S)
    assert not left


def _start(
    home: Path, env: Mapping[str, str], arguments: Sequence[str]
) -> "subprocess.Popen[bytes]":
    with (home / "run.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "deployments.cli", "run", *arguments],
            cwd=REPOSITORY,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A group of its own, as a shell gives every job: Ctrl-C goes to the group.
            start_new_session=True,
        )


def _wait_until_ready(product: Product) -> None:
    until = time.monotonic() + START_S
    with httpx2.Client(base_url=product.address, timeout=5.0, verify=False) as client:
        while product.process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(httpx2.HTTPError):
                if client.get("/readyz").status_code == 200 and "Ctrl-C" in product.said:
                    return
            time.sleep(LOOK_S)
    raise AssertionError(f"it did not start:\n{product.said}")


def _end(product: Product) -> None:
    """Whatever happened before: nothing of it survives the tests."""
    for process in {*product.processes(), *product.left_behind()}:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    product.process.wait()


def _family(pid: int) -> list[Process]:
    """The process and all below it."""
    below: dict[int, list[int]] = {}
    known: dict[int, Process] = {}
    for entry in _pids():
        if (found := _read(entry)) is not None and found[2] != "Z":
            known[entry] = found[0]
            below.setdefault(found[1], []).append(entry)
    family, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        waiting += below.get(one, [])
        if one in known:
            family.append(known[one])
    return family


def _everyone() -> list[Process]:
    return [found[0] for pid in _pids() if (found := _read(pid)) is not None]


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _read(pid: int) -> tuple[Process, int, str] | None:
    """The process, its parent and its state; None if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        title = (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may hold spaces and parentheses itself.
    fields = stat.rpartition(")")[2].split()
    return Process(pid, int(fields[19]), title.strip()), int(fields[1]), fields[0]


def _carries(pid: int, home: Path) -> bool:
    """Whether the process was started with this data directory in its environment."""
    try:
        return f"SUPPORTMAX_HOME={home}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
