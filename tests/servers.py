"""The real servers that tests talk to, each a process of its own on a free loopback port."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx2

from deployments.platforms.base import Connection

START_S = 20.0  # a cold start compiles bytecode; on two busy cores that took 6 s
STOP_S = 5.0
CONTROL_S = 10.0
LOOK_S = 0.02
REPOSITORY = Path(__file__).parent.parent
# Of the platforms whose simulator is not called, or not reached, by the platform's own name.
_SIMULATORS = {"azure_openai": "azure", "copilot_studio": "copilot", "google_vertex": "vertex"}
_ADDRESSES = {
    "azure_openai": "azure",
    "copilot_studio": "copilot",
    "google_vertex": "vertex",
    "openai": "openai/v1",
}
# What a platform must be told beside its address and its credential.
OPTIONS: Mapping[str, Mapping[str, str]] = {
    "copilot_studio": {"bot_id": "00000000-0000-4000-8000-00000c0b1107", "quiet_period_s": "0.05"},
    "copilot_studio:direct_to_engine": {
        "environment_id": "00000000-0000-0000-0000-0000000000ab",
        "schema_name": "cr_support",
    },
    "google_vertex": {"project_id": "shop", "location": "us-central1"},
    "google_vertex:agent_engine": {
        "agent_engine": "projects/shop/locations/us-central1/reasoningEngines/42"
    },
}


@dataclass(frozen=True, slots=True)
class SimulatedRequest:
    """One request as the simulators saw it, and how it ended; the credential is not kept."""

    platform: str
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, object]
    completed: bool
    cancelled: bool


@dataclass(frozen=True, slots=True)
class Simulators:
    """The simulators of all platforms in one process, which accepts only `key`."""

    base_url: str
    key: str

    def address(self, platform: str) -> str:
        """What to give an adapter as `base_url`."""
        return f"{self.base_url}/{_ADDRESSES.get(platform, platform)}"

    def connection(self, platform: str) -> Connection:
        """What to open an adapter with; `platform:wire` chooses another than its usual wire."""
        address = self.address(platform.partition(":")[0])
        return Connection(self.key, address, 4, OPTIONS.get(platform, {}))

    async def script(self, platform: str, *behaviours: Mapping[str, object]) -> None:
        """Queue what `platform` does with its next requests, one behaviour each.

        `platform/models` is its list of models alone, which no other order is for.
        """
        name, slash, what = platform.partition("/")
        simulator = f"{_SIMULATORS.get(name, name)}{slash}{what}"
        await self._ask("POST", "script", {"behaviours": behaviours, "platform": simulator})

    async def clear(self) -> None:
        """Forget the script and the requests."""
        await self._ask("DELETE", "script")
        await self._ask("DELETE", "requests")

    async def requests(self, settled_within_s: float = 5.0) -> list[SimulatedRequest]:
        """The requests so far; waits, but not for ever, until all of them have ended."""
        reply = await self._ask("GET", f"requests?settled_within_s={settled_within_s}")
        found = cast("list[dict[str, object]]", reply["requests"])
        return [
            SimulatedRequest(
                platform=str(entry["platform"]),
                method=str(entry["method"]),
                path=str(entry["path"]),
                headers=cast("dict[str, str]", entry["headers"]),
                body=cast("dict[str, object]", entry["body"]),
                completed=bool(entry["completed"]),
                cancelled=bool(entry["cancelled"]),
            )
            for entry in found
        ]

    async def _ask(self, method: str, what: str, order: object = None) -> dict[str, object]:
        # Plain HTTP needs no certificates, and loading them is most of a client's cost.
        async with httpx2.AsyncClient(verify=False, timeout=CONTROL_S) as client:
            reply = await client.request(method, f"{self.base_url}/_simulator/{what}", json=order)
        reply.raise_for_status()
        return cast("dict[str, object]", reply.json())


@contextmanager
def simulators(directory: Path, key: str = "sk-simulated-0123456789") -> Iterator[Simulators]:
    """Run the simulators; they answer at once, unless a script says otherwise."""
    port_file = directory / "simulators.port"
    arguments = ["--port", "0", "--port-file", str(port_file), "--key", key]
    pace = ["--latency-ms", "0", "--chunk-ms", "0"]
    command = [sys.executable, "-m", "deployments.simulators.server", *arguments, *pace]
    with subprocess.Popen(command, cwd=REPOSITORY) as process:
        try:
            port = wait_for_port(process, port_file)
            yield Simulators(f"http://127.0.0.1:{port}", key)
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for_port(process: subprocess.Popen[bytes], port_file: Path) -> int:
    """The port a server has written to a file when it began to listen."""
    for _ in range(int(START_S / LOOK_S)):
        if port_file.exists():
            return int(port_file.read_text())
        with suppress(subprocess.TimeoutExpired):
            status = process.wait(LOOK_S)
            message = f"the server ended with status {status} before it listened"
            raise RuntimeError(message)
    message = f"the server did not listen within {START_S:g} s"
    raise TimeoutError(message)
