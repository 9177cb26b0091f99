"""`supportmax run`: one machine, in the foreground, from nothing to the first answer."""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.error import URLError
from urllib.request import urlopen

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from config.loader import load_settings
from config.resolve import resolve_platforms
from config.settings import Settings
from deployments import first_start, flags
from deployments.boot import SIMULATOR_KEY, Boot
from deployments.database import address_of
from deployments.last_start import note_start
from deployments.preflight import preflight
from deployments.simulators.process import Simulators
from routing.clock import SystemClock
from routing.errors import SupportMaxError

if TYPE_CHECKING:
    from types import FrameType

STEPS = 6
# Far more than the 15 s a start takes here; a machine that needs longer is in trouble.
START_TIMEOUT_S = 180.0


class StartError(SupportMaxError):
    """SupportMax could not be started; the text says what to do about it."""

    code = "start_failed"


def run(boot: Boot, port: int | None, console: Console) -> None:
    """Start, say where everything is, stay until told to stop, and leave no process behind.

    Raises:
        ConfigError: the configuration cannot be meant.
        StartError: the port or the data directory is taken, or a part did not come up.
    """
    flags.apply(boot.home)
    loaded = load_settings(boot.config, os.environ, boot.profile)
    for warning in loaded.warnings:
        console.print(f"[yellow]warning[/] {warning}", soft_wrap=True, highlight=False)
    settings = loaded.settings
    port = settings.server.port if port is None else port
    resolved = resolve_platforms(settings, boot.profile)
    preflight(boot, settings)
    # Here and not above: it knows the indexer, and Ray reads its switches when it is imported.
    from deployments.knowledge.embedders import indexer_options  # noqa: PLC0415

    indexer_options(boot, settings, address_of(boot, settings))
    if all(p.state == "disabled" for p in resolved):
        why = "; ".join(f"{p.name}: {p.reason}" for p in resolved) or "none is configured"
        raise StartError(f"no platform can be asked ({why})")
    with contextlib.ExitStack() as stack:
        stack.enter_context(_alone(boot.home))
        _refuse_taken(settings.server.host, port)
        note_start(boot.home, boot.config)
        stop = _Stop()
        stack.enter_context(stop)
        with _progress(console) as progress:
            steps = progress.add_task("preparing the data directory", total=STEPS)
            asyncio.run(first_start.prepare(boot, SystemClock()))
            progress.update(steps, advance=1, description="starting the simulators")
            simulators = None
            if any(p.state == "simulated" for p in resolved):
                simulators = stack.enter_context(Simulators(boot.home, SIMULATOR_KEY))
            progress.update(steps, advance=1, description="starting Ray")
            # Ray's workers look for modules in the driver's folder first: in one with a
            # package called `config` they would find that in place of ours.
            os.chdir(boot.home)
            dashboard = stack.enter_context(_ray(stop))
            stop.listen()  # again: Ray has put a handler of its own in place of ours
            if simulators is not None:
                simulators.wait_until_up()
                boot = replace(boot, simulators=simulators.address)
            progress.update(steps, advance=1, description="starting the replicas")
            _serve(boot, settings, port)
            progress.update(steps, advance=1, description="waiting for the first snapshot")
            address = f"http://{settings.server.host}:{port}"
            _wait_until_ready(address, stop)
            progress.update(steps, advance=2, description="ready")
        _say(console, address, boot, dashboard)
        while not stop.wait(1.0):
            if simulators is not None:
                simulators.keep_alive()
        console.print("stopping when the answers under way are given (Ctrl-C again: at once) …")


class _Stop:
    """Ctrl-C and SIGTERM as a condition that can be waited for; a second one ends a drain."""

    def __init__(self) -> None:
        self.asked = False
        self._drains = False
        self._read, self._write = os.pipe()

    def wait(self, seconds: float) -> bool:
        """Whether stopping was asked for, within `seconds`."""
        import select  # noqa: PLC0415

        if not self.asked:
            select.select([self._read], [], [], seconds)
        return self.asked

    def listen(self) -> None:
        """Take the signals."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    @contextlib.contextmanager
    def impatience(self) -> Iterator[None]:
        """Let the next signal end what is inside, and nothing after it."""
        self._drains = True
        try:
            with contextlib.suppress(KeyboardInterrupt):
                yield
        finally:
            self._drains = False

    def _ask(self, number: int, frame: "FrameType | None") -> None:
        if self._drains:
            self._drains = False
            raise KeyboardInterrupt
        self.asked = True
        os.write(self._write, b"x")


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """One SupportMax per data directory."""
    with (home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"another SupportMax runs in {home}; stop it, or set SUPPORTMAX_HOME"
            raise StartError(message) from None
        yield


def _refuse_taken(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            message = f"{host}:{port} is taken; choose another with `make run PORT=…`"
            raise StartError(message) from None


@contextlib.contextmanager
def _ray(stop: "_Stop") -> Iterator[str]:
    """A Ray node of our own; yields its dashboard's address."""
    import ray  # noqa: PLC0415  after the flags, and not for `supportmax check`

    from actors import names  # noqa: PLC0415

    context = ray.init(
        address="local",
        namespace=names.NAMESPACE,
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        # Replicas ask for a tenth each; on one core the controller would not fit otherwise.
        num_cpus=max(4, os.cpu_count() or 1),
        log_to_driver=False,
        logging_level=logging.ERROR,
        configure_logging=True,
    )
    try:
        yield f"http://{context.dashboard_url}"
    finally:
        from ray import serve  # noqa: PLC0415

        from deployments import options  # noqa: PLC0415

        with _quiet():
            # First the applications alone, both at once: their replicas finish what they have,
            # and HAProxy is still there to carry it.
            with stop.impatience():
                serve.delete(options.MCP_APPLICATION, _blocking=False)
                serve.delete(options.APPLICATION)
                serve.delete(options.MCP_APPLICATION)
            serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what Ray says of processes that were asked to end; it helps nobody at the terminal.

    Its listener writes to streams of its own, so the descriptors are what has to go.
    """
    sys.stdout.flush()
    kept = [os.dup(number) for number in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    try:
        yield
    finally:
        for number, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


def _serve(boot: Boot, settings: Settings, port: int) -> None:
    from ray import serve  # noqa: PLC0415
    from ray.serve.config import HTTPOptions, ProxyLocation  # noqa: PLC0415
    from ray.serve.schema import LoggingConfig  # noqa: PLC0415

    from deployments import app, options  # noqa: PLC0415
    from deployments.mcp_gateway.resource_metadata import PATH  # noqa: PLC0415

    # Serve sets its level when it is imported; what it says of a start is said better below.
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    logging_config = LoggingConfig(enable_access_log=False, log_level="WARNING")
    serve.start(
        proxy_location=ProxyLocation.HeadOnly,
        http_options=HTTPOptions(host=settings.server.host, port=port),
        logging_config=logging_config,
    )
    targets = [
        serve.RunTarget(app.build(boot), options.APPLICATION, "/", logging_config),
        serve.RunTarget(app.build_mcp(boot), options.MCP_APPLICATION, PATH, logging_config),
    ]
    try:
        serve.run_many(targets)
    except RuntimeError as error:
        logs = "/tmp/ray/session_latest/logs/serve"  # noqa: S108  where Ray puts them
        raise StartError(f"the replicas did not start ({error}); they say why in {logs}") from error


def _wait_until_ready(address: str, stop: _Stop) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until and not stop.asked:
        try:
            with urlopen(f"{address}/readyz", timeout=5.0) as answer:  # noqa: S310  our own address
                if answer.status == 200:
                    return
        except (URLError, OSError):
            stop.wait(0.1)
    if not stop.asked:
        raise StartError(f"{address}/readyz did not say ok within {START_TIMEOUT_S:.0f} s")


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


def _say(console: Console, address: str, boot: Boot, dashboard: str) -> None:
    key = boot.admin_key
    lines = (
        f"SupportMax   {address}",
        f"MCP          {address}/mcp",
        f"admin key    {key}",
        f"dashboard    {dashboard}   (token: {boot.home / 'ray.token'})",
        "",
        "Ask it something:",
        "",
        f"""curl -s {address}/v3/chat -H "Authorization: Bearer $(cat {key})" \\""",
        """  -H 'Content-Type: application/json' \\""",
        """  -d '{"message": "I was charged twice in November. Do I get my money back?", "user_id": "user_123"}'""",
        "",
        "Ctrl-C stops everything.",
    )
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
