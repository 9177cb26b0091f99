"""Each call is made once: repeats, crashes, other systems, and keys that stand for something else."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert

from actors.database import tool_calls
from actors.database.tool_tables import incident
from deployments.mcp_gateway.business.declaration import (
    BusinessTool,
    Call,
    CustomerArguments,
    Result,
    ToolRegistry,
)
from deployments.mcp_gateway.business.runner import KEY_MAX
from routing.errors import RequestError
from routing.message import Json
from tests.unit.tools.desk import Desk, calling, opened, person, said

DOUBLE: dict[str, Json] = {"invoice_id": "INV-2026-0039", "reason": "DUP", "amount_usd": 10}


class Note(CustomerArguments):
    text: str


class Noted(Result):
    text: str
    call: str


def work(does: Callable[[Connection, Call, Note], None]) -> BusinessTool:
    """A tool that does this and then answers."""

    def run(connection: Connection, call: Call, asked: Note) -> Noted:
        does(connection, call, asked)
        return Noted(text=asked.text, call=call.id)

    return BusinessTool(
        "note", "Note", "Notes it.", Note, Noted, "write", "customers:change", work=run
    )


def ask(does: Callable[[Call], Awaitable[None]], *, repeatable: bool = False) -> BusinessTool:
    """A tool of another system that does this and then answers."""

    async def run(call: Call, asked: Note) -> Noted:
        await does(call)
        return Noted(text=asked.text, call=call.id)

    return BusinessTool(
        "note", "Note", "Notes it.", Note, Noted, "write", "customers:change",
        ask=run, repeatable=repeatable, timeout_s=1.0,
    )  # fmt: skip


def noting(connection: Connection, call: Call) -> None:
    row = {
        "tenant": call.tenant, "id": f"inc_{call.id}", "user_id": call.customer, "severity": 1,
        "title": "t", "description": "d", "status": "open", "call_id": call.id, "at": call.now,
    }  # fmt: skip
    connection.execute(insert(incident), row)


async def test_the_same_key_gives_the_first_outcome_and_does_it_once(desk: Desk) -> None:
    first = await desk.call(calling(), "refund_invoice", DOUBLE, "k")
    again = await asyncio.gather(
        *(desk.call(calling(), "refund_invoice", DOUBLE, "k") for _ in range(10))
    )
    assert {outcome.text for outcome in again} == {first.text}
    assert await desk.refunded_cents("INV-2026-0039") == 1000


async def test_of_many_at_once_under_one_key_one_is_made(desk: Desk) -> None:
    outcomes = await asyncio.gather(
        *(desk.call(calling(), "refund_invoice", DOUBLE, "k") for _ in range(20))
    )
    assert len({str(said(outcome)) for outcome in outcomes}) == 1
    assert await desk.refunded_cents("INV-2026-0039") == 1000


async def test_a_refusal_is_the_first_outcome_too(desk: Desk) -> None:
    too_much = DOUBLE | {"amount_usd": 50}
    first = await desk.call(calling(), "refund_invoice", too_much, "k")
    assert first.is_error
    assert (await desk.call(calling(), "refund_invoice", too_much, "k")).text == first.text
    assert await desk.scalar("SELECT count(*) FROM tool_call WHERE is_error") == 1


@pytest.mark.parametrize(
    "other",
    [
        ("refund_invoice", DOUBLE | {"amount_usd": 11}, "user_123"),
        ("refund_invoice", DOUBLE | {"user_id": "user_123"}, "user_123"),
        ("refund_invoice", DOUBLE, "user_124"),
        ("reset_password", {}, "user_123"),
    ],
    ids=["amount", "argument", "customer", "tool"],
)
async def test_a_key_that_stands_for_another_call_is_refused(
    desk: Desk, other: tuple[str, dict[str, Json], str]
) -> None:
    await desk.call(calling(), "refund_invoice", DOUBLE, "k")
    tool, arguments, customer = other
    refused = await desk.call(calling(customer=customer), tool, arguments, "k")
    assert "idempotency_key_reused" in refused.text
    assert await desk.scalar("SELECT count(*) FROM tool_call") == 1


async def test_two_callers_never_share_a_key(desk: Desk) -> None:
    mine = await desk.call(calling(), "refund_invoice", DOUBLE, "k")
    theirs = await desk.call(calling(name="bob"), "refund_invoice", DOUBLE, "k")
    assert said(mine)["refund_id"] != said(theirs)["refund_id"]
    assert await desk.refunded_cents("INV-2026-0039") == 2000


async def test_a_repeat_needs_no_approval_however_near_the_limit_the_first_came(
    desk: Desk,
) -> None:
    """user_128 paid $1,990: a second $150 would be above an agent's $200, the same again is not."""
    asked: dict[str, Json] = {"invoice_id": "INV-2026-0001", "reason": "DUP", "amount_usd": 150}
    first = await desk.call(calling(customer="user_128"), "refund_invoice", asked, "k")
    again = await desk.call(calling(customer="user_128"), "refund_invoice", asked, "k")
    assert said(again) == said(first)
    more = await desk.call(calling(customer="user_128"), "refund_invoice", asked, "l")
    assert more.needs_approval is not None


@pytest.mark.parametrize("key", ["", "x" * (KEY_MAX + 1)])
async def test_a_key_that_is_none_is_refused(desk: Desk, key: str) -> None:
    outcome = await desk.runner.run(calling(), "refund_invoice", DOUBLE, key)
    assert outcome.body["code"] == "invalid_idempotency_key"


async def test_without_the_permission_a_tool_is_unknown_even_past_the_gateway(desk: Desk) -> None:
    nobody = replace(calling(), principal=replace(person("agent"), permissions=frozenset()))
    for name in ("refund_invoice", "no_such_tool"):
        outcome = await desk.runner.run(nobody, name, DOUBLE)
        assert outcome.body["detail"] == f"Unknown tool: {name}"


async def test_a_tool_that_breaks_leaves_nothing_and_a_repeat_begins_anew(tmp_path: Path) -> None:
    broken = [True]

    def does(connection: Connection, call: Call, asked: Note) -> None:
        noting(connection, call)
        if broken:
            raise ZeroDivisionError

    async with opened(tmp_path / "x.db", ToolRegistry([work(does)])) as desk:
        failed = await desk.call(calling(), "note", {"text": "a"}, "k")
        assert "ZeroDivision" not in failed.text
        assert failed.is_error
        assert await desk.scalar("SELECT count(*) FROM incident") == 0
        assert await desk.scalar("SELECT count(*) FROM tool_call") == 0
        broken.clear()
        assert said(await desk.call(calling(), "note", {"text": "a"}, "k"))["text"] == "a"
        assert await desk.scalar("SELECT count(*) FROM incident") == 1


async def test_a_tool_that_refuses_half_way_leaves_nothing_but_the_refusal(tmp_path: Path) -> None:
    def does(connection: Connection, call: Call, asked: Note) -> None:
        noting(connection, call)
        raise RequestError("no", "Not today.")

    async with opened(tmp_path / "x.db", ToolRegistry([work(does)])) as desk:
        refused = await desk.call(calling(), "note", {"text": "a"}, "k")
        assert "Not today." in refused.text
        assert await desk.scalar("SELECT count(*) FROM incident") == 0
        assert await desk.scalar("SELECT count(*) FROM tool_call") == 1


async def test_a_commit_that_fails_keeps_neither_the_change_nor_the_outcome(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies between doing and noting: here as an error after the work."""

    def dies(outcome: object, now: float) -> dict[str, object]:
        raise MemoryError

    with monkeypatch.context() as during:
        during.setattr(tool_calls, "_ended", dies)
        assert (await desk.call(calling(), "refund_invoice", DOUBLE, "k")).is_error
    assert await desk.refunded_cents("INV-2026-0039") == 0
    assert not (await desk.call(calling(), "refund_invoice", DOUBLE, "k")).is_error
    assert await desk.refunded_cents("INV-2026-0039") == 1000


async def test_the_call_id_is_the_same_for_the_same_call_and_unique_otherwise(
    tmp_path: Path,
) -> None:
    seen: list[str] = []

    async def does(call: Call) -> None:
        seen.append(call.id)
        raise ConnectionResetError

    registry = ToolRegistry([ask(does, repeatable=True)])
    async with opened(tmp_path / "x.db", registry) as desk:
        await desk.call(calling(), "note", {"text": "a"}, "k")
        desk.clock.advance(60)
        await desk.call(calling(), "note", {"text": "a"}, "k")
        await desk.call(calling(), "note", {"text": "a"}, "l")
        await desk.call(calling(name="bob"), "note", {"text": "a"}, "k")
    assert seen[0] == seen[1]
    assert len(set(seen)) == 3


async def test_whether_another_system_acted_is_not_guessed(tmp_path: Path) -> None:
    calls: list[str] = []

    async def does(call: Call) -> None:
        calls.append(call.id)
        raise ConnectionResetError

    async with opened(tmp_path / "x.db", ToolRegistry([ask(does)])) as desk:
        first = await desk.call(calling(), "note", {"text": "a"}, "k")
        assert "outcome_unknown" in first.text
        assert "under_way" in (await desk.call(calling(), "note", {"text": "a"}, "k")).text
        desk.clock.advance(60)
        later = await desk.call(calling(), "note", {"text": "a"}, "k")
        assert "outcome_unknown" in later.text
    assert len(calls) == 1


async def test_a_system_that_does_nothing_twice_is_asked_again_under_the_same_id(
    tmp_path: Path,
) -> None:
    calls: list[str] = []

    async def does(call: Call) -> None:
        calls.append(call.id)
        if len(calls) == 1:
            raise ConnectionResetError

    registry = ToolRegistry([ask(does, repeatable=True)])
    async with opened(tmp_path / "x.db", registry) as desk:
        await desk.call(calling(), "note", {"text": "a"}, "k")
        desk.clock.advance(60)
        assert said(await desk.call(calling(), "note", {"text": "a"}, "k"))["call"] == calls[0]
        assert said(await desk.call(calling(), "note", {"text": "a"}, "k"))["call"] == calls[0]
    assert calls == [calls[0]] * 2


async def test_a_refusal_of_another_system_is_final(tmp_path: Path) -> None:
    calls: list[str] = []

    async def does(call: Call) -> None:
        calls.append(call.id)
        raise RequestError("closed", "We are closed.")

    async with opened(tmp_path / "x.db", ToolRegistry([ask(does)])) as desk:
        for _ in range(2):
            assert "We are closed." in (await desk.call(calling(), "note", {"text": "a"}, "k")).text
    assert len(calls) == 1


async def test_a_result_of_another_kind_is_the_tools_mistake_and_undoes_its_work(
    tmp_path: Path,
) -> None:
    def run(connection: Connection, call: Call, asked: Note) -> Note:
        noting(connection, call)
        return asked

    tool = replace(work(lambda *_: None), work=run)
    async with opened(tmp_path / "x.db", ToolRegistry([tool])) as desk:
        assert (await desk.call(calling(), "note", {"text": "a"})).is_error
        assert await desk.scalar("SELECT count(*) FROM incident") == 0


async def test_a_tool_that_only_reads_cannot_write(tmp_path: Path) -> None:
    tool = replace(work(lambda c, call, _: noting(c, call)), side_effect="read")
    async with opened(tmp_path / "x.db", ToolRegistry([tool])) as desk:
        assert (await desk.call(calling(), "note", {"text": "a"})).is_error
        assert await desk.scalar("SELECT count(*) FROM incident") == 0
