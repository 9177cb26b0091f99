"""`supportmax savings`: what routing saved, as a table or as JSON, also while SupportMax runs."""

import json
import sys

from rich.console import Console
from rich.table import Table

from actors.database.engine import open_database
from actors.database.savings import By, Savings
from deployments.boot import Boot
from deployments.database import address_of
from routing.clock import rfc3339
from routing.period import Period
from routing.savings_report import Baseline, Group, Report

_NAMES = {
    "default": "configured default",
    "best_single": "best single platform",
    "cheapest_single": "cheapest single platform",
    "cheapest_each": "cheapest for each request",
    "random": "random mix",
}


async def show(boot: Boot, tenant: str, period: Period, by: By | None, *, as_json: bool) -> None:
    """Print the tenant's report on the period."""
    database = open_database(address_of(boot))
    try:
        await database.migrate()
        reports = await Savings(database).report(tenant, period, by)
    finally:
        await database.aclose()
    if as_json:
        body = {
            "since": rfc3339(period.since),
            "until": rfc3339(period.until),
            "reports": [report.to_json() for report in reports],
        }
        sys.stdout.write(json.dumps(body, indent=2) + "\n")
        return
    console = Console(highlight=False)
    if not reports:
        console.print(f"{tenant} was given no answers {_span(period)}.", markup=False)
    for report in reports:
        _print(console, report, period)


def _print(console: Console, report: Report, period: Period) -> None:
    cell = report.cell
    kind = "simulated answers" if report.simulated else "answers"
    console.print(
        f"{cell.answers} {kind} {_span(period)}: {_money(cell.actual)} USD spent; {cell.failed} "
        f"failed at a cost, {cell.fixed} not routed, {cell.unpriced} of unknown cost",
        soft_wrap=True,
        markup=False,
    )
    table = Table()
    table.add_column("instead")
    table.add_column("target")
    for name in ("would have cost", "did cost", "saved", "share", "95 % interval", "compared"):
        table.add_column(name, justify="right")
    for name, baseline in report.baselines.items():
        table.add_row(*_row(_NAMES[name], baseline))
    console.print(table)
    if report.groups:
        console.print(_groups(report.groups))


def _row(name: str, baseline: Baseline) -> tuple[str, ...]:
    sums, ends = baseline.sums, baseline.share_interval
    left_out = baseline.unknown + baseline.unfit
    compared = f"{sums.answers}" if not left_out else f"{sums.answers} of {sums.answers + left_out}"
    target = baseline.target or "-"
    if not sums.answers:
        return name, target, "unknown", "-", "-", "-", "-", compared
    return (
        name,
        target,
        _money(sums.baseline),
        _money(sums.actual),
        _money(baseline.saved),
        "-" if baseline.share is None else f"{baseline.share:.1%}",
        "-" if ends is None else f"{ends[0]:.1%} to {ends[1]:.1%}",
        compared,
    )


def _groups(groups: tuple[Group, ...]) -> Table:
    table = Table()
    table.add_column("group")
    for name in ("answers", "spent", *(f"saved: {name}" for name in _NAMES.values())):
        table.add_column(name, justify="right")
    for group in groups:
        saved = [
            _money(baseline.saved) if baseline.sums.answers else "unknown"
            for baseline in group.baselines.values()
        ]
        table.add_row(group.key, f"{group.cell.answers}", _money(group.cell.actual), *saved)
    return table


def _money(pico_usd: int) -> str:
    return f"{pico_usd / 10**12:,.6f}"


def _span(period: Period) -> str:
    return f"from {rfc3339(period.since)} until {rfc3339(period.until)}"
