"""What a tool call over the wire costs in the replica, beside the SDK's own server with the same tool.

The official client makes one call, and what it sent is sent again: so the figures are the
servers', and not a client's. The two take turns, so that a busy machine is busy for both.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import TYPE_CHECKING

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from rich.table import Table

from tests.bench.cpu import TICK_S, cpu_ticks

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

ROUNDS = 7
CALLS = 300
WARM_UP = 100
CPU_MS = 2.0
_TOOLS = {"bare": "noop", "ours": "bench__noop"}


@dataclass(frozen=True, slots=True)
class Called:
    """One server's calls: milliseconds of its processor a call, and of wall time until the answer."""

    cpu_ms: float
    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Found:
    """Medians over the rounds; `ratio` is ours by the bare one's within a round."""

    bare: Called
    ours: Called
    ratio: float


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as the official client sends it."""

    pid: int
    url: str
    headers: Mapping[str, str]
    body: bytes


def measure(progress: "Progress") -> Found:
    """Start both, and call them in turn."""
    bar = progress.add_task("mcp", total=2 * ROUNDS)
    rounds: dict[str, list[Called]] = {"bare": [], "ours": []}
    with ExitStack() as stack:
        started = {which: stack.enter_context(_started(which)) for which in rounds}
        asked = {which: asyncio.run(_recorded(which, *at)) for which, at in started.items()}
        for which in rounds:
            _call(asked[which], WARM_UP)
        for _ in range(ROUNDS):
            for which, found in rounds.items():
                found.append(_call(asked[which], CALLS))
                progress.advance(bar)
    pairs = zip(rounds["ours"], rounds["bare"], strict=True)
    return Found(
        _median(rounds["bare"]),
        _median(rounds["ours"]),
        median(ours.cpu_ms / bare.cpu_ms for ours, bare in pairs),
    )


@contextmanager
def _started(which: str) -> Iterator[tuple[int, int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.mcp_replica", which],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        line = b"" if process.stdout is None else process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server {which} did not start")
        yield process.pid, int(line)
    finally:
        process.kill()
        process.communicate()


async def _recorded(which: str, pid: int, port: int) -> _Asked:
    """What the client sends for a call, once it was answered as it should be."""
    sent: list[httpx2.Request] = []

    async def record(request: httpx2.Request) -> None:
        await request.aread()
        sent.append(request)

    url = f"http://127.0.0.1:{port}/mcp"
    async with (
        httpx2.AsyncClient(
            event_hooks={"request": [record]}, verify=False, trust_env=False, follow_redirects=True
        ) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        answer = await client.call_tool(_TOOLS[which], {"text": "again ", "times": 3})
    if answer.is_error or "again again again" not in str(answer.content):
        raise RuntimeError(f"the server {which} answered {answer}")
    # The last: the bare server sends a caller on to its path with a slash first.
    call = [request for request in sent if b'"tools/call"' in request.content][-1]
    skipped = {"host", "content-length", "connection"}
    headers = {name: value for name, value in call.headers.items() if name not in skipped}
    return _Asked(pid, str(call.url), headers, call.content)


def _call(asked: _Asked, calls: int) -> Called:
    pids = {asked.pid: "replica"}
    took = list[float]()
    with httpx2.Client(verify=False, trust_env=False) as http:
        before = cpu_ticks(pids)["replica"]
        for _ in range(calls):
            began = time.perf_counter()
            answer = http.post(asked.url, headers=dict(asked.headers), content=asked.body)
            took.append((time.perf_counter() - began) * 1000)
            if b"again again again" not in answer.content:
                raise RuntimeError(f"a call was answered {answer.status_code} {answer.text[:200]}")
        ticks = cpu_ticks(pids)["replica"] - before
    return Called(1000 * TICK_S * ticks / calls, median(took), quantiles(took, n=20)[-1])


def _median(rounds: list[Called]) -> Called:
    return Called(
        median(one.cpu_ms for one in rounds),
        median(one.p50_ms for one in rounds),
        median(one.p95_ms for one in rounds),
    )


def show(found: Found, console: "Console") -> None:
    """For people."""
    table = Table(title="A tool call over the wire, tools/call of 2026-07-28", title_justify="left")
    for column in ("what", "the SDK's server", "the gateway", "target"):
        table.add_column(column, justify="left" if column == "what" else "right")
    bare, ours = found.bare, found.ours
    table.add_row("CPU", f"{bare.cpu_ms:.2f} ms", f"{ours.cpu_ms:.2f} ms", f"<= {CPU_MS:.0f} ms")
    table.add_row("p50", f"{bare.p50_ms:.2f} ms", f"{ours.p50_ms:.2f} ms", "")
    table.add_row("p95", f"{bare.p95_ms:.2f} ms", f"{ours.p95_ms:.2f} ms", "")
    table.add_row("CPU, of the SDK's", "1", f"{found.ratio:.2f}", "")
    console.print(table)


def plain(found: Found) -> dict[str, object]:
    """For bench.json."""

    def rounded(called: Called) -> dict[str, float]:
        return {name: round(value, 3) for name, value in asdict(called).items()}

    return {
        "mcp": {
            "bare": rounded(found.bare),
            "ours": rounded(found.ours),
            "ratio": round(found.ratio, 3),
        }
    }
