"""Who can write to the database puts nothing in the place of a sealed text: in clear, or from elsewhere."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import JSON, Connection, Table, select, update

from actors.database import Database
from actors.database.sealed_places import EXTERNAL_ID, PLACES, USER_NAME
from actors.database.tables import metadata
from actors.database.tool_turns import tool_turn
from actors.database.verifying import Counted, Verifying
from actors.sealing.envelope import Place
from actors.sealing.errors import ClearRefused, SealBroken
from actors.sealing.ring import KeyRing
from routing.clock import ManualClock
from tests.unit.sealing.keyed import LocalProvider, ring_over
from tests.unit.sealing.test_resealing import CANARY, read_everything, write_everything

pytestmark = pytest.mark.anyio
BY_NAME = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
KEYED = {USER_NAME: "name_key", EXTERNAL_ID: "external_key"}


async def stored(database: Database, place: Place, tenant: str = "acme") -> Mapping[str, object]:
    """A row of the tenant that has something there, as it lies there."""
    table = metadata.tables[place.table]
    mine = select(table).where(table.c.tenant == tenant, table.c[place.column].is_not(None))

    def work(connection: Connection) -> Mapping[str, object]:
        return dict(connection.execute(mine).mappings().first() or {})

    return await database.read(work)


async def put(database: Database, place: Place, value: object, tenant: str = "acme") -> None:
    """Write into the column, past everything."""
    table = metadata.tables[place.table]
    change = update(table).where(table.c.tenant == tenant).values({place.column: value})
    await database.write(lambda connection: connection.execute(change).close())


async def in_clear(database: Database, ring: KeyRing, place: Place) -> object:
    """What is sealed there, opened."""
    row, table = await stored(database, place), metadata.tables[place.table]
    keys = await ring.to_open("acme")
    row_id = [row[column.name] for column in key_of(table) if column.name != "tenant"]
    is_json = isinstance(table.c[place.column].type, JSON)
    found: object = (keys.open_json if is_json else keys.open)(
        place,
        row_id,  # type: ignore[arg-type]
        row[place.column],  # type: ignore[arg-type]
    )
    return found


def key_of(table: Table) -> list[Any]:
    return list(table.primary_key.columns)


@BY_NAME
async def test_a_text_in_clear_is_shown_to_nobody_once_nothing_is(
    database: Database, place: Place
) -> None:
    """And as long as that is not switched on, it is read: so it was written before there was a seal."""
    provider, clock = LocalProvider(), ManualClock()
    database.sealing = ring = ring_over(database, provider, clock)
    thread_id = await write_everything(database)
    await put(database, place, await in_clear(database, ring, place))
    assert CANARY in await read_everything(database, thread_id)
    database.sealing = ring_over(database, provider, clock, refuses_clear=True)
    with pytest.raises(ClearRefused) as refused:
        await read_everything(database, thread_id)
    assert (refused.value.tenant, refused.value.place) == ("acme", place.name)
    assert CANARY not in str(refused.value)


async def test_what_is_sealed_is_read_as_before(database: Database) -> None:
    provider, clock = LocalProvider(), ManualClock()
    database.sealing = ring_over(database, provider, clock, refuses_clear=True)
    thread_id = await write_everything(database)
    assert (await read_everything(database, thread_id)).count(CANARY) >= len(PLACES)


@BY_NAME
async def test_a_text_that_was_sealed_for_another_tenant_or_column_does_not_open(
    database: Database, place: Place
) -> None:
    database.sealing = ring_over(database, LocalProvider(), ManualClock())
    thread_id = await write_everything(database)
    await write_everything(database, "globex")
    mine = (await stored(database, place))[place.column]
    theirs = (await stored(database, place, "globex"))[place.column]
    column = PLACES[(PLACES.index(place) + 1) % len(PLACES)]
    elsewhere = (await stored(database, column))[column.column]
    for planted in (theirs, elsewhere):
        await put(database, place, planted)
        with pytest.raises(SealBroken):
            await read_everything(database, thread_id)
    await put(database, place, mine)
    assert CANARY in await read_everything(database, thread_id)


@pytest.mark.parametrize("place", KEYED, ids=lambda place: place.name)
async def test_somebody_is_not_found_by_another_s_name(database: Database, place: Place) -> None:
    """What a name is sought by is no part of the seal, and is compared with what was opened."""
    database.sealing = ring_over(database, LocalProvider(), ManualClock())
    thread_id = await write_everything(database)
    await put(database, Place(place.table, KEYED[place]), "hmac:" + "0" * 32)
    with pytest.raises(SealBroken):
        await read_everything(database, thread_id)


async def test_what_is_in_clear_or_unreadable_is_counted_column_by_column(
    database: Database,
) -> None:
    clock, provider = ManualClock(), LocalProvider()
    await write_everything(database, "acme")
    ring = ring_over(database, provider, clock)
    database.sealing = ring
    await write_everything(database, "globex")
    looked = {place: await Verifying(database, ring).count(place) for place in PLACES}
    for place, counted in looked.items():
        assert counted == Counted(place.name, 2 * counted.in_clear, counted.in_clear, 0)
        assert counted.in_clear > 0
    damaged = Place("tool_turn", "calls")
    statement = update(tool_turn).where(tool_turn.c.tenant == "globex").values(calls="sealed:AAAA")
    await database.write(lambda connection: connection.execute(statement).close())
    assert await Verifying(database, ring).count(damaged) == Counted(damaged.name, 2, 1, 1)
    await put(database, Place("directory_user", "name_key"), CANARY, "globex")
    assert (await Verifying(database, ring).count(USER_NAME)).in_clear == 2
