"""A thread has one writer at a time, in whatever process, and keeps what its answers were made of."""

import asyncio

import pytest
from sqlalchemy import func, select

from actors.database import Database, Held, Item, Threads, open_database
from actors.database.tables import thread_item
from routing.errors import AccessError, ConflictError
from routing.message import ProviderState

STATE = ProviderState("openai", ({"type": "reasoning", "encrypted_content": "x"},))


def item(name: str, answer: str | None = None, state: ProviderState | None = None) -> Item:
    return Item(name, {"id": name, "type": "message"}, answer, state)


async def test_of_many_that_want_a_thread_at_once_one_gets_it(
    database: Database,
) -> None:
    """Two processes' worth of stores over one file, or one server."""
    other = open_database(database.address)
    made = await Threads(database).create("t", {}, [], 0.0)
    stores = [Threads(database), Threads(other)] * 10
    got = await asyncio.gather(
        *(store.hold("t", made.id, [], 1.0, 2.0, owner=None) for store in stores),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Held) for one in got) == 1
    assert sum(isinstance(one, ConflictError) for one in got) == len(stores) - 1
    await other.aclose()


async def test_a_lease_ends_at_its_moment_and_not_before(database: Database) -> None:
    threads = Threads(database)
    made = await threads.create("t", {}, [], 0.0)
    first = await threads.hold("t", made.id, [], 0.0, 10.0, owner=None)
    with pytest.raises(ConflictError):
        await threads.hold("t", made.id, [], 9.999, 20.0, owner=None)
    await threads.hold("t", made.id, [], 10.0, 20.0, owner=None)
    await threads.release("t", made.id, first.lease)  # somebody else's by now
    with pytest.raises(ConflictError):
        await threads.hold("t", made.id, [], 11.0, 20.0, owner=None)


async def test_what_an_answer_was_made_of_comes_back_as_it_was(database: Database) -> None:
    threads = Threads(database)
    made = await threads.create("t", {"k": "v"}, [item("a")], 0.0)
    held = await threads.hold("t", made.id, [], 1.0, 2.0, owner=None)
    await threads.finish("t", made.id, held.lease, [item("b", "ans", STATE), item("c", "ans")], 1.5)
    kept = (await threads.hold("t", made.id, [], 2.0, 3.0, owner=None)).items
    assert list(kept) == [item("a"), item("b", "ans", STATE), item("c", "ans")]


async def test_with_a_part_of_an_answer_gone_so_are_the_platforms_own_words(
    database: Database,
) -> None:
    """Or what somebody deleted would be told again."""
    threads = Threads(database)
    answer = [item("b", "ans", STATE), item("c", "ans"), item("d", "other", STATE)]
    made = await threads.create("t", {}, answer, 0.0)
    await threads.drop("t", made.id, "c", 1.0, owner=None)
    kept = (await threads.hold("t", made.id, [], 2.0, 3.0, owner=None)).items
    assert list(kept) == [item("b", "ans"), item("d", "other", STATE)]


async def test_a_thread_that_is_deleted_in_mid_run_takes_no_answer(database: Database) -> None:
    threads = Threads(database)
    made = await threads.create("t", {}, [item("a")], 0.0)
    held = await threads.hold("t", made.id, [], 1.0, 2.0, owner=None)
    await threads.delete("t", made.id, owner=None)
    with pytest.raises(ConflictError, match="deleted"):
        await threads.finish("t", made.id, held.lease, [item("b")], 1.5)
    left = await database.read(lambda c: c.scalar(select(func.count(thread_item.c.seq))))
    assert left == 0


@pytest.mark.parametrize("tenant", ["", "T", "t%", "t/eu", "other"])
async def test_a_tenant_reaches_no_other_tenants_thread(database: Database, tenant: str) -> None:
    threads = Threads(database)
    made = await threads.create("t", {}, [item("a")], 0.0)
    for ask in (
        threads.get(tenant, made.id, owner=None),
        threads.relabel(tenant, made.id, {"x": "y"}, owner=None),
        threads.delete(tenant, made.id, owner=None),
        threads.page(tenant, made.id, None, 10, newest_first=True, owner=None),
        threads.item(tenant, made.id, "a", owner=None),
        threads.add(tenant, made.id, [item("b")], 1.0, owner=None),
        threads.drop(tenant, made.id, "a", 1.0, owner=None),
        threads.hold(tenant, made.id, [], 1.0, 2.0, owner=None),
    ):
        with pytest.raises(AccessError, match="not found"):
            await ask
    held = await threads.hold("t", made.id, [], 1.0, 2.0, owner=None)
    with pytest.raises(ConflictError):
        await threads.finish(tenant, made.id, held.lease, [item("b")], 1.0)
    await threads.release(tenant, made.id, held.lease)
    with pytest.raises(ConflictError, match="under way"):
        await threads.hold("t", made.id, [], 1.0, 2.0, owner=None)
