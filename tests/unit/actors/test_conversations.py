"""Turns keep their order and their owner."""

import asyncio

import pytest
from sqlalchemy import func, select

from actors.database import Conversations, Database, NewTurn, TurnRow
from actors.database.tables import turn
from routing.errors import AccessError


async def test_turns_come_back_in_the_order_they_were_said(database: Database) -> None:
    conversations = Conversations(database)
    asked, answered = NewTurn("user", "Hello?", 1.0), NewTurn("assistant", "Yes.", 2.0, "ans_1")
    assert (await conversations.append("t", "c", "u", [asked, answered])).last_seq == 2
    assert (
        await conversations.append("t", "c", "u", [NewTurn("user", "Thanks", 3.0)])
    ).last_seq == 3
    assert await conversations.history("t", "c", 10) == [
        TurnRow(1, "user", "Hello?", 1.0, None),
        TurnRow(2, "assistant", "Yes.", 2.0, "ans_1"),
        TurnRow(3, "user", "Thanks", 3.0, None),
    ]


async def test_a_limit_keeps_the_newest_turns(database: Database) -> None:
    conversations = Conversations(database)
    await conversations.append("t", "c", "u", [NewTurn("user", str(n), n) for n in range(9)])
    newest = await conversations.history("t", "c", 2)
    assert newest is not None
    assert [row.text for row in newest] == ["7", "8"]


async def test_an_unknown_conversation_is_not_an_empty_one(database: Database) -> None:
    assert await Conversations(database).history("t", "c", 10) is None


async def test_concurrent_appends_to_one_conversation_number_every_turn_once(
    database: Database,
) -> None:
    conversations = Conversations(database)
    turns = [NewTurn("user", "a", 1.0), NewTurn("assistant", "b", 1.0)]
    heads = await asyncio.gather(*(conversations.append("t", "c", "u", turns) for _ in range(50)))
    last = [head.last_seq for head in heads]
    assert sorted(last) == list(range(2, 101, 2))
    rows = await conversations.history("t", "c", 1000)
    assert rows is not None
    assert [row.seq for row in rows] == list(range(1, 101))
    assert [row.role for row in rows] == ["user", "assistant"] * 50


@pytest.mark.parametrize("stranger", ["mallory", None])
async def test_another_user_neither_reads_nor_extends_a_conversation(
    database: Database, stranger: str | None
) -> None:
    conversations = Conversations(database)
    await conversations.append("t", "c", "alice", [NewTurn("user", "mine", 1.0)])
    with pytest.raises(AccessError, match="no conversation"):
        await conversations.append("t", "c", stranger, [NewTurn("user", "injected", 2.0)])
    assert await conversations.history("t", "c", 10, user_id="mallory") is None
    rows = await conversations.history("t", "c", 10, user_id="alice")
    assert rows is not None
    assert [row.text for row in rows] == ["mine"]


async def test_a_conversation_without_a_user_goes_on_without_one(database: Database) -> None:
    conversations = Conversations(database)
    await conversations.append("t", "c", None, [NewTurn("user", "a", 1.0)])
    assert (await conversations.append("t", "c", None, [NewTurn("user", "b", 2.0)])).last_seq == 2


async def test_deleting_a_conversation_leaves_no_turn_behind(database: Database) -> None:
    conversations = Conversations(database)
    await conversations.append("t", "c", "u", [NewTurn("user", "a", 1.0)])
    assert not await conversations.delete("other", "c")
    assert await conversations.delete("t", "c")
    assert await conversations.history("t", "c", 10) is None
    left = await database.read(lambda connection: connection.scalar(select(func.count(turn.c.seq))))
    assert left == 0
