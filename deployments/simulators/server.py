"""The process which runs the simulators: one application, one loopback port.

Started as `python -m deployments.simulators.server --port 0 --port-file PATH`.
"""

import argparse
import os
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from typing_extensions import override

from deployments.simulators import anthropic, azure, copilot, openai, vertex
from deployments.simulators.control import control_routes
from deployments.simulators.delivery import Pace
from deployments.simulators.exchange import Stage

HOST = "127.0.0.1"
GRACE_S = 2  # a stalled answer may not hold the process longer
TICKS_A_SECOND = 10  # of uvicorn's main loop

PLATFORMS: dict[str, Callable[[Stage], Starlette]] = {
    openai.NAME: openai.openai_app,
    anthropic.NAME: anthropic.anthropic_app,
    azure.NAME: azure.azure_app,
    vertex.NAME: vertex.vertex_app,
    copilot.NAME: copilot.copilot_app,
}


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """How the simulators behave when nothing is scripted; without a key any key is accepted."""

    key: str | None = None
    latency_ms: float = 25.0
    chunk_ms: float = 2.0


def build_app(options: SimulatorOptions) -> Starlette:
    """Return the application of all simulators, each under its platform's name."""
    pace = Pace(options.latency_ms / 1_000, options.chunk_ms / 1_000)
    stage = Stage(key=options.key, pace=pace)
    mounts = [Mount(f"/{name}", app=build(stage)) for name, build in PLATFORMS.items()]
    return Starlette(routes=[*control_routes(stage, PLATFORMS.keys()), *mounts])


class _Server(uvicorn.Server):
    """A server which says where it listens, and ends when its parent has gone."""

    def __init__(self, config: uvicorn.Config, port_file: Path | None) -> None:
        super().__init__(config)
        self._port_file = port_file
        self._parent = os.getppid()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._port_file is not None and sockets:
            _write_port(self._port_file, sockets[0].getsockname()[1])

    @override
    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_SECOND == 0 and os.getppid() != self._parent:
            return True
        return await super().on_tick(counter)


def _write_port(path: Path, port: int) -> None:
    """Write the port so that a reader sees all of it or nothing."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(f"{port}\n")
    draft.replace(path)


def _leave(_signal: int, _frame: FrameType | None) -> NoReturn:
    # uvicorn shuts down first and then raises the signal again, for us: an ordered end is exit 0.
    raise SystemExit(0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the simulators until a signal, or the parent's end."""
    parser = argparse.ArgumentParser(description="Simulators of the AI platforms, on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--port-file", type=Path, help="where to write the port once it listens")
    parser.add_argument("--key", help="the API key to accept; any if left out")
    parser.add_argument("--latency-ms", type=float, default=25.0, help="before the first byte")
    parser.add_argument("--chunk-ms", type=float, default=2.0, help="between chunks of a stream")
    chosen = parser.parse_args(arguments)
    if chosen.port_file is not None:
        chosen.port_file.unlink(missing_ok=True)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    config = uvicorn.Config(
        build_app(SimulatorOptions(chosen.key, chosen.latency_ms, chosen.chunk_ms)),
        host=HOST,
        port=chosen.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE_S,
    )
    _Server(config, chosen.port_file).run(sockets=[config.bind_socket()])


if __name__ == "__main__":
    main()
