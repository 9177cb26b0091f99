"""`supportmax simulate`: recorded outcomes put to the strategies again, beside honest baselines."""

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from config.quality import write_quality
from deployments.recorded import LoggedRow, Recorded, Row, read_recorded
from routing.clock import Clock, SystemClock
from routing.errors import ConfigError
from routing.policy import Strategy

if TYPE_CHECKING:
    from deployments.evaluation import Interval, Line, Report
    from deployments.off_policy import Estimate

# One thread: the matrices are small, and threads that wait for each other by spinning made
# a fit take 10 s in place of 0.2 s on two busy cores.
_THREADS = "OPENBLAS_NUM_THREADS"
ROWS_MIN = 50
"""Fewer rows are ten to a fold, from which nothing can be learned."""
_SHOW_AFTER_S = 2.0


def simulate(
    path: Path, strategies: Sequence[Strategy], kept: float, seed: int, *, as_json: bool
) -> None:
    """Print what each strategy would have cost and kept on what is recorded in `path`.

    Raises:
        ConfigError: there is nothing recorded there, or it cannot be read.
    """
    _show(read_recorded(path), strategies, kept, seed, as_json=as_json)


def simulate_logged(rows: Sequence[LoggedRow], seed: int, *, as_json: bool) -> None:
    """The same from what this SupportMax answered itself, where feedback was given.

    Raises:
        ConfigError: no answer has feedback.
    """
    if not rows:
        message = (
            "no answer has feedback yet: send POST /v3/decisions/{id}/feedback with a quality "
            "of 0 to 1 for some answers; routing.strategy: adaptive then tries other targets, "
            "which is what other choices are estimated from"
        )
        raise ConfigError("ledger", None, "", message)
    _show(Recorded(logged={"ledger": list(rows)}), (), 1.0, seed, as_json=as_json)


def train(path: Path, output: Path) -> None:
    """Learn weights from full outcomes in `path` and write them to `output`.

    Raises:
        ConfigError: there are none, of more than one data set, or too few.
    """
    os.environ.setdefault(_THREADS, "1")
    import numpy as np  # noqa: PLC0415  with ray[serve]; a start needs none of it

    from deployments.training import Corpus, fit  # noqa: PLC0415

    found = read_recorded(path)
    if len(found.full) != 1:
        message = 'training takes one data set whose rows have "targets"'
        raise ConfigError(str(path), None, "", message)
    ((name, rows),) = found.full.items()
    _enough(path, name, rows)
    targets = tuple(sorted(rows[0].targets))
    corpus = Corpus.of([row.prompt for row in rows])
    rewards = np.array([[row.targets[target].reward for target in targets] for row in rows])
    learned = fit(corpus, rewards, np.arange(len(rows)))
    write_quality(learned.to_model(corpus, targets, f"{len(rows)} rows of {name}"), output)
    Console(stderr=True, highlight=False).print(
        f"{output}: {len(learned.terms)} terms, {len(targets)} targets. To use it: "
        f"routing.adaptive.quality_file: {output}"
    )


def _show(
    found: Recorded, strategies: Sequence[Strategy], kept: float, seed: int, *, as_json: bool
) -> None:
    os.environ.setdefault(_THREADS, "1")
    from deployments.evaluation import Evaluation  # noqa: PLC0415
    from deployments.off_policy import estimate  # noqa: PLC0415

    notes = Console(stderr=True, highlight=False)
    for left_out in found.left_out:
        notes.print(f"left out {left_out}")
    reports: list[Report] = []
    for name, rows in found.full.items():
        _enough(Path(name), name, rows)
        with _Patience(name, notes, SystemClock()) as patience:
            evaluation = Evaluation(name, rows, kept, seed)
            reports.append(evaluation.run(strategies, patience.tell))
    estimates = {name: estimate(rows, seed) for name, rows in found.logged.items()}
    if as_json:
        plain = {
            "reports": [asdict(report) for report in reports],
            "estimates": {name: [asdict(e) for e in rows] for name, rows in estimates.items()},
        }
        print(json.dumps(plain, indent=2))  # noqa: T201  the command's answer
        return
    # A pipe has no width; 80 columns would fold every name.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)
    for report in reports:
        console.print(_table(report))
        console.print(_footnote(report), style="dim")
    for name, found_there in estimates.items():
        console.print(_estimates(name, found_there))
        console.print(
            "Each row knows one target's outcome: others are estimated from what was asked by "
            "chance, weighted by its logged probability.",
            style="dim",
        )


class _Patience:
    """A bar for what takes longer than two seconds, on a terminal alone."""

    def __init__(self, name: str, console: Console, clock: Clock) -> None:
        columns = (TextColumn(name), BarColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True)
        self._task = self._bar.add_task(name, total=1.0)
        self._is_seen = console.is_terminal
        self._clock = clock
        self._began = clock.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def tell(self, done: float) -> None:
        """That share is done."""
        self._bar.update(self._task, completed=done)
        if self._is_seen and self._clock.monotonic() - self._began > _SHOW_AFTER_S:
            self._bar.start()


def _enough(path: Path, name: str, rows: Sequence[Row]) -> None:
    if len(rows) < ROWS_MIN:
        message = f"{len(rows)} rows; {ROWS_MIN} or more are needed to hold some back"
        raise ConfigError(str(path), None, name, message)


def _table(report: "Report") -> Table:
    table = Table(title=f"{report.name}: {report.rows} questions, {len(report.targets)} targets")
    table.add_column("choice")
    for column in ("USD per 1,000", "saved", "quality ratio"):
        table.add_column(column, justify="right", no_wrap=True)
    for line in report.lines:
        table.add_row(
            line.name,
            f"{line.cost_usd * 1000:.3f}",
            _percent(line),
            f"{line.ratio:.4f}{_interval(line.ratio_ci, 4)}",
            style="bold" if line.name == Strategy.ADAPTIVE.value else None,
        )
    return table


def _percent(line: "Line") -> str:
    interval = line.saved_ci
    scaled = None if interval is None else (100 * interval[0], 100 * interval[1])
    return f"{100 * line.saved:.1f} %{_interval(scaled, 1)}"


def _interval(interval: "Interval | None", digits: int) -> str:
    return "" if interval is None else f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def _footnote(report: "Report") -> str:
    said = (
        "Saved and ratio are by the best single target; all is chosen on other folds than it is "
        f"measured on; means over {report.draws} draws of the folds, with 95 % intervals by bootstrap "
        f"over the questions. Adaptive was to keep {report.kept:g}."
    )
    for line in report.lines:
        if line.name == Strategy.ADAPTIVE.value and line.saved_range and line.ratio_range:
            saved, ratio = line.saved_range, line.ratio_range
            said += (
                f" One draw alone would have said {100 * saved[0]:.1f} to {100 * saved[1]:.1f} % "
                f"at {ratio[0]:.4f} to {ratio[1]:.4f}."
            )
    blind = sum(price is None for price in report.prices)
    if blind:
        said += f" On {blind} of {len(report.prices)} folds it could not, and took the best single."
    return said


def _estimates(name: str, rows: "Sequence[Estimate]") -> Table:
    table = Table(title=f"{name}: had one target answered everything")
    table.add_column("target")
    for column in ("rows", "effective", "USD per 1,000", "SNIPS", "doubly robust"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        if row.snips is None or row.doubly_robust is None or row.cost_usd is None:
            table.add_row(row.target, str(row.rows), f"{row.effective:.0f}", "too few", "", "")
            continue
        robust = f"{row.doubly_robust:.4f}{_interval(row.interval, 4)}"
        figures = (f"{row.cost_usd * 1000:.3f}", f"{row.snips:.4f}", robust)
        table.add_row(row.target, str(row.rows), f"{row.effective:.0f}", *figures)
    return table
