"""docs/compliance.md and docs/user-data.md: what they name is there, and what they count is so."""

import re
from pathlib import Path

from actors.database.people_map import HOLDINGS
from config.retention import RetentionDays, RetentionSettings

ROOT = Path(__file__).parents[2]
CONTROLS = (ROOT / "docs/compliance.md").read_text("utf-8")
PAGE = (ROOT / "docs/user-data.md").read_text("utf-8")
ROWS = re.findall(r"^\| (?!---|control|article|section)(.+) \|$", CONTROLS, re.MULTILINE)


def test_every_piece_of_code_and_every_test_that_is_named_exists() -> None:
    missing = []
    for named in re.findall(r"`([\w./-]+(?:/[\w./-]+|\.lock)(?:::\w+)?)`", CONTROLS):
        path, _, test = named.partition("::")
        file = ROOT / path
        if not file.exists() or (test and f"def {test}(" not in file.read_text("utf-8")):
            missing.append(named)
    assert missing == []


def test_a_control_without_a_test_says_who_covers_it() -> None:
    """Each row has five cells; where there is no code it is not covered, or points to a row that is."""
    for row in ROWS:
        control, does, code, test, yours = (cell.strip() for cell in row.split(" | "))
        assert yours, control
        if code == test == "\u2013":
            assert "ot covered" in does or does.startswith("as "), control


def test_the_controls_that_were_asked_for_are_all_there() -> None:
    named = {row.partition(" ")[0].rstrip(",") for row in ROWS}
    wanted = {f"CC6.{n}" for n in range(1, 9)} | {f"CC7.{n}" for n in range(1, 6)}
    wanted |= {
        "A1.1",
        "A1.2",
        "A1.3",
        "C1.1",
        "C1.2",
        "15",
        "16",
        "17",
        "20",
        "25",
        "28",
        "30",
        "32",
    }
    assert wanted <= named


def test_the_days_that_are_told_are_those_in_force() -> None:
    told = dict(re.findall(r"^\| `(\w+)`[^|]*\| (\d+)", PAGE, re.MULTILINE))
    told |= {"approvals": told["tool_calls"], "feedback": told["decisions"]}
    usual = RetentionSettings()
    assert {kind: int(days) for kind, days in told.items()} == {
        kind: usual.days(kind) for kind in RetentionDays.model_fields
    }


def test_the_reason_the_page_quotes_is_the_one_that_is_told() -> None:
    (invoices,) = [holding.why for holding in HOLDINGS if holding.section == "invoices"]
    assert invoices in PAGE
