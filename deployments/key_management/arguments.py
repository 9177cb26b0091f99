"""What `supportmax data` takes."""

import argparse
from pathlib import Path

from deployments.user_data.arguments import add_retention


def add_data(command: argparse.ArgumentParser) -> None:
    """`data reseal`, `data verify`, `data forget-tenant` and `data retention`."""
    command.add_argument(
        "--config",
        action="append",
        type=Path,
        help="whose database and keys; none: of the last start",
    )
    command.set_defaults(profile="development")
    actions = command.add_subparsers(dest="action", required=True)
    actions.add_parser(
        "reseal",
        help="wrap every data key and seal every row anew, after a change of keys or an upgrade",
    )
    actions.add_parser(
        "verify",
        help="open every row, change nothing, and count what is in clear or cannot be read",
    )
    forget = actions.add_parser(
        "forget-tenant", help="destroy a tenant's data keys: nobody reads what they sealed again"
    )
    forget.add_argument("tenant")
    forget.add_argument("--confirm", metavar="TENANT", help="the same again: it cannot be undone")
    add_retention(actions)
