"""The address where a service is to be, before it is there and until it answers."""

import errno
import socket
from http import HTTPStatus
from urllib.error import HTTPError

import orjson

# A problem of ours has a few hundred bytes.
_PROBLEM_MAX = 65_536


def why_not_here(host: str, port: int) -> str | None:
    """Why nobody can listen there, in the system's own words; None if it can be done."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        places = [place for family, *_, place in found if family == socket.AF_INET]
        if not places:
            # Serve's replicas would listen at the same address, and its HAProxy asks them by IPv4.
            return f"{host} is an address of IPv6; write one of IPv4 as server.host, with a proxy before it"
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(places[0])
    except (OSError, UnicodeError) as error:
        code = error.errno if isinstance(error, OSError) else None
        if code == errno.EADDRINUSE:
            return f"{host}:{port} is taken; choose another with `make run PORT=…`"
        why = getattr(error, "strerror", None) or "that is no name of a host"
        return f"{host}:{port} cannot be listened at: {why}; correct server.host, or the port"
    return None


def serves_others(refused: HTTPError) -> bool:
    """Whether a replica is up, but not for who calls from this machine (`limits.networks`)."""
    if refused.code != HTTPStatus.FORBIDDEN:
        return False
    try:
        problem = orjson.loads(refused.read(_PROBLEM_MAX))
    except (OSError, ValueError):
        return False
    return isinstance(problem, dict) and problem.get("code") == "address_not_allowed"
