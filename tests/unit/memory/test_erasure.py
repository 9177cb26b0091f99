"""Erasing takes everything of one customer from the database, also what was kept for a repeat."""

from sqlalchemy import Connection

from actors.database import Database, Fresh, Idempotency, NewTurn
from actors.database.tables import metadata
from actors.memory import Memory, Said, Step
from actors.memory.runbooks import Report


async def a_life(memory: Memory, database: Database, tenant: str, user: str) -> None:
    """A conversation longer than a window, a fact, a run, and an answer kept for who asks again."""
    of = f"conv_{user}"
    for number in range(30):
        turns = [NewTurn("user", f"{user} says {number}", 1.0), NewTurn("assistant", "ok", 1.0)]
        await memory.episodes.append(tenant, of, user, turns)
    said = Said(of, 1)
    await memory.facts.remember_said(tenant, user, "name", user, said, f"by-{user}")
    await memory.runbooks.publish(tenant, "refund", "Refund", [Step("look", "Look.")])
    run = await memory.runbooks.start(tenant, user, of, "refund", "key:1")
    await memory.runbooks.record(tenant, user, run.row.id, Report("look", "done", user, "key:1"))
    kept = Idempotency(database)
    fresh = await kept.begin(tenant, f"key-of-{user}", "hash", 1.0, user)
    assert isinstance(fresh, Fresh)
    answer = {"conversation_id": of, "text": f"Dear {user}"}
    await kept.finish(tenant, f"key-of-{user}", fresh.lease, 200, answer)


async def rows_with(database: Database, word: str) -> int:
    def count(connection: Connection) -> int:
        return sum(
            word in str(tuple(row))
            for table in metadata.sorted_tables
            for row in connection.execute(table.select())
        )

    return await database.read(count)


async def test_no_row_of_any_table_names_who_was_erased(memory: Memory, database: Database) -> None:
    for tenant, user in (("acme", "ann-7f"), ("acme", "bob-8e"), ("globex", "ann-7f")):
        await a_life(memory, database, tenant, user)
    before = await rows_with(database, "bob-8e")
    both = await rows_with(database, "ann-7f")
    erased = await memory.erasure.erase("acme", "ann-7f")
    assert erased.rows == {
        "kept_answers": 1,
        "turns": 60,
        "runbook_steps": 1,
        "conversations": 1,
        "facts": 1,
        "runbook_runs": 1,
    }
    assert await rows_with(database, "ann-7f") == both // 2  # the other tenant's
    assert await rows_with(database, "bob-8e") == before
    await memory.erasure.erase("globex", "ann-7f")
    assert await rows_with(database, "ann-7f") == 0


async def test_a_summary_is_kept_with_its_conversation(memory: Memory, database: Database) -> None:
    await a_life(memory, database, "acme", "ann")
    head = await memory.conversations.head("acme", "conv_ann")
    assert head is not None
    assert (head.last_seq, head.summary_seq) == (60, 10)
    assert head.summary.split("\n")[0] == "user: ann says 0"


async def test_of_two_summaries_at_once_the_first_is_kept(
    memory: Memory, database: Database
) -> None:
    await a_life(memory, database, "acme", "ann")
    head = await memory.conversations.head("acme", "conv_ann")
    assert head is not None
    assert await memory.conversations.keep_summary("acme", "conv_ann", head, "first", 20)
    assert not await memory.conversations.keep_summary("acme", "conv_ann", head, "second", 20)
    kept = await memory.conversations.head("acme", "conv_ann")
    assert kept is not None
    assert kept.summary == "first"
