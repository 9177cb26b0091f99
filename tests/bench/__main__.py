"""`python -m tests.bench`: what the product costs. `... road` or `... platforms`: that part alone.

Prints tables and writes bench.json into the current directory, where the other part's last
figures stay. Three minutes and one; everything is on loopback, and everything that is
started is stopped.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

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
Found = TypeVar("Found")
Part = Callable[[Progress, Console], dict[str, object]]


def _road(progress: Progress, console: Console) -> dict[str, object]:
    report = road.measure(progress)
    report.print(console)
    return report.plain()


def _memory(progress: Progress, console: Console) -> dict[str, object]:
    if not redis_servers.is_installed():
        console.print("memory is not measured: redis-server is not installed")
        return {}
    return _part(memory.measure, memory.show, memory.plain)(progress, console)


def _part(
    measure: Callable[[Progress], Found],
    show: Callable[[Found, Console], None],
    plain: Callable[[Found], dict[str, object]],
) -> Part:
    def carried_out(progress: Progress, console: Console) -> dict[str, object]:
        found = measure(progress)
        show(found, console)
        return plain(found)

    return carried_out


PARTS: Mapping[str, Part] = {
    "road": _road,
    "platforms": _part(
        platforms.measure,
        platforms_report.show,
        lambda found: {"platforms": platforms_report.plain(found)},
    ),
    "outages": _part(outages.measure, outages.show, outages.plain),
    "knowledge": _part(knowledge.measure, knowledge.show, knowledge.plain),
    "memory": _memory,
    "mcp": _part(mcp.measure, mcp.show, mcp.plain),
    "security": _part(security.measure, security.show, security.plain),
    "privacy": _part(privacy.measure, privacy.show, privacy.plain),
    "limits": _part(limits.measure, limits.show, limits.plain),
    "audit": _part(audit.measure, audit.show, audit.plain),
    "sealing": _part(sealing.measure, sealing.show, sealing.plain),
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
