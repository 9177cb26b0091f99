"""Ray's and Serve's switches, in one place, set before Ray is imported anywhere.

Ray reads most of them at import, and workers inherit them from the process that
starts the node: so `apply` comes first in the command line, in the tests, and in
the container's environment (the same names, by `kuberay`). Figures: two cores, Ray
2.60, November 2026.
"""

import contextlib
import hashlib
import os
import secrets
import socket
import stat
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from deployments import haproxy

_CONNECTIONS = "RAY_SERVE_HAPROXY_MAXCONN"
# Of 10,000 ports a machine uses a few: so many misses in a row mean that none can be had.
_TRIES = 100

SERVING: Mapping[str, str] = {
    # HAProxy in place of Serve's Python proxy: 305 -> 2,415 no-op requests/s, 6.7 -> 0.9 ms.
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    # One event loop per replica (-> 3,039/s). Nothing here blocks it: ruff's ASYNC rules.
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    # Handle calls by gRPC instead of the object store: 6.5 -> 2.3 ms.
    "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
    # 4 MiB otherwise, which one image fills. A call carries 64 requests of 1 MiB at most, and
    # images of 32 MiB (multiplex.py); what is left is for the envelopes.
    "RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(128 * 1024 * 1024),
    # Its metrics cost 65 to 150 us per request in another process; ours come from the replicas.
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",
    # The controller looks at everything ten times a second otherwise: with this a service at rest
    # takes 16 % of a core in place of 21, and a lost replica is replaced 0.15 s later at most.
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.25",
    # Ten times a second otherwise, in every replica; Ray itself passes figures on every 10 s.
    "RAY_SERVE_METRICS_EXPORT_INTERVAL_MS": "5000",
    # An idle bound: a stream sends a comment every 15 s, so only the dead are silent this long.
    "RAY_SERVE_HAPROXY_TIMEOUT_SERVER_S": "600",
    # Of the caller's side, while it is their turn: to send more of a request, or to take more of an
    # answer. A stream may be silent for longer. 3,600 otherwise, for whoever holds the line.
    "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "60",
    _CONNECTIONS: str(haproxy.CONNECTIONS_MAX),
    # Ray's workers run 15 steps nicer than everything else on the machine unless told not to.
    "RAY_worker_niceness": "0",
    "RAY_SERVE_REQUEST_PATH_LOG_BUFFER_SIZE": "1000",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    # No GPU is looked for, and none is hidden from tasks that ask for zero.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
FORCED: Mapping[str, str] = {
    # Serve's uvicorn otherwise believes X-Forwarded-For of whoever connects from 127.0.0.1, which
    # HAProxy does for everybody: a key bound to networks would open from anywhere. Whom we believe
    # is `server.trusted_proxies` alone, so no environment may say more.
    "FORWARDED_ALLOW_IPS": "",
}
"""What no operator changes."""


def apply(home: Path, environ: MutableMapping[str, str] | None = None, *, drain_s: int = 0) -> None:
    """Set the switches in `environ` (this process's), where the operator has not set them.

    `FORCED` ones are set whatever the operator said. `home` receives Ray's token (mode 0600; Ray itself would write it for everyone to
    read). `drain_s` is how long a stopping replica keeps answering at the least: load
    balancers in front of a region need 30, one machine needs none.

    Raises:
        PermissionError: the folder for HAProxy's sockets is somebody else's.
    """
    env = os.environ if environ is None else environ
    sockets = _short_folder(home)
    token = home / "ray.token"
    if not token.exists():
        write_secret(token, secrets.token_hex(32))
    own = {
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": str(drain_s),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(sockets / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(sockets / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(sockets),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(sockets / "server-state"),
    }
    if "RAY_SERVE_HAPROXY_BINARY_PATH" not in env:
        connections_max = int(env.get(_CONNECTIONS, SERVING[_CONNECTIONS]))
        if (start := haproxy.script(home, connections_max)) is not None:
            own["RAY_SERVE_HAPROXY_BINARY_PATH"] = str(start)
    for name, value in {**SERVING, **own, **_ports()}.items():
        env.setdefault(name, value)
    env.update(FORCED)


def _short_folder(home: Path) -> Path:
    """A folder of ours for HAProxy's sockets, whose paths may have 97 characters and no more.

    Ray adds 67 of its own, so a data directory may be too deep; this one is named after it.

    Raises:
        PermissionError: somebody else has taken the name.
    """
    name = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:10]
    folder = Path("/tmp") / f"smx-{name}"  # noqa: S108  made for us alone, and checked
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o077:
        raise PermissionError(f"{folder} is not ours alone; remove it, or set SUPPORTMAX_HOME")
    return folder


def _ports() -> dict[str, str]:
    """Ports nobody outside needs to know, so that two SupportMax share a machine.

    Bound and released at once: another process may still take one, and then the start
    fails and says so. They are below those the system gives to outgoing connections (Linux: from
    32,768), which come and go all the time. On Kubernetes every pod has its own and the defaults are set.
    """
    with contextlib.ExitStack() as stack:
        free = [stack.enter_context(_bound()) for _ in range(4)]
        stats, metrics, http, grpc = (str(probe.getsockname()[1]) for probe in free)
    first = 30_000 + secrets.randbelow(200) * 50
    return {
        "RAY_SERVE_HAPROXY_STATS_PORT": stats,
        "RAY_SERVE_HAPROXY_METRICS_PORT": metrics,
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": http,
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": grpc,
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(first),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(first + 49),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(first + 10_000),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(first + 10_049),
    }


def _bound() -> socket.socket:
    for _ in range(_TRIES):
        probe = socket.socket()
        try:
            probe.bind(("127.0.0.1", 20_000 + secrets.randbelow(10_000)))
        except OSError:
            probe.close()
        else:
            return probe
    raise OSError("no port between 20000 and 29999 is free")


def write_secret(path: Path, secret: str) -> None:
    """Write `secret` to `path`, readable by its owner alone, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    scratch.replace(path)
