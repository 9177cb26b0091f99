"""A thread that cannot be read is held by nobody: the next run finds it as it was, at once."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest
from sqlalchemy import Connection, update
from typing_extensions import override

from actors.database import Database, Held, Item, Threads
from actors.database.errors import DatabaseBusy, DatabaseUnavailable, KeysUnavailable
from actors.database.tables import thread_item
from actors.sealing.errors import SealBroken
from routing.clock import ManualClock
from routing.errors import ConflictError
from tests.unit.sealing.keyed import LocalProvider, ring_over

pytestmark = pytest.mark.anyio

T = TypeVar("T")
UNTIL = 1e9


class Unreadable(Database):
    """A store of which something else than reading goes on."""

    error: BaseException | None = None
    reading: asyncio.Event | None = None

    @override
    async def read(self, work: Callable[[Connection], T]) -> T:
        if self.reading is not None:
            self.reading.set()
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        return await super().read(work)


@pytest.mark.parametrize(
    "error", [DatabaseBusy("full"), DatabaseUnavailable("away"), KeysUnavailable("away")]
)
async def test_a_run_that_could_not_read_its_thread_has_let_it_go(
    database: Database, error: Exception
) -> None:
    made = await Threads(database).create("t", {}, [Item("a", {"id": "a"})], 0.0)
    store = Unreadable(database.address)
    store.error = error
    with pytest.raises(type(error)):
        await Threads(store).hold("t", made.id, [], 1.0, UNTIL, owner=None)
    await store.aclose()
    assert isinstance(await Threads(database).hold("t", made.id, [], 1.0, UNTIL, owner=None), Held)


async def test_a_run_whose_thread_was_tampered_with_has_let_it_go(database: Database) -> None:
    database.sealing = ring_over(database, LocalProvider(), ManualClock())
    threads = Threads(database)
    items = [Item(name, {"id": name, "text": name}) for name in ("a", "b")]
    made = await threads.create("t", {}, items, 0.0)
    kept = await database.read(
        lambda c: c.execute(thread_item.select().order_by(thread_item.c.seq)).all()
    )
    swapped = update(thread_item).where(thread_item.c.seq == kept[0].seq)
    swapped = swapped.values(body=kept[1].body)
    await database.write(lambda connection: connection.execute(swapped).close())
    for _ in range(2):
        with pytest.raises(SealBroken):
            await threads.hold("t", made.id, [], 1.0, UNTIL, owner=None)


async def test_who_stops_waiting_while_a_thread_is_read_does_not_hold_it(
    database: Database,
) -> None:
    made = await Threads(database).create("t", {}, [], 0.0)
    store = Unreadable(database.address)
    store.reading = asyncio.Event()
    run = asyncio.create_task(Threads(store).hold("t", made.id, [], 1.0, UNTIL, owner=None))
    await store.reading.wait()
    with pytest.raises(ConflictError):
        await Threads(database).hold("t", made.id, [], 1.0, UNTIL, owner=None)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    await store.aclose()
    assert isinstance(await Threads(database).hold("t", made.id, [], 1.0, UNTIL, owner=None), Held)
