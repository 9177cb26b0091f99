"""Whether there is anything here that a command could be about: in the wrong folder there is nothing."""

import argparse
from pathlib import Path

from deployments.boot import Boot
from deployments.database import address_of
from routing.errors import RequestError

# They make the data directory, ask a service over HTTP, or need no more than the files they are given.
_WITHOUT = frozenset({"agent-engine", "check", "drill", "platforms", "run"})


def is_about_data(asked: argparse.Namespace) -> bool:
    """Whether the command reads or changes what a start left behind."""
    match asked.command:
        case "audit" if asked.action == "verify":
            # An auditor has three copies, and no data directory.
            return asked.path is None or asked.public_key is None
        case "simulate":
            return bool(asked.ledger)
        case command:
            return command not in _WITHOUT


def must_have_started(boot: Boot) -> None:
    """Return if the database is there, or is one that is asked over the network.

    A new one would be empty, with keys that fit nothing, and every question about it answered with yes.

    Raises:
        RequestError: `not_started`; nothing was made.
        ConfigError: the configuration cannot be meant.
    """
    address = address_of(boot)
    if isinstance(address, Path) and not address.exists():
        message = (
            f"nothing was ever started in {boot.home}; go to the folder in which it was, "
            "or set SUPPORTMAX_HOME to its data directory (.supportmax there)"
        )
        raise RequestError("not_started", message)
