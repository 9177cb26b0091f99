"""Ports of the loopback for servers that cannot choose one and say which."""

import itertools
import os
import socket
from contextlib import suppress

# Below those the system gives to whoever names none (Linux: from 32,768 on), so that no connection has
# one before its server does, and below what a product and PostgreSQL choose from (20,000 on).
_FIRST, _COUNT = 13_000, 6_000
# Processes that run side by side have neighbouring numbers, and begin this far from each other.
_APART = 97

_next = itertools.count(os.getpid() * _APART)


def free_port() -> int:
    """A port that nobody listens on; this process is not given it again for a long time.

    Raises:
        RuntimeError: somebody listens on every one.
    """
    for number in itertools.islice(_next, _COUNT):
        port = _FIRST + number % _COUNT
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")
