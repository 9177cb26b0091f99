"""Twenty processes' stores over one database, at once: nothing is lost, taken twice or overspent.

What is promised does not depend on which database it is: SQLite has one writer at a time, and
PostgreSQL must come to what some order of them would have come to.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, func, insert, select

from actors.database import (
    Approvals,
    Conversations,
    Database,
    Fresh,
    Held,
    Idempotency,
    Ledger,
    NewTurn,
    Threads,
    ToolCalls,
    open_database,
)
from actors.database.address import Address
from actors.database.approvals import WAITING_MAX, NewApproval
from actors.database.budget_books import BudgetBooks
from actors.database.budgets import BudgetDefinitions
from actors.database.knowledge import KnowledgeStore
from actors.database.knowledge_rows import NewDocument, NewPassage
from actors.database.tables import checkpoint
from actors.database.tool_calls import NewCall, Outcome
from routing.budget import DAY_S, Budget, Claim, Key, Scope

WRITERS = 20
DAY = 20_000
NOW = DAY * float(DAY_S) + 60.0
ROLES = ("supervisor",)

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def writers(database: Database, address: Address) -> AsyncIterator[list[Database]]:
    others = [open_database(address) for _ in range(WRITERS - 1)]
    yield [database, *others]
    for other in others:
        await other.aclose()


def approval(name: str, live: str) -> NewApproval:
    return NewApproval(
        "t", name, live, "tools__refund", {}, "hash", "why", "what", "p", ROLES, None, None, True,
        NOW, NOW + 60,
    )  # fmt: skip


async def test_no_turn_of_a_conversation_is_lost_or_numbered_twice(writers: list[Database]) -> None:
    async def say(number: int, database: Database) -> None:
        store = Conversations(database)
        for n in range(5):
            await store.append("t", "c", "u", [NewTurn("user", f"{number}.{n}", NOW)])

    await asyncio.gather(*(say(*one) for one in enumerate(writers)))
    turns = await Conversations(writers[0]).history("t", "c", 1_000)
    assert turns is not None
    assert [turn.seq for turn in turns] == list(range(1, 5 * WRITERS + 1))
    assert {turn.text for turn in turns} == {
        f"{number}.{n}" for number in range(WRITERS) for n in range(5)
    }


async def test_a_budget_lends_exactly_what_it_has(writers: list[Database]) -> None:
    budget = Budget("b", Scope.TENANT, 1_000, "t")
    await BudgetDefinitions(writers[0]).put(budget)
    key = Key("t", "b", Scope.TENANT, "t", DAY)
    lent = await asyncio.gather(
        *(
            BudgetBooks(database).claim([Claim(key, f"r{n}-{round_}", 1, 70)], NOW, DAY)
            for n, database in enumerate(writers)
            for round_ in range(3)
        )
    )
    assert sum(standing.granted for standings in lent for standing in standings) == 1_000
    [book] = (await BudgetBooks(writers[0]).books("t", [budget], NOW))["b"].values()
    assert (book.committed, book.free) == (1_000, 0)


async def test_an_approval_is_asked_for_decided_and_spent_once(writers: list[Database]) -> None:
    stores = [Approvals(database) for database in writers]
    asked = await asyncio.gather(
        *(store.request(approval(f"a{n}", "live")) for n, store in enumerate(stores))
    )
    [name] = {row.id for row in asked if row is not None}
    words = await asyncio.gather(
        *(
            store.decide("t", name, "approved" if n % 2 else "denied", f"s{n}", f"s{n}", ROLES, NOW)
            for n, store in enumerate(stores)
        )
    )
    assert len({(row.state, row.decided_by) for row in words if row is not None}) == 1
    second = await stores[0].request(approval("b", "other"))
    assert second is not None
    await stores[0].decide("t", "b", "approved", "s", "s", ROLES, NOW)
    spent = await asyncio.gather(*(store.spend("t", "b", NOW) for store in stores))
    assert Counter(spent) == {True: 1, False: WRITERS - 1}


async def test_no_more_approvals_wait_than_may(
    writers: list[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A count and a row that hangs on it: the race that a lock on rows does not see."""
    assert WAITING_MAX > 7
    monkeypatch.setattr("actors.database.approvals.WAITING_MAX", 7)
    asked = await asyncio.gather(
        *(
            Approvals(database).request(approval(f"a{n}", f"live{n}"))
            for n, database in enumerate(writers)
        )
    )
    assert sum(row is not None for row in asked) == 7


async def test_two_who_each_count_before_they_write_cannot_both_be_first(
    writers: list[Database],
) -> None:
    """Neither writes what the other does, so only an order of the two can tell them apart."""

    def first(name: str, connection: Connection) -> bool:
        if connection.scalar(select(func.count()).select_from(checkpoint)):
            return False
        row = {"name": name, "version": 1, "at": NOW, "body": ""}
        connection.execute(insert(checkpoint), row)
        return True

    def named(name: str) -> "asyncio.Future[bool]":
        database = writers[int(name)]
        return asyncio.ensure_future(database.write(lambda c: first(name, c)))

    was_first = await asyncio.gather(*(named(str(n)) for n in range(WRITERS)))
    assert sum(was_first) == 1


async def test_a_key_a_thread_and_a_call_have_one_holder(writers: list[Database]) -> None:
    begun = await asyncio.gather(
        *(Idempotency(database).begin("t", "k", "hash", NOW) for database in writers)
    )
    assert sum(isinstance(one, Fresh) for one in begun) == 1
    thread = await Threads(writers[0]).create("t", {}, [], NOW)
    held = await asyncio.gather(
        *(
            Threads(database).hold("t", thread.id, [], NOW, NOW + 9, owner=None)
            for database in writers
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(one, Held) for one in held) == 1

    def bump(connection: Connection) -> Outcome:
        connection.execute(
            insert(checkpoint), {"name": "done", "version": 1, "at": NOW, "body": ""}
        )
        return Outcome({"done": True}, is_error=False)

    call = NewCall("t", "p", "k", "id", "tool", "hash", None, None, None, NOW)
    done = await asyncio.gather(*(ToolCalls(database).once(call, bump) for database in writers))
    assert done == [Outcome({"done": True}, is_error=False)] * WRITERS


async def test_a_batch_that_comes_from_everywhere_is_booked_once(writers: list[Database]) -> None:
    booked = await asyncio.gather(
        *(Ledger(database).append("r", 1, [], "{}", now=NOW) for database in writers)
    )
    assert sum(booked) == 1
    kept = await Ledger(writers[0]).load_checkpoint()
    assert kept is not None
    assert kept.version == 1


async def test_the_version_of_what_is_known_counts_every_change(writers: list[Database]) -> None:
    def document(number: int) -> NewDocument:
        return NewDocument(
            id=f"d{number}", source="s", path=f"{number}.md", title="T", audience="public",
            category="", tags=(), url=None, updated=None,
            passages=(NewPassage("", f"text {number}"),), entities=(), links=(),
        )  # fmt: skip

    await asyncio.gather(
        *(
            KnowledgeStore(database).put("t", [document(n)], NOW)
            for n, database in enumerate(writers)
        )
    )
    store = KnowledgeStore(writers[0])
    assert await store.version("t") == WRITERS
    assert len(await store.passages("t", None, 99)) == WRITERS
