"""Two vendors' status pages, 2023 to 2024, as faults of a drill. Read where they lie, never copied.

What is counted: incidents whose impact the vendor itself put at level 2 or higher and which
touched its API (column `API` of openai, `api.anthropic.com` of anthropic), from
`start_timestamp` to `close_timestamp`, as if nobody had been answered all that time. The
calendar begins with the first such incident of Anthropic's, before which its page says little,
and ends where the data ends: 392 days, of which openai is down for 131.8 hours and anthropic
for 22.4, never both at once.
"""

import csv
import gzip
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

from deployments.drill.faults import Down

REPOSITORY = Path(__file__).parent.parent
DATA = REPOSITORY.parent / "shared/data/routing/llm_outages/incident_stages.csv.gz"
LEVEL = 2
_COLUMN = {"openai": "API", "anthropic": "api.anthropic.com"}


@dataclass(frozen=True, slots=True)
class OutageCalendar:
    """Who was down when, in seconds from its beginning, and for how long it goes on."""

    down: tuple[Down, ...]
    seconds: float

    def down_s(self, *platforms: str) -> float:
        """Seconds in which every one of `platforms` is down at once."""
        edges = sorted(
            {0.0, self.seconds, *(f.from_s for f in self.down), *(f.to_s for f in self.down)}
        )
        return sum(
            end - begin
            for begin, end in pairwise(edges)
            if all(
                any(name in f.who and f.from_s <= begin < f.to_s for f in self.down)
                for name in platforms
            )
        )


def needed() -> Path:
    """The data's file; a test without it is skipped, and fails where CI=true."""
    if not DATA.exists():
        said = f"the outage data is not there: {DATA}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(said)
    return DATA


def read_calendar(path: Path) -> OutageCalendar:
    """The calendar of the file."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    incidents = {name: _incidents(rows, name, column) for name, column in _COLUMN.items()}
    begin = min(start for start, _ in incidents["anthropic"])
    end = max(_at(row["close_timestamp"]) for row in rows if row["provider"] in incidents)
    down = [
        Down.model_validate(
            {"who": name, "from": max(start - begin, 0.0), "to": stop - begin, "kind": "down"}
        )
        for name, found in incidents.items()
        for start, stop in found
        if stop > max(start, begin)
    ]
    return OutageCalendar(tuple(down), end - begin)


def _incidents(rows: Sequence[dict[str, str]], name: str, column: str) -> list[tuple[float, float]]:
    return [
        (_at(row["start_timestamp"]), _at(row["close_timestamp"]))
        for row in rows
        if row["provider"] == name
        and int(row["incident_impact_level"]) >= LEVEL
        and row[column] == "1"
    ]


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
