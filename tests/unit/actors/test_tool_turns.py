"""What answers did with tools: kept beside their conversation, for its tenant, and gone with it."""

from actors.database import Conversations, Database, NewTurn
from actors.database.tool_turns import KeptTools, ToolTurns, ToolTurnStore
from routing.message import JsonObject

CALLS: tuple[JsonObject, ...] = ({"name": "tools__list_invoices", "arguments": {}, "text": "two"},)


async def begun(database: Database, conversation_id: str = "conv_1") -> ToolTurnStore:
    said = (NewTurn("user", "Hello", 1.0),)
    await Conversations(database).append("acme", conversation_id, "user_1", said)
    return ToolTurnStore(database)


async def test_the_last_answers_come_back_in_their_order(database: Database) -> None:
    store = await begun(database)
    for number in range(5):
        turns = ToolTurns(f"ans_{number}", CALLS, float(number))
        await store.append("acme", "conv_1", turns, tainted=False)
    kept = await store.of("acme", "conv_1", 2)
    assert [one.answer_id for one in kept.answers] == ["ans_3", "ans_4"]
    assert kept.answers[0].calls == list(CALLS)
    assert not kept.tainted


async def test_a_taint_outlives_the_answers_that_are_shown(database: Database) -> None:
    """What was read long ago is still in what the model was told since."""
    store = await begun(database)
    await store.append("acme", "conv_1", ToolTurns("ans_0", (), 0.0), tainted=True)
    for number in range(1, 4):
        turns = ToolTurns(f"ans_{number}", CALLS, float(number))
        await store.append("acme", "conv_1", turns, tainted=False)
    kept = await store.of("acme", "conv_1", 2)
    assert len(kept.answers) == 2
    assert kept.tainted


async def test_another_tenant_and_a_deleted_conversation_have_none(database: Database) -> None:
    store = await begun(database)
    await store.append("acme", "conv_1", ToolTurns("ans_0", CALLS, 0.0), tainted=True)
    assert await store.of("globex", "conv_1", 4) == KeptTools()
    await Conversations(database).delete("acme", "conv_1")
    assert await store.of("acme", "conv_1", 4) == KeptTools()
