"""What `supportmax user` takes."""

import argparse
from pathlib import Path

from deployments.demo import TENANT


def add_user(command: argparse.ArgumentParser) -> None:
    """`user export` and `user erase`."""
    command.add_argument(
        "--config", action="append", type=Path, help="whose database; none: of the last start"
    )
    command.set_defaults(profile="development")
    actions = command.add_subparsers(dest="action", required=True)
    export = actions.add_parser(
        "export", help="print everything that is stored about a person, as lines of JSON"
    )
    export.add_argument("--tenant", default=TENANT, help=f"whose (default: {TENANT})")
    erase = actions.add_parser(
        "erase", help="erase it and print how much; 1 if some could not be reached yet"
    )
    # Nothing is asked and nothing comes back, so whose it is is never a guess.
    erase.add_argument("--tenant", required=True, help="whose; there is no default")
    for action in (export, erase):
        action.add_argument("user", help="the person's user_id, or their subject if they sign on")


def add_retention(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """`data retention`."""
    action = actions.add_parser("retention", help="what is too old and would go now; nothing goes")
    action.add_argument("--tenant", default=None, help="whose; none: everybody's")
