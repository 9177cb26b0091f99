"""What a drill came to: figures with and without its faults, as a table and as JSON. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich.table import Table

from deployments.drill.replay import Result
from routing.message import Json

_MS = 1_000.0


@dataclass(frozen=True, slots=True)
class Figures:
    """One replay in numbers. Times are of the answered, in milliseconds; None where nobody was."""

    asked: int
    answered: int
    by: Mapping[str, int]
    failed: Mapping[str, int]
    attempts_failed: Mapping[str, int]
    p50_ms: float | None
    p95_ms: float | None
    resumed: int
    hedged: int
    cut: int
    cost_usd: Decimal | None

    @property
    def share(self) -> float:
        """Of the questions, those answered."""
        return self.answered / self.asked if self.asked else 1.0

    def to_json(self) -> dict[str, Json]:
        """These figures, the same for the same replay to the byte."""
        return {
            "asked": self.asked,
            "answered": self.answered,
            "answered_share": round(self.share, 6),
            "answered_by": dict(self.by),
            "failed_with": dict(self.failed),
            "failed_attempts": dict(self.attempts_failed),
            "p50_ms": self.p50_ms,
            "p95_ms": self.p95_ms,
            "resumed": self.resumed,
            "hedged": self.hedged,
            "cut_but_called_whole": self.cut,
            "cost_usd": None if self.cost_usd is None else str(self.cost_usd),
        }


def figures(results: Sequence[Result]) -> Figures:
    """The numbers of a replay."""
    answered = [result for result in results if result.by is not None]
    times = sorted(result.latency_s * _MS for result in answered)
    costs = [result.cost_usd for result in results if result.cost_usd is not None]
    return Figures(
        asked=len(results),
        answered=len(answered),
        by=_counted(result.by for result in answered if result.by is not None),
        failed=_counted(result.failed for result in results if result.failed is not None),
        attempts_failed=_counted(
            f"{platform}: {kind}" for result in results for platform, kind in result.spoiled
        ),
        p50_ms=_quantile(times, 0.5),
        p95_ms=_quantile(times, 0.95),
        resumed=sum(result.resumed for result in results),
        hedged=sum(result.hedged for result in results),
        cut=sum(result.cut for result in results),
        cost_usd=sum(costs, Decimal(0)) if len(costs) == len(results) else None,
    )


def rows(faulty: Figures, well: Figures) -> list[tuple[str, str, str]]:
    """The table: what, with the faults, without them."""
    lines = [
        ("questions", f"{faulty.asked:,}", f"{well.asked:,}"),
        ("answered", _share(faulty), _share(well)),
    ]
    return [
        *lines,
        *_by_name("  by ", faulty.by, well.by),
        *_by_name("failed: ", faulty.failed, well.failed),
        *_by_name("attempts, ", faulty.attempts_failed, well.attempts_failed),
        ("p50", _time(faulty.p50_ms), _time(well.p50_ms)),
        ("p95", _time(faulty.p95_ms), _time(well.p95_ms)),
        ("resumed in mid-answer", f"{faulty.resumed:,}", f"{well.resumed:,}"),
        ("hedged", f"{faulty.hedged:,}", f"{well.hedged:,}"),
        ("cut, but called whole", f"{faulty.cut:,}", f"{well.cut:,}"),
        ("cost", _money(faulty.cost_usd), _money(well.cost_usd)),
    ]


def table(title: str, lines: Sequence[tuple[str, str, str]]) -> Table:
    """The rows for a terminal."""
    made = Table(title=title, title_justify="left", title_style="bold")
    made.add_column("")
    made.add_column("with the faults", justify="right")
    made.add_column("without", justify="right")
    for line in lines:
        made.add_row(*line)
    return made


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _quantile(times: Sequence[float], share: float) -> float | None:
    """By nearest rank, to a tenth of a millisecond."""
    if not times:
        return None
    return round(times[min(int(share * len(times)), len(times) - 1)], 1)


def _by_name(
    title: str, faulty: Mapping[str, int], well: Mapping[str, int]
) -> Iterator[tuple[str, str, str]]:
    for name in sorted({*faulty, *well}):
        yield f"{title}{name}", f"{faulty.get(name, 0):,}", f"{well.get(name, 0):,}"


def _share(of: Figures) -> str:
    return f"{of.answered:,} ({of.share:.3%})"


def _time(ms: float | None) -> str:
    return "none" if ms is None else f"{ms / _MS:.2f} s"


def _money(usd: Decimal | None) -> str:
    return "unknown" if usd is None else f"{usd:.4f} USD"
