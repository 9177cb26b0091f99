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
from routing.period import parse_period
from routing.policy import Strategy

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
        return _run(boot, asked, console)
    except (SupportMaxError, OSError) as error:
        said = error.detail if isinstance(error, RequestError) else str(error)
        console.print("[red]error[/]", end=" ")
        console.print(said, soft_wrap=True, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(boot: Boot, asked: argparse.Namespace, console: Console) -> int:
    status = 0
    match asked.command:
        case "check":
            status = _check(boot)
        case "run":
            from deployments.run import run  # noqa: PLC0415  `check` needs none of it

            run(boot, asked.port, console)
        case "keys":
            status = _keys(boot, asked)
        case "agent-engine":
            status = _agent_engine(boot, asked)
        case "decision":
            status = _decision(boot, asked)
        case "drill":
            status = _drill(boot, asked, console)
        case "savings":
            status = _savings(boot, asked)
        case "simulate":
            status = _simulate(boot, asked)
        case unknown:
            raise AssertionError(unknown)
    return status


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
    _add_decision(commands.add_parser("decision", help="why an answer came from where it came"))
    _add_agent_engine(commands.add_parser("agent-engine", help="Google's hosted agents"))
    _add_drill(
        commands.add_parser("drill", help="replay an outage, and see who would have answered")
    )
    _add_savings(commands.add_parser("savings", help="what routing saved, and what it did not"))
    _add_simulate(
        commands.add_parser(
            "simulate",
            help="put recorded outcomes to the strategies, beside honest baselines",
            usage="supportmax simulate [options] PATH | --ledger | train FILE --output FILE",
        )
    )
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


def _add_decision(command: argparse.ArgumentParser) -> None:
    command.add_argument("--tenant", default=TENANT, help=f"whose decision (default: {TENANT})")
    command.set_defaults(profile="development", config=None)
    actions = command.add_subparsers(dest="action", required=True)
    name = "the decision's id, as answers have it: dec_..."
    actions.add_parser("show", help="print it").add_argument("id", help=name)
    actions.add_parser(
        "replay", help="take it again on the same state of the world; 1 if it comes out differently"
    ).add_argument("id", help=name)


def _add_agent_engine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--project", help="instead of the configuration's")
    command.add_argument("--location", help="instead of the configuration's")
    command.add_argument(
        "--config", action="append", type=Path, help="whose project; none: as shipped"
    )
    command.set_defaults(profile="development")
    actions = command.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="every agent that is deployed")
    engine = "its number, or projects/.../locations/.../reasoningEngines/..."
    actions.add_parser("show", help="one agent and its methods").add_argument("engine", help=engine)
    delete = actions.add_parser("delete", help="have Google delete an agent")
    delete.add_argument("engine", help=engine)
    delete.add_argument("--force", action="store_true", help="and its sessions and memories")


def _add_drill(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "scenario",
        nargs="?",
        default="one_platform_down",
        help="by name (--list), or a .yaml file of yours; none: one_platform_down",
    )
    command.add_argument("--list", action="store_true", help="the scenarios there are")
    command.add_argument(
        "--arrivals", type=Path, help="CSV: seconds or timestamp[,input tokens,output tokens]"
    )
    command.add_argument(
        "--latencies", type=Path, help="CSV: platform,first byte in seconds,seconds a token"
    )
    command.add_argument("--seed", type=int, default=1, help="the same seed plays the same drill")
    command.add_argument("--json", action="store_true", help="print JSON in place of the table")
    command.add_argument("--png", action="store_true", help="a PNG beside the HTML: extra `plots`")
    command.add_argument("--out", type=Path, help="where pictures go; none: the data directory")
    command.add_argument(
        "--wire", action="store_true", help="the real adapters and simulators, in 30 real seconds"
    )
    command.add_argument(
        "--config", action="append", type=Path, help="whose platforms; none: as shipped"
    )
    command.set_defaults(profile="development")


def _add_savings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--tenant", default=TENANT, help=f"whose answers (default: {TENANT})")
    command.add_argument("--since", help="a date or moment; none: 30 days before the end")
    command.add_argument("--until", help="a date or moment; none: now")
    command.add_argument("--by", choices=("platform", "strategy", "day"), help="for each besides")
    command.add_argument("--json", action="store_true", help="print JSON in place of the table")
    command.set_defaults(profile="development", config=None)


def _add_simulate(command: argparse.ArgumentParser) -> None:
    shape = '{"prompt": "…", "targets": {"openai/gpt-6-luna": {"reward": 0.9, "cost_usd": 0.0002}}}'
    command.add_argument(
        "what", nargs="*", help=f"a file or folder of lines like {shape}; or: train FILE"
    )
    command.add_argument(
        "--strategy", action="append", choices=[s.value for s in Strategy], help="none: every one"
    )
    command.add_argument(
        "--kept", type=_share, default=0.9985, help="of the best target's quality (default 0.9985)"
    )
    command.add_argument("--seed", type=int, default=0, help="of folds and resamples (default 0)")
    command.add_argument("--json", action="store_true", help="instead of tables")
    command.add_argument(
        "--ledger", action="store_true", help="what was answered here, where feedback was given"
    )
    command.add_argument("--tenant", default=TENANT, help=f"whose ledger (default: {TENANT})")
    command.add_argument("--output", type=Path, help="where `train` writes the weights")
    command.set_defaults(profile="development", config=None)


def _share(text: str) -> float:
    share = float(text)
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError("a share is over 0 and at most 1")
    return share


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65_535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return port


def _home() -> Path:
    home = Path(os.environ.get("SUPPORTMAX_HOME", ".supportmax")).resolve()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return home


def _decision(boot: Boot, asked: argparse.Namespace) -> int:
    from deployments import replay  # noqa: PLC0415

    if asked.action == "show":
        asyncio.run(replay.show(boot, asked.tenant, asked.id))
        return 0
    return 0 if asyncio.run(replay.again(boot, asked.tenant, asked.id)) else 1


def _savings(boot: Boot, asked: argparse.Namespace) -> int:
    from deployments import savings  # noqa: PLC0415

    period = parse_period(asked.since, asked.until, SystemClock().now())
    asyncio.run(savings.show(boot, asked.tenant, period, asked.by, as_json=asked.json))
    return 0


def _simulate(boot: Boot, asked: argparse.Namespace) -> int:
    from deployments import simulate  # noqa: PLC0415
    from deployments.logged import read_logged  # noqa: PLC0415

    match asked.what:
        case [] if asked.ledger:
            rows = asyncio.run(read_logged(boot, asked.tenant))
            simulate.simulate_logged(rows, asked.seed, as_json=asked.json)
        case ["train", path] if asked.output is not None:
            simulate.train(Path(path), asked.output)
        case [path] if not asked.ledger and path != "train":
            strategies = [Strategy(name) for name in asked.strategy or Strategy]
            simulate.simulate(Path(path), strategies, asked.kept, asked.seed, as_json=asked.json)
        case _:
            message = "say one PATH, or --ledger, or train FILE --output FILE"
            raise RequestError("invalid_request", message)
    return 0


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


def _agent_engine(boot: Boot, asked: argparse.Namespace) -> int:
    from config.loader import load_settings  # noqa: PLC0415
    from deployments import agent_engine  # noqa: PLC0415

    settings = load_settings(boot.config, os.environ, boot.profile).settings
    place = agent_engine.place_of(settings.platforms.google_vertex, asked.project, asked.location)
    match asked.action:
        case "list":
            agent_engine.show_all(place)
        case "show":
            agent_engine.show(place, asked.engine)
        case _:
            agent_engine.delete(place, asked.engine, force=asked.force)
    return 0


def _drill(boot: Boot, asked: argparse.Namespace, console: Console) -> int:
    from deployments.drill import command  # noqa: PLC0415

    if asked.list:
        command.list_scenarios()
        return 0
    order = command.Order(
        scenario=asked.scenario,
        arrivals=asked.arrivals,
        latencies=asked.latencies,
        seed=asked.seed,
        out=asked.out,
        png=asked.png,
        as_json=asked.json,
        wire=asked.wire,
    )
    command.drill(boot, order, console)
    return 0


def _check(boot: Boot) -> int:
    from config.check import run  # noqa: PLC0415
    from config.loader import load_settings  # noqa: PLC0415
    from config.quality import quality_of  # noqa: PLC0415
    from deployments.security.rbac import roles_of  # noqa: PLC0415

    status, lines = run(boot.config, os.environ, boot.profile)
    if status == 0:
        settings = load_settings(boot.config, os.environ, boot.profile).settings
        roles_of(settings.rbac)
        quality_of(settings.routing.adaptive)
    sys.stdout.write("\n".join(lines) + "\n")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
