"""`python -m tests.bench`: what the product costs. `... road` or `... platforms`: that part alone.

Prints tables and writes bench.json into the current directory, where the other part's last
figures stay. Three minutes and one; everything is on loopback, and everything that is
started is stopped.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from routing.errors import SupportMaxError
from tests import redis_servers
from tests.bench import (
    audit,
    knowledge,
    limits,
    mcp,
    memory,
    outages,
    platforms,
    platforms_report,
    privacy,
    road,
    sealing,
    security,
)

FILE = Path("bench.json")


def _road(progress: Progress, console: Console) -> dict[str, object]:
    report = road.measure(progress)
    report.print(console)
    return report.plain()


def _platforms(progress: Progress, console: Console) -> dict[str, object]:
    found = platforms.measure(progress)
    platforms_report.show(found, console)
    return {"platforms": platforms_report.plain(found)}


def _outages(progress: Progress, console: Console) -> dict[str, object]:
    found = outages.measure(progress)
    outages.show(found, console)
    return outages.plain(found)


def _knowledge(progress: Progress, console: Console) -> dict[str, object]:
    found = knowledge.measure(progress)
    knowledge.show(found, console)
    return knowledge.plain(found)


def _mcp(progress: Progress, console: Console) -> dict[str, object]:
    found = mcp.measure(progress)
    mcp.show(found, console)
    return mcp.plain(found)


def _memory(progress: Progress, console: Console) -> dict[str, object]:
    if not redis_servers.is_installed():
        console.print("memory is not measured: redis-server is not installed")
        return {}
    found = memory.measure(progress)
    memory.show(found, console)
    return memory.plain(found)


def _security(progress: Progress, console: Console) -> dict[str, object]:
    found = security.measure(progress)
    security.show(found, console)
    return security.plain(found)


def _privacy(progress: Progress, console: Console) -> dict[str, object]:
    found = privacy.measure(progress)
    privacy.show(found, console)
    return privacy.plain(found)


def _limits(progress: Progress, console: Console) -> dict[str, object]:
    found = limits.measure(progress)
    limits.show(found, console)
    return limits.plain(found)


def _sealing(progress: Progress, console: Console) -> dict[str, object]:
    found = sealing.measure(progress)
    sealing.show(found, console)
    return sealing.plain(found)


def _audit(progress: Progress, console: Console) -> dict[str, object]:
    found = audit.measure(progress)
    audit.show(found, console)
    return audit.plain(found)


PARTS: Mapping[str, Callable[[Progress, Console], dict[str, object]]] = {
    "road": _road,
    "platforms": _platforms,
    "outages": _outages,
    "knowledge": _knowledge,
    "memory": _memory,
    "mcp": _mcp,
    "security": _security,
    "privacy": _privacy,
    "limits": _limits,
    "audit": _audit,
    "sealing": _sealing,
}


def main() -> int:
    """The bench; 1 if it could not be carried out. A target that is missed is a finding, no failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("part", nargs="?", choices=PARTS, help="this part alone")
    chosen = parser.parse_args().part
    console = Console()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    for part in PARTS if chosen is None else (chosen,):
        try:
            with Progress(*columns, console=console, transient=True) as progress:
                found = PARTS[part](progress, console)
        except (RuntimeError, SupportMaxError, OSError) as error:
            console.print(f"the bench failed: {error}", style="red", markup=False, soft_wrap=True)
            return 1
        _keep(found)
    return 0


def _keep(found: dict[str, object]) -> None:
    """Write what was found, and leave what another part found before."""
    kept = orjson.loads(FILE.read_bytes()) if FILE.exists() else {}
    FILE.write_bytes(orjson.dumps({**kept, **found}, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    sys.exit(main())
