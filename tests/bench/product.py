"""The product, started and stopped as a user would, with one platform that is our upstream."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.bench.cpu import family, is_same
from tests.bench.wire import MODEL, QUESTION

# A start takes 15 s on two quiet cores; a loaded machine may need several times that.
START_TIMEOUT_S = 90.0
SETTLES_S = 3.0
# Stopping drains replicas and ends Ray: 8 s here.
STOP_TIMEOUT_S = 45.0

_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
_CONFIG = f"""\
platforms:
  openai:
    api_key: ${{OPENAI_API_KEY}}
    model: {MODEL}
    base_url: ${{OPENAI_BASE_URL}}
  anthropic:
    enabled: false
"""


@dataclass(frozen=True, slots=True)
class Product:
    """A product that answers; `start_s` from the command to its first answer."""

    pid: int
    port: int
    key: str
    start_s: float


@contextlib.contextmanager
def running(home: Path, upstream_port: int) -> Iterator[Product]:
    """`supportmax run` in a directory of its own, until the block ends.

    Raises:
        RuntimeError: it did not start; the text ends with what it said.
    """
    config = home / "bench.yaml"
    config.write_text(_CONFIG)
    port = _free_port()
    log = home / "run.log"
    environment = {
        # A proxy of the machine's would stand between the product and our upstream.
        **{name: value for name, value in os.environ.items() if name.lower() not in _PROXIES},
        "SUPPORTMAX_HOME": str(home),
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream_port}/v1",
    }
    command = [str(Path(sys.executable).with_name("supportmax")), "run"]
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port), str(config)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        key = _first_answer(process, home, port, log)
        start_s = time.perf_counter() - began
        # HAProxy is started anew when the last replicas are there, within a second of the first answer, and
        # answers then end their lines, which the load generator holds on to.
        time.sleep(SETTLES_S)
        yield Product(process.pid, port, key, start_s)
    finally:
        _stop(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _first_answer(process: "subprocess.Popen[bytes]", home: Path, port: int, log: Path) -> str:
    """Ask until there is an answer, and return the key it was asked with."""
    key = home / "admin.key"
    until = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < until:
        if key.exists() and _answers(port, key.read_text().strip()):
            return key.read_text().strip()
        time.sleep(0.05)  # between two questions to a process that says nothing of its own accord
    raise RuntimeError(f"the product did not start:\n{log.read_text()[-3000:]}")


def _answers(port: int, key: str) -> bool:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = json.dumps({"message": QUESTION}).encode()
    asked = Request(f"http://127.0.0.1:{port}/v3/chat", body, headers)
    try:
        with urlopen(asked, timeout=10.0) as answer:  # noqa: S310  loopback
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ctrl-C; what it leaves behind is ended one by one."""
    everyone = family(process.pid)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
    for pid, name in everyone.items():
        if is_same(pid, name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait()
