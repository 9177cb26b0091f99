"""What a second platform is worth: two vendors' own outages, replayed (tests/outages.py has the data)."""

import time
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from deployments.drill.report import Figures, figures
from deployments.drill.stage import play
from deployments.drill.traffic import make_latencies
from tests.outages import DATA, read_calendar
from tests.unit.drill.worlds import every, plan

BOUGHT = (("openai",), ("anthropic",), ("openai", "anthropic"))
EVERY_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Bought:
    """What a company with these platforms would have answered, and how long the replay took."""

    platforms: str
    asked: int
    answered_share: float
    resumed: int
    cut: int
    seconds: float


def measure(progress: Progress) -> list[Bought]:
    """A question an hour for the 392 days of the calendar; none where the data is not there."""
    if not DATA.exists():
        return []
    calendar = read_calendar(DATA)
    asked = every(EVERY_S, calendar.seconds, first=EVERY_S / 4)
    bar = progress.add_task("outage calendar", total=len(asked) * len(BOUGHT))
    found: list[Bought] = []
    for platforms in BOUGHT:
        began = time.monotonic()
        latencies = make_latencies(1, platforms)
        results = play(
            plan(asked, *platforms),
            latencies,
            calendar.down,
            "",
            lambda more: progress.advance(bar, more),
        )
        found.append(_bought(platforms, figures(results), time.monotonic() - began))
    return found


def _bought(platforms: tuple[str, ...], of: Figures, seconds: float) -> Bought:
    return Bought(
        " + ".join(platforms), of.asked, round(of.share, 6), of.resumed, of.cut, round(seconds, 1)
    )


def show(found: list[Bought], console: Console) -> None:
    """For people."""
    if not found:
        console.print("outage calendar: its data is not there; nothing was replayed")
        return
    table = Table(title="Outages of 392 days, replayed", title_justify="left")
    for column in ("platforms", "questions", "answered", "cut but called whole", "replayed in"):
        table.add_column(column, justify="left" if column == "platforms" else "right")
    for row in found:
        share = f"{row.answered_share:.3%}"
        table.add_row(row.platforms, f"{row.asked:,}", share, str(row.cut), f"{row.seconds:.0f} s")
    console.print(table)


def plain(found: list[Bought]) -> dict[str, object]:
    """For bench.json; nothing where nothing was measured."""
    return {"outages": [asdict(row) for row in found]} if found else {}
