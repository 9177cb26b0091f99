"""Real Redis servers and clusters for tests and the bench, on free loopback ports, in folders of their own.

Never the one that a system may run on 6379.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.ports import free_port

START_S = 10.0
STOP_S = 5.0
CLUSTER_S = 60.0
CLI_S = 10.0
LOOK_S = 0.02
# For tests that are not about time: what a store is given on cores that are everybody's.
PATIENT_S = 5.0
_SERVER, _CLI = "redis-server", "redis-cli"


def is_installed() -> bool:
    """Whether this machine has redis-server and redis-cli."""
    return shutil.which(_SERVER) is not None and shutil.which(_CLI) is not None


def need() -> None:
    """Skip the test where there is no Redis; where CI=true say so loudly instead."""
    if is_installed():
        return
    if os.environ.get("CI") == "true":
        raise RuntimeError("redis-server is missing; install the package redis-server")
    pytest.skip("redis-server is not installed")


@dataclass(slots=True)
class RedisServer:
    """One redis-server; what it has written survives `kill` and `start`, and no power cut."""

    port: int
    folder: Path
    options: tuple[str, ...] = ()
    password: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        command = [_SERVER, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--save", "", "--appendonly", "yes"]
        command += ["--appendfsync", "no", "--logfile", str(self.folder / "log")]
        command += ["--requirepass", self.password, *self.options]
        self._process = subprocess.Popen(command)
        for _ in range(int(START_S / LOOK_S)):
            if self.cli("ping") == "PONG":
                return
            with suppress(subprocess.TimeoutExpired):
                status = self._process.wait(LOOK_S)
                message = f"redis-server ended with status {status}: {self.folder / 'log'}"
                raise RuntimeError(message)
        raise TimeoutError(f"redis-server did not answer within {START_S:g} s")

    def cli(self, *words: str) -> str:
        """What redis-cli prints."""
        command = [_CLI, "-h", "127.0.0.1", "-p", str(self.port), *words]
        entering = {**os.environ, "REDISCLI_AUTH": self.password} if self.password else None
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=CLI_S, check=False, env=entering
        )
        return done.stdout.strip()

    def everything(self) -> str:
        """Every key with all it holds, as text."""
        lines = list[str]()
        for key in self.cli("keys", "*").splitlines():
            kind = self.cli("type", key)
            held = self.cli("lrange", key, "0", "-1") if kind == "list" else self.cli("get", key)
            lines.append(f"{key}\n{held}")
        return "\n".join(lines)

    def kill(self) -> None:
        """End it as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_S)

    def freeze(self) -> None:
        """Let it answer nobody, with every connection open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it, whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("it was not started")
        self._process.send_signal(number)


@contextmanager
def redis_server(folder: Path, *options: str, password: str = "") -> Iterator[RedisServer]:
    """A Redis of one's own."""
    server = RedisServer(free_port(), _made(folder), options, password)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@contextmanager
def redis_cluster(folder: Path, *options: str) -> Iterator[list[RedisServer]]:
    """Three primaries that share the slots, and no replicas."""
    with ExitStack() as stack:
        nodes = list[RedisServer]()
        for number in range(3):
            port, bus = free_port(), free_port()
            # A node that a fault test holds up is not declared dead meanwhile.
            patient = ("--cluster-node-timeout", "15000")
            clustered = ("--cluster-enabled", "yes", "--cluster-port", str(bus), *patient)
            node = RedisServer(port, _made(folder / str(number)), (*clustered, *options))
            stack.callback(node.stop)
            node.start()
            nodes.append(node)
        addresses = [f"127.0.0.1:{node.port}" for node in nodes]
        command = [_CLI, "--cluster", "create", *addresses, "--cluster-yes"]
        subprocess.run(command, capture_output=True, timeout=CLUSTER_S, check=True)
        _wait_for_agreement(nodes)
        yield nodes


def _wait_for_agreement(nodes: list[RedisServer]) -> None:
    for _ in range(int(CLUSTER_S / LOOK_S)):
        if all("cluster_state:ok" in node.cli("cluster", "info") for node in nodes):
            return
        time.sleep(LOOK_S)
    raise TimeoutError("the cluster did not come up")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
