"""What the command line takes: commands, options and their help."""

import argparse
import os
from pathlib import Path

from actors.audience import AUDIENCES
from deployments.demo import TENANT
from deployments.key_management.arguments import add_data
from deployments.platforms_arguments import add_platforms
from deployments.user_data.arguments import add_user
from routing.policy import Strategy

PROFILES = ("development", "production")


def make_parser() -> argparse.ArgumentParser:
    """Every command with its options."""
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
    create.add_argument(
        "--scope", action="append", default=[], help="of the roles' permissions only these"
    )
    create.add_argument(
        "--network", action="append", default=[], help="usable from there only, as 10.0.0.0/8"
    )
    create.add_argument(
        "--days", type=_positive, default=None, help="how long it lives; none: until revoked"
    )
    create.add_argument(
        "--person", default=None, help="whose key it is, as okta:00u1a2b3; none: nobody's"
    )
    actions.add_parser("list", help="every key, without its secret")
    rotate = actions.add_parser("rotate", help="print a key that replaces another")
    rotate.add_argument("key_id")
    rotate.add_argument(
        "--hours", type=_positive, default=24.0, help="how long the old one still opens (24)"
    )
    rotate.add_argument(
        "--person", default=None, help="whose the new one is; none: whose the old one is"
    )
    actions.add_parser("revoke", help="end a key").add_argument("key_id")
    keys.add_argument(
        "--config",
        action="append",
        type=Path,
        help="whose roles and database; none: of the last start",
    )
    keys.set_defaults(profile="development")
    _add_audit(commands.add_parser("audit", help="who did what: verify, search, export, who"))
    add_data(commands.add_parser("data", help="what is kept: sealed anew, or beyond reading"))
    _add_decision(commands.add_parser("decision", help="why an answer came from where it came"))
    _add_agent_engine(commands.add_parser("agent-engine", help="Google's hosted agents"))
    _add_drill(
        commands.add_parser("drill", help="replay an outage, and see who would have answered")
    )
    _add_knowledge(commands.add_parser("knowledge", help="what a company knows: bring it in"))
    _add_memory(commands.add_parser("memory", help="what is remembered of a customer; runbooks"))
    add_platforms(
        commands.add_parser("platforms", help="change settings of platforms while they are in use")
    )
    add_user(commands.add_parser("user", help="everything that is stored about a person"))
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


def _add_audit(command: argparse.ArgumentParser) -> None:
    _add_config(command)
    actions = command.add_subparsers(dest="action", required=True)
    verify = actions.add_parser("verify", help="name the first broken link; 1 if there is one")
    verify.add_argument(
        "path", nargs="?", type=Path, help="a copied folder of chains; none: this machine's"
    )
    verify.add_argument("--heads", type=Path, help="heads that were written down elsewhere")
    verify.add_argument(
        "--public-key", type=Path, help="whom to believe (PEM); none: this machine's keys"
    )
    who = actions.add_parser(
        "who", help="whose name a pseudonym stands for; that you ask is on record"
    )
    who.add_argument("pseudonym", help="as records have it: h:…")
    who.add_argument("--tenant", default=TENANT, help=f"whose people (default: {TENANT})")
    search = actions.add_parser("search", help="records, the newest first")
    search.add_argument("--limit", type=int, default=100, help="how many (100)")
    export = actions.add_parser("export", help="the same for whoever collects logs, all of them")
    export.add_argument("--format", choices=("ocsf",), default="ocsf", help="lines of OCSF 1.6")
    for sought in (search, export):
        sought.add_argument("--tenant", help="whose; none: everybody's, and strangers'")
        sought.add_argument("--since", help="a date or moment; none: 30 days before the end")
        sought.add_argument("--until", help="a date or moment; none: now")
        # `action` is the word for verify, search and export already.
        sought.add_argument("--action", dest="what", help="what was done, as records have it")
        for name in ("subject", "outcome", "object"):
            sought.add_argument(f"--{name}", help="as GET /v3/audit takes it")


def _add_decision(command: argparse.ArgumentParser) -> None:
    command.add_argument("--tenant", default=TENANT, help=f"whose decision (default: {TENANT})")
    _add_config(command)
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
        "--config", action="append", type=Path, help="whose project; none: of the last start"
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
        "--config", action="append", type=Path, help="whose platforms; none: of the last start"
    )
    command.set_defaults(profile="development")


def _add_knowledge(command: argparse.ArgumentParser) -> None:
    command.add_argument("--tenant", default=TENANT, help=f"whose knowledge (default: {TENANT})")
    _add_config(command)
    actions = command.add_subparsers(dest="action", required=True)
    ingest = actions.add_parser(
        "ingest", help="bring in a file, a folder or a page, or bring it up to date"
    )
    ingest.add_argument("what", help="a path, or an http(s) address of one page")
    ingest.add_argument("--tenant", default=argparse.SUPPRESS, help="the same, said here")
    ingest.add_argument(
        "--audience",
        choices=AUDIENCES,
        help="who may read documents that do not say so themselves; none: those are refused",
    )
    ingest.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="PART=NAME",
        help="what a CSV's column is: text=Answer, title=, id=, audience=, tags=, ...; repeated",
    )
    ingest.add_argument("--name", help="what the source is called; none: its path or address")
    ingest.add_argument("--rules", type=Path, help="what to look for (YAML); none: as shipped")
    ingest.add_argument(
        "--allow-private", action="store_true", help="an address inside your own network is meant"
    )
    search = actions.add_parser("search", help="what a question finds; 1 if nothing")
    search.add_argument("--limit", type=int, choices=range(1, 51), default=6, metavar="1-50")
    explain = actions.add_parser(
        "explain", help="why a document is found where it is; 1 if it is not"
    )
    explain.add_argument("document", help="its id, as search prints it")
    for look in (search, explain):
        look.add_argument("question")
        look.add_argument("--tenant", default=argparse.SUPPRESS, help="the same, said here")
        look.add_argument(
            "--audience", choices=AUDIENCES, default="internal", help="in whose place it is asked"
        )
        look.add_argument(
            "--embedder", choices=("lexical", "minilm"), default="lexical", help="as configured"
        )


def _add_memory(command: argparse.ArgumentParser) -> None:
    command.add_argument("--tenant", default=TENANT, help=f"whose memory (default: {TENANT})")
    _add_config(command)
    actions = command.add_subparsers(dest="action", required=True)
    user = "the customer's user_id"
    actions.add_parser("show", help="facts, conversations and runs").add_argument("user", help=user)
    actions.add_parser(
        "erase", help="remove all of it and print how much; 1 if some could not be reached"
    ).add_argument("user", help=user)
    actions.add_parser("publish", help="keep a version of a runbook").add_argument(
        "file", type=Path, help="a .yaml file"
    )


def _add_savings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--tenant", default=TENANT, help=f"whose answers (default: {TENANT})")
    command.add_argument("--since", help="a date or moment; none: 30 days before the end")
    command.add_argument("--until", help="a date or moment; none: now")
    command.add_argument("--by", choices=("platform", "strategy", "day"), help="for each besides")
    command.add_argument("--json", action="store_true", help="print JSON in place of the table")
    _add_config(command)


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
    command.add_argument(
        "--seed", type=int, default=0, help="of the first draw of folds, and resamples (default 0)"
    )
    command.add_argument("--json", action="store_true", help="instead of tables")
    command.add_argument(
        "--ledger", action="store_true", help="what was answered here, where feedback was given"
    )
    command.add_argument("--tenant", default=TENANT, help=f"whose ledger (default: {TENANT})")
    command.add_argument("--output", type=Path, help="where `train` writes the weights")
    _add_config(command)


def _add_config(command: argparse.ArgumentParser) -> None:
    """For what needs the configuration's database and nothing else of it."""
    command.add_argument(
        "--config", action="append", type=Path, help="whose database; none: of the last start"
    )
    command.set_defaults(profile="development")


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


def _positive(text: str) -> float:
    """A number over 0, of hours or days; ten years of either are too many to mean."""
    if not 0 < (number := float(text)) <= 3660:
        raise argparse.ArgumentTypeError("a number over 0 and at most 3660 belongs here")
    return number
