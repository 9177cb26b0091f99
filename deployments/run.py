"""`supportmax run`: one machine, in the foreground, from nothing to the first answer."""

import asyncio
import contextlib
import fcntl
import logging
import os
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from rich.console import Console

from config.loader import load_settings
from config.resolve import ResolvedPlatform, resolve_platforms
from config.settings import Settings
from deployments import first_start, flags, haproxy
from deployments.banner import banner
from deployments.boot import SIMULATOR_KEY, Boot
from deployments.database import address_of
from deployments.family import below, ended_after
from deployments.last_start import note_start
from deployments.listening import serves_others, why_not_here
from deployments.preflight import doubts, preflight
from deployments.progress import Steps
from deployments.replica_faults import fault_in
from deployments.simulators.process import Simulators
from deployments.stop import Stop
from routing.clock import SystemClock
from routing.errors import SupportMaxError

if TYPE_CHECKING:
    from ray.serve.schema import ApplicationStatusOverview

STEPS = 5
# Far more than the 15 s a start takes here; a machine that needs longer is in trouble.
START_TIMEOUT_S = 180.0
# The controller looks at its replicas as often (deployments.flags).
_LOOK_S = 0.25
# Ray's store ends within 0.1 s of a SIGTERM.
_GONE_S = 1.0
_LOGS = "they say why in /tmp/ray/session_latest/logs/serve"


class StartError(SupportMaxError):
    """SupportMax could not be started; the text says what to do about it."""

    code = "start_failed"


class RayGone(SupportMaxError):
    """What was to be stopped in order is gone already."""

    code = "ray_gone"

    def __init__(self, pid: int) -> None:
        super().__init__(
            f"SIGTERM went to Ray's processes too, which broke off the answers under way; "
            f"send it to this process alone ({pid}), and to no group (systemd: KillMode=mixed)"
        )


def run(boot: Boot, port: int | None, console: Console) -> None:
    """Start, say where everything is, stay until told to stop, and leave no process behind.

    Raises:
        ConfigError: the configuration cannot be meant.
        StartError: the port or the data directory is taken, or a part did not come up.
        RayGone: a signal ended Ray before it could be ended in order.
    """
    flags.apply(boot.home)
    os.environ[haproxy.OWNER] = str(os.getpid())
    loaded = load_settings(boot.config, os.environ, boot.profile)
    settings = loaded.settings
    _warn(console, loaded.warnings)
    port = settings.server.port if port is None else port
    resolved = resolve_platforms(settings, boot.profile)
    preflight(boot, settings)
    _warn(console, doubts(settings))
    # Here and not above: it knows the indexer, and Ray reads its switches when it is imported.
    from deployments.knowledge.embedders import indexer_options  # noqa: PLC0415

    indexer_options(boot, settings, address_of(boot, settings))
    _refuse_silent(resolved)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_alone(boot.home))
        _refuse_taken(settings.server.host, port)
        note_start(boot.home, boot.config)
        stop = Stop()
        stack.enter_context(stop)
        with Steps(console, STEPS) as steps:
            steps.begin("preparing the data directory")
            key_opens = asyncio.run(first_start.prepare(boot, SystemClock()))
            steps.begin("starting the simulators")
            simulators = None
            if any(p.state == "simulated" for p in resolved):
                simulators = stack.enter_context(Simulators(boot.home, SIMULATOR_KEY))
            if stop.asked:
                return
            steps.begin("starting Ray")
            # Ray's workers look for modules in the driver's folder first: in one with a
            # package called `config` they would find that in place of ours.
            os.chdir(boot.home)
            dashboard = stack.enter_context(_ray(stop))
            if not dashboard:
                return
            stop.listen()  # again: Ray has put a handler of its own in place of ours
            if simulators is not None:
                simulators.wait_until_up()
                boot = replace(boot, simulators=simulators.address)
            steps.begin("starting the replicas, which takes longest")
            _serve(boot, settings, port, stop)
            address = f"http://{settings.server.host}:{port}"
            if not stop.asked:
                steps.begin("waiting for the first snapshot")
                _wait_until_ready(address, stop)
        if not stop.asked:
            for line in banner(boot, address, dashboard, key_opens=key_opens):
                console.print(line, markup=False, highlight=False, soft_wrap=True)
        while not stop.wait(1.0):
            if simulators is not None:
                simulators.keep_alive()
        console.print("stopping when the answers under way are given (Ctrl-C again: at once) …")


def _warn(console: Console, warnings: Iterable[object]) -> None:
    for warning in warnings:
        console.print(f"[yellow]warning[/] {warning}", soft_wrap=True, highlight=False)


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


def _refuse_silent(resolved: Sequence[ResolvedPlatform]) -> None:
    """Without a platform that can be asked there is nothing to start."""
    if all(p.state == "disabled" for p in resolved):
        why = "; ".join(f"{p.name}: {p.reason}" for p in resolved) or "none is configured"
        raise StartError(f"no platform can be asked ({why})")


def _refuse_taken(host: str, port: int) -> None:
    """Return if the address can be listened at; raises StartError with why not."""
    if (why := why_not_here(host, port)) is not None:
        raise StartError(why)


@contextlib.contextmanager
def _ray(stop: Stop) -> Iterator[str]:
    """A Ray node of our own; yields its dashboard's address, and nothing of one that was not to be."""
    import ray  # noqa: PLC0415  after the flags, and not for `supportmax check`

    from actors import names  # noqa: PLC0415

    ours = below(os.getpid())
    # Of a terminal's Ctrl-C the dashboard dies while it starts, which Ray tells in forty lines, or
    # waits a minute for.
    with stop.at_once():
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
    if stop.asked:
        # It does not know of all its processes yet, and some would look for each other for a minute.
        with ended_after(below(os.getpid()) - ours), _quiet():
            ray.shutdown()
        yield ""
        return
    gcs = ray.get_runtime_context().gcs_address
    try:
        yield f"http://{context.dashboard_url}"
    finally:
        from ray import serve  # noqa: PLC0415

        from deployments import options  # noqa: PLC0415

        if stop.was_told_to_all and _is_gone(gcs):
            # Whatever is asked of Ray now waits a minute for nobody, and then ends this process.
            with _quiet():
                ray.shutdown()
            raise RayGone(os.getpid())
        with _quiet():
            # First the applications alone, both at once: their replicas finish what they have,
            # and HAProxy is still there to carry it.
            with stop.impatience():
                serve.delete(options.MCP_APPLICATION, _blocking=False)
                serve.delete(options.APPLICATION)
                serve.delete(options.MCP_APPLICATION)
            serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


def _is_gone(gcs: str) -> bool:
    """Whether Ray's own store went, within a moment: the signal that ended it may have been ours too."""
    host, _, port = gcs.rpartition(":")
    until = time.monotonic() + _GONE_S
    while time.monotonic() < until:
        try:
            socket.create_connection((host, int(port)), _GONE_S).close()
        except OSError:
            return True
        time.sleep(_LOOK_S)  # it is another process's end, and no event of ours says so
    return False


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


def _serve(boot: Boot, settings: Settings, port: int, stop: Stop) -> None:
    """Deploy, and return when every replica runs, or as soon as stopping is asked for."""
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
    if stop.asked:
        return
    targets = [
        serve.RunTarget(app.build(boot), options.APPLICATION, "/", logging_config),
        serve.RunTarget(app.build_mcp(boot), options.MCP_APPLICATION, PATH, logging_config),
    ]
    # Serve waits a minute for its proxy and no longer; on a busy machine ours is the longer patience.
    with contextlib.suppress(TimeoutError):
        serve.run_many(targets, wait_for_applications_running=False)
    names = {options.APPLICATION, options.MCP_APPLICATION}
    until = time.monotonic() + START_TIMEOUT_S
    while not stop.wait(_LOOK_S):
        found = serve.status().applications
        if all(name in found and found[name].status == "RUNNING" for name in names):
            return
        for name in names & found.keys():
            _must_not_have_failed(found[name])
        if time.monotonic() > until:
            raise StartError(f"the replicas did not start within {START_TIMEOUT_S:.0f} s; {_LOGS}")


def _must_not_have_failed(application: "ApplicationStatusOverview") -> None:
    """Raise StartError with what a replica raised, if that is final or none is tried any more."""
    has_failed = application.status == "DEPLOY_FAILED"
    for deployment in application.deployments.values():
        fault = fault_in(deployment.message)
        if fault is not None and (fault.lasts or has_failed):
            where = "" if fault.lasts else f"; {_LOGS}"
            raise StartError(f"the replicas did not start: {fault.reason}{where}")
    if has_failed:
        raise StartError(f"the replicas did not start ({application.message}); {_LOGS}")


def _wait_until_ready(address: str, stop: Stop) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until and not stop.asked:
        try:
            with urlopen(f"{address}/readyz", timeout=5.0) as answer:  # noqa: S310  our own address
                if answer.status == 200:
                    return
        except HTTPError as refused:
            if serves_others(refused):
                return
            stop.wait(0.1)
        except (URLError, OSError):
            stop.wait(0.1)
    if not stop.asked:
        raise StartError(f"{address}/readyz did not say ok within {START_TIMEOUT_S:.0f} s")
