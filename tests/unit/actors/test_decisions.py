"""Decisions are kept as they were explained, for as long as there is room."""

from typing import TYPE_CHECKING

from actors.database import Database, DecisionRow, Decisions, NewDecision

if TYPE_CHECKING:
    from routing.message import JsonObject


async def test_a_decision_comes_back_as_it_was_put(database: Database) -> None:
    decisions = Decisions(database)
    body: JsonObject = {
        "chosen": "openai",
        "candidates": [{"platform": "openai", "cost": 0.002, "p95": None}],
    }
    await decisions.put([NewDecision("t", "dec_1", "ans_1", 5.0, body)])
    assert await decisions.get("t", "dec_1") == DecisionRow("dec_1", "ans_1", 5.0, body)
    assert await decisions.get("t", "dec_2") is None


async def test_a_decision_once_explained_is_not_explained_away(database: Database) -> None:
    decisions = Decisions(database)
    await decisions.put([NewDecision("t", "dec_1", None, 5.0, {"chosen": "openai"})])
    await decisions.put([NewDecision("t", "dec_1", None, 6.0, {"chosen": "anthropic"})])
    row = await decisions.get("t", "dec_1")
    assert row is not None
    assert row.body == {"chosen": "openai"}


async def test_pruning_by_age_keeps_what_is_young_enough(database: Database) -> None:
    decisions = Decisions(database)
    await decisions.put([NewDecision("t", f"dec_{n}", None, float(n), {}) for n in range(10)])
    assert await decisions.prune(older_than=4.0, keep=100) == 4
    assert await decisions.get("t", "dec_3") is None
    assert await decisions.get("t", "dec_4") is not None


async def test_pruning_by_number_keeps_the_newest(database: Database) -> None:
    decisions = Decisions(database)
    await decisions.put([NewDecision("t", f"dec_{n}", None, float(n), {}) for n in range(10)])
    assert await decisions.prune(older_than=0.0, keep=3) == 7
    assert await decisions.get("t", "dec_6") is None
    assert await decisions.get("t", "dec_7") is not None
