"""A run takes its steps in order, and believes what can be seen."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import insert

from actors.database import Database, NewTurn
from actors.database.tool_tables import tool_call
from actors.memory import Memory, Report, Run, Said, Step
from actors.memory.runbooks import read_runbook
from deployments.demo import RUNBOOKS, TENANT
from deployments.memory.command import publish_file
from routing.clock import ManualClock
from routing.errors import AccessError, ConfigError, ConflictError, RequestError

STEPS = (
    Step("look", "Look."),
    Step("ask", "Ask.", shown_by="customer"),
    Step("pay", "Pay.", shown_by="tool", tool="refund_invoice"),
    Step("pay_again", "Pay.", shown_by="tool", tool="refund_invoice", may_not_apply=True),
)


async def begun(memory: Memory) -> Run:
    await memory.runbooks.publish("acme", "refund", "Refund", STEPS)
    return await memory.runbooks.start("acme", "ann", "conv_1", "refund", "key:1")


async def record(memory: Memory, run: Run, step: str, **more: object) -> Run:
    report = Report(step, "done", "", "key:1", **more)  # type: ignore[arg-type]
    return await memory.runbooks.record("acme", "ann", run.row.id, report)


async def say(memory: Memory, text: str, at: float, user: str = "ann") -> Said:
    head = await memory.conversations.append("acme", f"c_{user}", user, [NewTurn("user", text, at)])
    return Said(f"c_{user}", head.last_seq)


async def call(database: Database, key: str, **changed: object) -> None:
    row: dict[str, object] = {
        "tenant": "acme", "principal": "p", "key": key, "id": f"call_{key}", "tool": "refund_invoice",
        "args_hash": "", "customer": "ann", "state": "done", "is_error": False, "at": 2_000.0,
    }  # fmt: skip
    await database.write(lambda c: c.execute(insert(tool_call), {**row, **changed}).close())


async def test_a_run_whose_steps_are_shown_is_done(
    memory: Memory, database: Database, clock: ManualClock
) -> None:
    run = await begun(memory)
    clock.advance(10)
    run = await record(memory, run, "look")
    said = await say(memory, "Yes, please refund it.", clock.now())
    run = await record(memory, run, "ask", said=said, quote="yes, please")
    await call(database, "1")
    run = await record(memory, run, "pay")
    await call(database, "2")
    run = await record(memory, run, "pay_again")
    assert (run.row.state, run.next) == ("done", None)
    assert [row.evidence for row in run.recorded] == [
        "",
        "turn:c_ann#1",
        "call:call_1",
        "call:call_2",
    ]
    with pytest.raises(ConflictError):
        await record(memory, run, "pay_again")


async def test_no_step_is_skipped_or_taken_twice(memory: Memory) -> None:
    run = await begun(memory)
    for step in ("ask", "pay", "nothing"):
        with pytest.raises(ConflictError, match="next step is look"):
            await record(memory, run, step)
    await record(memory, run, "look")
    with pytest.raises(ConflictError, match="next step is ask"):
        await record(memory, run, "look")


async def test_a_word_is_not_taken_for_a_call_that_nobody_made(
    memory: Memory, database: Database, clock: ManualClock
) -> None:
    """Nor for one of another customer or tool, one that failed or runs, or one from before the run."""
    await memory.runbooks.publish("acme", "refund", "Refund", STEPS[2:])
    run = await memory.runbooks.start("acme", "ann", None, "refund", "key:1")
    others: list[dict[str, object]] = [
        {"customer": "bob"},
        {"tenant": "globex"},
        {"tool": "change_plan"},
        {"is_error": True},
        {"state": "running"},
        {"at": run.row.started_at - 1},
    ]
    for number, changed in enumerate(others):
        await call(database, f"n{number}", **changed)
        with pytest.raises(RequestError, match="No call of refund_invoice"):
            await record(memory, run, "pay")
    await call(database, "good")
    await record(memory, run, "pay")
    with pytest.raises(RequestError, match="No call"):
        await record(memory, run, "pay_again")  # one call shows one step


async def test_a_word_is_not_taken_for_the_customers_own(
    memory: Memory, clock: ManualClock
) -> None:
    """Nor words from before the run, another's, an assistant's, or others than were said."""
    before = await say(memory, "Yes", clock.now() - 1)
    run = await begun(memory)
    await record(memory, run, "look")
    theirs = await say(memory, "Yes", clock.now(), user="bob")
    mine = await say(memory, "Perhaps", clock.now())
    for said, quote in [
        (None, "Yes"),
        (before, "Yes"),
        (theirs, "Yes"),
        (mine, "Yes"),
        (mine, " "),
    ]:
        with pytest.raises(RequestError, match="own words"):
            await record(memory, run, "ask", said=said, quote=quote)


async def test_a_step_that_failed_ends_the_run(memory: Memory) -> None:
    run = await begun(memory)
    report = Report("look", "failed", "no invoice", "key:1")
    run = await memory.runbooks.record("acme", "ann", run.row.id, report)
    assert run.row.state == "failed"
    assert run.recorded[0].note == "no invoice"
    with pytest.raises(ConflictError, match="is failed"):
        await record(memory, run, "ask")


async def test_only_a_step_that_may_not_apply_is_left_out(memory: Memory) -> None:
    run = await begun(memory)
    report = Report("look", "not_applicable", "", "key:1")
    with pytest.raises(RequestError, match="always applies"):
        await memory.runbooks.record("acme", "ann", run.row.id, report)


async def test_of_two_who_record_a_step_at_once_one_does(memory: Memory) -> None:
    run = await begun(memory)
    both = await asyncio.gather(
        *(record(memory, run, "look") for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in both) == ["ConflictError", "Run"]


async def test_a_run_goes_on_as_the_version_it_began_with(memory: Memory) -> None:
    run = await begun(memory)
    assert await memory.runbooks.publish("acme", "refund", "Refund", STEPS) == 1
    assert await memory.runbooks.publish("acme", "refund", "Refund", STEPS[1:]) == 2
    assert (await record(memory, run, "look")).row.version == 1
    later = await memory.runbooks.start("acme", "ann", None, "refund", "key:1")
    assert (later.row.version, later.next) == (2, STEPS[1])
    assert [book.version for book in await memory.runbooks.all("acme")] == [2]
    assert await memory.runbooks.all("globex") == []


async def test_anothers_run_is_as_unknown_as_none(memory: Memory) -> None:
    run = await begun(memory)
    report = Report("look", "done", "", "key:1")
    for tenant, user in (("globex", "ann"), ("acme", "bob")):
        with pytest.raises(AccessError):
            await memory.runbooks.run(tenant, user, run.row.id)
        with pytest.raises(AccessError):
            await memory.runbooks.record(tenant, user, run.row.id, report)
    with pytest.raises(RequestError, match="no runbook refund"):
        await memory.runbooks.start("globex", "ann", None, "refund", "key:1")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "name, title and steps"),
        ({"name": "A b", "title": "t", "steps": [{"id": "a", "do": "b"}]}, "small letters"),
        ({"name": "a", "title": " ", "steps": [{"id": "a", "do": "b"}]}, "title"),
        ({"name": "a", "title": "t", "steps": []}, "1 to 30"),
        ({"name": "a", "title": "t", "steps": [{"id": "a", "do": "b"}] * 2}, "id of its own"),
        (
            {"name": "a", "title": "t", "steps": [{"id": "a", "do": "b", "tol": "c"}]},
            "possible are",
        ),
        ({"name": "a", "title": "t", "steps": [{"id": "a", "do": "b", "tool": "c"}]}, "only there"),
        ({"name": "a", "title": "t", "steps": [{"id": "a", "do": "b", "shown_by": "x"}]}, "one of"),
    ],
)
def test_what_cannot_be_meant_is_refused(data: Mapping[str, object], said: str) -> None:
    with pytest.raises(RequestError, match=said):
        read_runbook(data)


async def test_the_shipped_runbook_is_published_once(memory: Memory, tmp_path: Path) -> None:
    for path in sorted(RUNBOOKS.glob("*.yaml")):
        for _ in range(2):
            assert await publish_file(memory.runbooks, TENANT, path) == (path.stem, 1)
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: a\n")
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        await publish_file(memory.runbooks, TENANT, bad)
