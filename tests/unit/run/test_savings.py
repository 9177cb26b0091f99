"""The savings command, on a data directory of its own."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.database import Savings, open_database
from deployments.cli import main
from deployments.demo import TENANT
from routing.clock import SystemClock
from routing.savings import Alternative, Saving


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: Callable[[Path], Path]) -> Path:
    monkeypatch.setenv("SUPPORTMAX_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return begun(tmp_path)


def keep(home: Path, *, simulated: bool = False) -> None:
    """Four answers at 0.6 cents each, where the default would have taken a cent."""
    now = SystemClock().now()
    rows = [
        Saving(
            TENANT, f"ans_{n}", now - 60.0, "a", "m", "latency", answered=True, routed=True,
            simulated=simulated, actual_pico_usd=6 * 10**9, default_target="a/m",
            default_pico_usd=10**10, cheapest_pico_usd=4 * 10**9, random_pico_usd=None,
            alternatives=(Alternative("a/m", 0.8, 10**10), Alternative("b/m", 0.5, 4 * 10**9)),
        )
        for n in range(4)
    ]  # fmt: skip

    async def put() -> None:
        database = open_database(home / "supportmax.sqlite")
        await database.migrate()
        await Savings(database).put(rows)
        await database.aclose()

    asyncio.run(put())


def line(said: str, name: str) -> list[str]:
    """The cells of the table's row of that name."""
    (found,) = [each for each in said.splitlines() if each.startswith(f"│ {name} ")]
    return [cell.strip() for cell in found.strip("│").split("│")]


def test_the_table_says_what_was_saved_and_what_is_unknown(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(home)
    assert main(["savings", "--by", "platform"]) == 0
    said = capsys.readouterr().out
    assert "4 answers from" in said
    assert line(said, "configured default") == [
        "configured default", "a/m", "0.040000", "0.024000", "0.016000", "40.0%",
        "40.0% to 40.0%", "4",
    ]  # fmt: skip
    assert line(said, "cheapest single platform")[1:5] == [
        "b/m", "0.016000", "0.024000", "-0.008000",
    ]  # fmt: skip
    assert line(said, "random mix")[2:4] == ["unknown", "-"]


def test_the_json_is_the_routes_own(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(home, simulated=True)
    assert main(["savings", "--json", "--by", "day"]) == 0
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    assert (report["simulated"], report["actual_usd"]) == (True, 0.024)
    assert sum(day["answers"] for day in report["by"]) == 4


def test_a_directory_without_answers_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["savings"]) == 0
    assert "was given no answers" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["--since", "yesterday"], ["--since", "2026-01-02", "--until", "2026-01-01"]]
)
def test_a_period_that_is_none_is_one_readable_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["savings", *arguments]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("error The period cannot be read")
    assert "\n" not in said
