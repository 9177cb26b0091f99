"""What `supportmax platforms` takes."""

import argparse


def add_platforms(command: argparse.ArgumentParser) -> None:
    """`platforms configure`, `restore`, `show` and `history`."""
    command.set_defaults(profile="development", config=None)
    actions = command.add_subparsers(dest="action", required=True)
    configure = actions.add_parser("configure", help="change settings of one platform")
    configure.add_argument("platform", help="by its name in the configuration")
    configure.add_argument(
        "change",
        nargs="+",
        help="key=value as the file would have it; null puts a key back to what the file says",
    )
    restore = actions.add_parser(
        "restore", help="let the settings of an earlier version hold again"
    )
    restore.add_argument("restore", type=int, metavar="version", help="0: what the files say")
    for action in (configure, restore):
        action.add_argument("--dry-run", action="store_true", help="check it, and change nothing")
        action.add_argument(
            "--expected-version", type=int, help="the one you looked at; another is refused"
        )
    actions.add_parser("show", help="what holds now")
    history = actions.add_parser("history", help="every change, the newest first")
    history.add_argument("--limit", type=int, default=20, help="how many (20)")
