"""Rows from before, and rows under retired keys, are sealed anew; broken off, it goes on; nothing is lost."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select, update

from actors.database import (
    Approvals,
    Conversations,
    Database,
    Idempotency,
    Item,
    NewTurn,
    Threads,
    ToolCalls,
)
from actors.database.approvals import NewApproval
from actors.database.data_keys import DataKeys
from actors.database.directory_rows import UserRow
from actors.database.directory_users import DirectoryUsers
from actors.database.errors import KeysUnavailable
from actors.database.idempotency import Done, Fresh
from actors.database.memory_facts import Facts, NewFact
from actors.database.resealing import Resealing, Walked
from actors.database.runbooks import RunbookStore, RunRow, StepRow
from actors.database.sealed_pages import PAGE
from actors.database.sealed_places import PLACES
from actors.database.sealing import Unsealed
from actors.database.tables import metadata, turn
from actors.database.tool_calls import NewCall, Outcome
from actors.database.tool_turns import ToolTurns, ToolTurnStore
from actors.sealing.envelope import is_sealed, number_of
from actors.sealing.errors import SealBroken
from actors.sealing.loading import HANDOVER_S, KEY_AGE_S
from actors.sealing.ring import FRESH_S
from routing.clock import ManualClock
from routing.message import ProviderState
from tests.people_world import everything
from tests.unit.sealing.keyed import LocalProvider, ring_over

pytestmark = pytest.mark.anyio

CANARY = "the blue heron"


async def write_everything(database: Database, tenant: str = "acme") -> str:
    """A canary in every column that is sealed; the thread's id."""
    conversations = Conversations(database)
    head = await conversations.append(tenant, "c", "ann", [NewTurn("user", CANARY, 1.0)])
    assert await conversations.keep_summary(tenant, "c", head, CANARY, 1)
    item = Item("i1", {"text": CANARY}, "a", ProviderState("openai", ({"said": CANARY},)))
    thread = await Threads(database).create(tenant, {"about": CANARY}, [item], 1.0)
    fact = NewFact("f", "color", CANARY, "customer", "c#1", CANARY, "ann", 1.0, 1.0)
    await Facts(database).remember(tenant, "ann", fact)
    runbooks = RunbookStore(database)
    await runbooks.publish(tenant, "r", "R", [{"id": "one"}], "hash", 1.0)
    run = RunRow("run", "ann", "c", "r", 1, "running", 0, "bob", 1.0, None)
    assert await runbooks.start(tenant, run, 5)
    assert await runbooks.record(tenant, run, StepRow(0, "done", CANARY, "", "bob", 1.0), "done")
    tools = ToolTurns("a", [{"result": CANARY}], 1.0)
    await ToolTurnStore(database).append(tenant, "c", tools, tainted=False)
    call = NewCall(tenant, "ann", "k", "id", "refund", "hash", "ann", "c", None, 1.0)
    await ToolCalls(database).once(call, lambda _: Outcome({"told": CANARY}, False))
    asked = NewApproval(
        tenant, "ap", "live", "refund", {"reason": CANARY}, "hash", CANARY, CANARY, "ann",
        ("agent",), "ann", "c", False, 1.0, 9e9,
    )  # fmt: skip
    approvals = Approvals(database)
    await approvals.request(asked)
    await approvals.decide(tenant, "ap", "approved", "bob", "bob", ("admin",), 2.0)
    assert await approvals.spend(tenant, "ap", 3.0)
    await approvals.finish(tenant, "ap", {"told": CANARY}, 4.0, is_error=False)
    fresh = await Idempotency(database).begin(tenant, "k", "hash", 1.0)
    assert isinstance(fresh, Fresh)
    assert await Idempotency(database).finish(tenant, "k", fresh.lease, 200, {"text": CANARY})
    said = {"displayName": CANARY}
    somebody = UserRow(tenant, "u", CANARY, CANARY, "idp:u", True, said, 1, 1.0, 1.0)
    await DirectoryUsers(database).create(somebody, folds=False)
    return thread.id


async def read_everything(database: Database, thread_id: str, tenant: str = "acme") -> str:
    """What repositories say of all that, in one text."""
    conversations = Conversations(database)
    found: list[Any] = [
        await conversations.head(tenant, "c"),
        await conversations.history(tenant, "c", 10),
        await conversations.between(tenant, "c", 0, 10),
        await Threads(database).get(tenant, thread_id, owner=None),
        await Threads(database).page(tenant, thread_id, None, 10, newest_first=False, owner=None),
        await Facts(database).current(tenant, "ann", 10),
        await RunbookStore(database).run(tenant, "ann", "run"),
        await ToolTurnStore(database).of(tenant, "c", 10),
        await ToolCalls(database).once(
            NewCall(tenant, "ann", "k", "id", "refund", "hash", "ann", "c", None, 1.0),
            lambda _: Outcome({}, False),
        ),
        await Approvals(database).get(tenant, "ap", 5.0),
        await DirectoryUsers(database).find(tenant, "u"),
    ]
    done = await Idempotency(database).begin(tenant, "k", "hash", 5.0)
    assert isinstance(done, Done)
    return repr([*found, done])


async def raw(database: Database) -> dict[str, Sequence[object]]:
    """Every sealed column as it lies there."""
    found: dict[str, Sequence[object]] = {}
    for place in PLACES:
        column = metadata.tables[place.table].c[place.column]
        statement = select(column).where(column.is_not(None))
        found[place.name] = await database.read(
            lambda connection, asked=statement: list(connection.execute(asked).scalars())  # type: ignore[misc]
        )
    return found


async def walk(database: Database, resealing: Resealing) -> list[Walked]:
    """The whole walk."""
    done = []
    for place in await resealing.begin():
        walked = Walked(place.name)
        while not walked.is_done:
            walked = await resealing.step(walked, place)
        done.append(walked)
    return done


async def test_every_sealed_column_is_sealed_and_read_through_its_repository(
    database: Database,
) -> None:
    database.sealing = ring_over(database, LocalProvider(), ManualClock())
    thread_id = await write_everything(database)
    for name, values in (await raw(database)).items():
        assert values, f"nothing was written into {name}"
        assert all(is_sealed(value) for value in values), name
    assert (await read_everything(database, thread_id)).count(CANARY) >= len(PLACES)
    assert all(CANARY not in row for rows in (await everything(database)).values() for row in rows)


async def test_what_was_written_before_is_read_and_then_sealed(database: Database) -> None:
    thread_id = await write_everything(database)
    ring = ring_over(database, LocalProvider(), ManualClock())
    database.sealing = ring
    before = await read_everything(database, thread_id)
    walked = await walk(database, Resealing(database, ring, ManualClock()))
    assert all(one.changed == one.seen > 0 and not one.unreadable for one in walked)
    assert all(is_sealed(v) for values in (await raw(database)).values() for v in values)
    assert await read_everything(database, thread_id) == before
    again = await walk(database, Resealing(database, ring, ManualClock()))
    assert [one.changed for one in again] == [0] * len(PLACES)


async def test_rows_under_a_retired_key_are_sealed_under_the_current_one(
    database: Database,
) -> None:
    clock, provider = ManualClock(), LocalProvider()
    database.sealing = ring_over(database, provider, clock)
    thread_id = await write_everything(database)
    clock.advance(KEY_AGE_S)
    database.sealing = ring = ring_over(database, provider, clock)
    await ring.to_seal("acme")
    clock.advance(HANDOVER_S)
    await walk(database, Resealing(database, ring, clock))
    numbers = {number_of(str(v)) for values in (await raw(database)).values() for v in values}
    assert numbers == {2}
    assert CANARY in await read_everything(database, thread_id)


async def test_a_walk_that_was_broken_off_goes_on_where_it_was(database: Database) -> None:
    turns = [NewTurn("user", f"{CANARY} {n}", 1.0) for n in range(PAGE + 10)]
    await Conversations(database).append("acme", "long", "ann", turns)
    provider, clock = LocalProvider(), ManualClock()
    database.sealing = ring = ring_over(database, provider, clock)
    resealing = Resealing(database, ring, clock)
    place = (await resealing.begin())[0]
    first = await resealing.step(Walked(place.name), place)
    assert (first.seen, first.changed, first.is_done) == (PAGE, PAGE, False)
    provider.refuses = True
    clock.advance(FRESH_S)
    with pytest.raises(KeysUnavailable):
        await resealing.step(first, place)
    provider.refuses = False
    rest = await walk(database, Resealing(database, ring, clock))
    assert rest[0].changed == 10
    assert all(is_sealed(value) for value in (await raw(database))["turn.text"])


async def test_a_value_that_was_moved_is_refused_and_left_as_it_is(database: Database) -> None:
    clock = ManualClock()
    database.sealing = ring = ring_over(database, LocalProvider(), clock)
    said = [NewTurn("user", "yes", 1.0), NewTurn("assistant", "no", 1.0)]
    await Conversations(database).append("acme", "c", "ann", said)
    first = (await raw(database))["turn.text"][0]
    await database.write(
        lambda connection: connection.execute(update(turn).values(text=first)).close()
    )
    with pytest.raises(SealBroken):
        await Conversations(database).history("acme", "c", 10)
    walked = await walk(database, Resealing(database, ring, clock))
    assert walked[0].unreadable == 1
    assert (await raw(database))["turn.text"] == [first, first]


async def test_of_a_forgotten_tenant_nothing_is_read_and_of_the_others_everything(
    database: Database,
) -> None:
    clock = ManualClock()
    database.sealing = ring_over(database, LocalProvider(), clock)
    conversations = Conversations(database)
    for tenant in ("acme", "globex"):
        await conversations.append(tenant, "c", "ann", [NewTurn("user", CANARY, 1.0)])
    await DataKeys(database).destroy("acme", clock.now())
    clock.advance(FRESH_S)
    with pytest.raises(SealBroken):
        await conversations.history("acme", "c", 10)
    await conversations.append("acme", "new", "ann", [NewTurn("user", "hello", 1.0)])
    assert [t.text for t in await conversations.history("acme", "new", 10) or ()] == ["hello"]
    with pytest.raises(SealBroken):
        await conversations.history("acme", "c", 10)
    assert [t.text for t in await conversations.history("globex", "c", 10) or ()] == [CANARY]


async def test_a_process_without_keys_shows_no_sealed_text(database: Database) -> None:
    database.sealing = ring_over(database, LocalProvider(), ManualClock())
    thread_id = await write_everything(database)
    database.sealing = Unsealed()
    with pytest.raises(KeysUnavailable):
        await Conversations(database).history("acme", "c", 10)
    with pytest.raises(KeysUnavailable):
        await Threads(database).get("acme", thread_id, owner=None)
