"""supportmax: the command line. Every failure is one readable line and a status that says so."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from deployments.boot import Boot
from deployments.demo import TENANT
from routing.clock import SystemClock
from routing.errors import RequestError, SupportMaxError

PROFILES = ("development", "production")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked, 1 when it could not, 2 when it was not understood."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.profile not in PROFILES:
        parser.error(f"the profile is one of {', '.join(PROFILES)}, not {asked.profile!r}")
    console = Console(stderr=True, highlight=False)
    paths = tuple(path.resolve() for path in asked.config) if asked.config else None
    try:
        boot = Boot(
            _home(), asked.profile, paths, region=os.environ.get("SUPPORTMAX_REGION", "local")
        )
        match asked.command:
            case "check":
                return _check(boot)
            case "run":
                from deployments.run import run  # noqa: PLC0415  `check` needs none of it

                run(boot, asked.port, console)
            case "keys":
                return _keys(boot, asked)
            case unknown:
                raise AssertionError(unknown)
    except (SupportMaxError, OSError) as error:
        said = error.detail if isinstance(error, RequestError) else str(error)
        console.print("[red]error[/]", end=" ")
        console.print(said, soft_wrap=True, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="supportmax", description="Customer support over every AI platform."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="validate a configuration without starting anything")
    run = commands.add_parser("run", help="start SupportMax on this machine, in the foreground")
    run.add_argument(
        "--port", type=_port, default=None, help="instead of the configuration's (8000)"
    )
    keys = commands.add_parser("keys", help="make, list and revoke API keys")
    keys.add_argument("--tenant", default=TENANT, help=f"whose keys (default: {TENANT})")
    actions = keys.add_subparsers(dest="action", required=True)
    create = actions.add_parser("create", help="print a new key, once")
    create.add_argument("name", help="what it is for")
    create.add_argument("--role", action="append", default=[], help="may be repeated; none: agent")
    actions.add_parser("list", help="every key, without its secret")
    actions.add_parser("revoke", help="end a key").add_argument("key_id")
    keys.add_argument("--config", action="append", type=Path, help="whose roles; none: as shipped")
    keys.set_defaults(profile="development")
    for command in (check, run):
        command.add_argument(
            "config", nargs="*", type=Path, help="configuration files or folders; none: as shipped"
        )
        command.add_argument(
            "--profile",
            choices=PROFILES,
            default=os.environ.get("SUPPORTMAX_PROFILE", "development"),
        )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65_535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return port


def _home() -> Path:
    home = Path(os.environ.get("SUPPORTMAX_HOME", ".supportmax")).resolve()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return home


def _keys(boot: Boot, asked: argparse.Namespace) -> int:
    from deployments import keys  # noqa: PLC0415

    clock = SystemClock()
    match asked.action:
        case "create":
            roles = asked.role or ["agent"]
            asyncio.run(keys.create(boot, asked.tenant, asked.name, roles, clock))
        case "list":
            asyncio.run(keys.show(boot, asked.tenant))
        case _:
            asyncio.run(keys.revoke(boot, asked.tenant, asked.key_id, clock))
    return 0


def _check(boot: Boot) -> int:
    from config.check import run  # noqa: PLC0415
    from config.loader import load_settings  # noqa: PLC0415
    from deployments.security.rbac import roles_of  # noqa: PLC0415

    status, lines = run(boot.config, os.environ, boot.profile)
    if status == 0:
        roles_of(load_settings(boot.config, os.environ, boot.profile).settings.rbac)
    sys.stdout.write("\n".join(lines) + "\n")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
