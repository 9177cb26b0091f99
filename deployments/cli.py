"""supportmax: the command line. Every failure is one readable line and a status that says so."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from config.loader import located
from deployments.arguments import PROFILES, make_parser
from deployments.boot import Boot
from deployments.last_start import last_start
from deployments.started import is_about_data, must_have_started
from routing.clock import SystemClock
from routing.errors import ConfigError, RequestError, SupportMaxError
from routing.period import parse_period
from routing.policy import Strategy


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it did what was asked, 1 when it could not, 2 when it was not understood."""
    parser = make_parser()
    asked = parser.parse_args(arguments)
    if asked.profile not in PROFILES:
        parser.error(f"the profile is one of {', '.join(PROFILES)}, not {asked.profile!r}")
    console = Console(stderr=True, highlight=False)
    try:
        home = _home(asked)
        region = os.environ.get("SUPPORTMAX_REGION", "local")
        boot = Boot(home, asked.profile, _config(home, asked), region=region)
        try:
            if is_about_data(asked):
                must_have_started(boot)
                # Beside a cluster there is none yet, and what goes on record is signed with keys in it.
                home.mkdir(parents=True, exist_ok=True, mode=0o700)
            return _run(boot, asked, console)
        except ConfigError as error:
            raise located(boot.config, error) from error
    except (SupportMaxError, OSError) as error:
        console.print("[red]error[/]", end=" ")
        console.print(_said(error), soft_wrap=True, markup=False)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(boot: Boot, asked: argparse.Namespace, console: Console) -> int:
    plain = {
        "agent-engine": _agent_engine,
        "audit": _audit,
        "data": _data,
        "decision": _decision,
        "keys": _keys,
        "memory": _memory,
        "platforms": _platforms,
        "savings": _savings,
        "simulate": _simulate,
        "user": _user,
    }
    status = 0
    match asked.command:
        case "check":
            status = _check(boot)
        case "run":
            from deployments.run import run  # noqa: PLC0415  `check` needs none of it

            run(boot, asked.port, console)
        case "drill":
            status = _drill(boot, asked, console)
        case "knowledge":
            status = _knowledge(boot, asked, console)
        case known if known in plain:
            status = plain[known](boot, asked)
        case unknown:
            raise AssertionError(unknown)
    return status


def _said(error: SupportMaxError | OSError) -> str:
    """In words: an error that carries more than those has them in `detail`, and prints as a tuple."""
    if len(error.args) == 1 or type(error).__str__ is not Exception.__str__:
        return str(error)
    return getattr(error, "detail", None) or str(error)


def _home(asked: argparse.Namespace) -> Path:
    home = Path(os.environ.get("SUPPORTMAX_HOME", ".supportmax")).resolve()
    # All others look at what is there, or write elsewhere.
    if asked.command in {"drill", "run"}:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return home


def _config(home: Path, asked: argparse.Namespace) -> tuple[Path, ...] | None:
    """The files that were named; else the shipped ones for a start, and for all else the last start's."""
    if asked.config:
        return tuple(path.resolve() for path in asked.config)
    return None if asked.command in {"check", "run"} else last_start(home)


def _decision(boot: Boot, asked: argparse.Namespace) -> int:
    from deployments import replay  # noqa: PLC0415

    if asked.action == "show":
        asyncio.run(replay.show(boot, asked.tenant, asked.id))
        return 0
    return 0 if asyncio.run(replay.again(boot, asked.tenant, asked.id)) else 1


def _audit(boot: Boot, asked: argparse.Namespace) -> int:
    from deployments import audit_command  # noqa: PLC0415

    if asked.action == "verify":
        done = audit_command.check(boot, asked.path, asked.heads, asked.public_key)
        return 0 if asyncio.run(done) else 1
    if asked.action == "who":
        found = audit_command.who(boot, asked.tenant, asked.pseudonym, SystemClock())
        return 0 if asyncio.run(found) else 1
    names = ("since", "until", "subject", "outcome", "object")
    sought = {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
    if asked.what is not None:
        sought["action"] = asked.what
    if asked.action == "search":
        asyncio.run(audit_command.search(boot, asked.tenant, sought, asked.limit, SystemClock()))
    else:
        asyncio.run(audit_command.export(boot, asked.tenant, sought, SystemClock()))
    return 0


def _knowledge(boot: Boot, asked: argparse.Namespace, console: Console) -> int:
    match asked.action:
        case "ingest":
            from deployments.knowledge import command  # noqa: PLC0415

            order = command.Order(
                what=asked.what,
                tenant=asked.tenant,
                audience=asked.audience,
                columns=asked.column,
                rules=asked.rules,
                name=asked.name,
                allow_private=asked.allow_private,
            )
            return 0 if asyncio.run(command.run(boot, order, console, SystemClock())) else 1
        case "search" | "explain":
            from deployments.knowledge import look  # noqa: PLC0415

            question = look.Question(asked.tenant, asked.question, asked.audience, asked.embedder)
            if asked.action == "search":
                done = look.search(boot, question, asked.limit, SystemClock())
            else:
                done = look.explain(boot, question, asked.document, SystemClock())
            return 0 if asyncio.run(done) else 1
        case unknown:
            raise AssertionError(unknown)


def _memory(boot: Boot, asked: argparse.Namespace) -> int:
    from deployments.memory import command  # noqa: PLC0415

    clock, done = SystemClock(), True
    match asked.action:
        case "show":
            asyncio.run(command.show(boot, asked.tenant, asked.user, clock))
        case "erase":
            done = asyncio.run(command.erase(boot, asked.tenant, asked.user, clock))
        case _:
            asyncio.run(command.publish(boot, asked.tenant, asked.file, clock))
    return 0 if done else 1


def _data(boot: Boot, asked: argparse.Namespace) -> int:
    from deployments.key_management import command  # noqa: PLC0415
    from deployments.user_data import command as user_data  # noqa: PLC0415

    clock = SystemClock()
    match asked.action:
        case "reseal":
            return 0 if asyncio.run(command.reseal(boot, clock)) else 1
        case "verify":
            return 0 if asyncio.run(command.verify(boot, clock)) else 1
        case "forget-tenant":
            asyncio.run(command.forget_tenant(boot, asked.tenant, asked.confirm, clock))
        case _:
            asyncio.run(user_data.retention(boot, asked.tenant, clock))
    return 0


def _user(boot: Boot, asked: argparse.Namespace) -> int:
    from deployments.user_data import command  # noqa: PLC0415

    if asked.action == "export":
        asyncio.run(command.export(boot, asked.tenant, asked.user, SystemClock()))
        return 0
    return 0 if asyncio.run(command.erase(boot, asked.tenant, asked.user, SystemClock())) else 1


def _platforms(boot: Boot, asked: argparse.Namespace) -> int:
    from deployments import platforms_command  # noqa: PLC0415

    return platforms_command.run(asked)


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
            asyncio.run(
                keys.create(
                    boot,
                    asked.tenant,
                    asked.name,
                    roles,
                    clock,
                    frozenset(asked.scope),
                    tuple(asked.network),
                    asked.days,
                    asked.person,
                )
            )
        case "rotate":
            rotating = keys.rotate(
                boot, asked.tenant, asked.key_id, asked.hours, clock, asked.person
            )
            asyncio.run(rotating)
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
    from deployments.preflight import doubts, preflight  # noqa: PLC0415

    status, lines = run(boot.config, os.environ, boot.profile, doubts)
    if status == 0:
        preflight(boot, load_settings(boot.config, os.environ, boot.profile).settings)
    sys.stdout.write("\n".join(lines) + "\n")
    return status


if __name__ == "__main__":
    raise SystemExit(main())
