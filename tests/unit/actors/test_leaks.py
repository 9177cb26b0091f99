"""Nobody reads what is another tenant's, and nobody outside reads what agents keep to themselves."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, insert

from actors.database import (
    Accounts,
    Conversations,
    Database,
    Decisions,
    Done,
    Fresh,
    Idempotency,
    Ledger,
    NewDecision,
    NewTurn,
    open_database,
)
from actors.database.knowledge import KnowledgeStore
from actors.database.tables import customer, customer_order, invoice
from actors.knowledge import Records
from actors.knowledge.indexing import Indexing
from deployments.demo import TENANT
from deployments.first_start import ingest_demo
from routing.clock import SystemClock
from routing.exchange import Usage
from routing.outcome import Outcome

# Tenants' names are chosen to tempt: prefixes of one another, separators, case, nothing at all.
TENANTS = ("acme", "acme/eu", "ACME", "acme%", "", "globex")
IDS = ("1", "2")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Every tenant has the same ids, and its own name in whatever it wrote."""
    database = open_database(tmp_path_factory.mktemp("leaks") / "x.db")
    asyncio.run(_fill(database))
    yield database
    asyncio.run(database.aclose())


async def _fill(database: Database) -> None:
    await database.migrate()
    for tenant in TENANTS:
        mark = f"only {tenant}"
        for name in IDS:
            await Conversations(database).append(tenant, name, "u", [NewTurn("user", mark, 1.0)])
            await Decisions(database).put([NewDecision(tenant, name, None, 1.0, {"of": mark})])
            fresh = await Idempotency(database).begin(tenant, name, "same", 1.0)
            assert isinstance(fresh, Fresh)
            await Idempotency(database).finish(tenant, name, fresh.lease, 200, {"of": mark})
            await Ledger(database).append(
                f"{mark}{name}",
                1,
                [Outcome(tenant, name, 0, "p", f"p/{mark}", mark, 1.0, 1.0, None, Usage(), None)],
                None,
            )
        await Accounts(database).create_key(tenant, mark, frozenset(), 1.0)
        user: dict[str, object] = {"tenant": tenant, "user_id": "u", "status": mark}
        rows: dict[Table, dict[str, object]] = {
            customer: {
                **user,
                "account_name": mark,
                "email": mark,
                "plan": mark,
                "region": mark,
                "since": "",
            },
            invoice: {**user, "id": "1", "issued": "", "amount_cents": 1, "description": mark},
            customer_order: {
                **user,
                "id": "1",
                "placed": "",
                "item": mark,
                "quantity": 1,
                "amount_cents": 1,
            },
        }
        for table, row in rows.items():
            await database.write(_inserting(table, row))


def _inserting(table: Table, row: dict[str, object]) -> Callable[[Connection], None]:
    return lambda connection: connection.execute(insert(table), row).close()


askers = st.sampled_from([*TENANTS, "nobody", "acme' OR '1'='1"]) | st.text(max_size=8)


@settings(max_examples=60, deadline=None)
@given(tenant=askers, name=st.sampled_from(IDS) | st.text(max_size=4), query=st.text(max_size=20))
def test_what_a_tenant_reads_is_its_own(
    shared: Database, tenant: str, name: str, query: str
) -> None:
    mark = f"only {tenant}"

    async def check() -> None:
        for row in await Conversations(shared).history(tenant, name, 10) or []:
            assert row.text == mark
        decision = await Decisions(shared).get(tenant, name)
        assert decision is None or decision.body == {"of": mark}
        answer = await Idempotency(shared).begin(tenant, name, "same", 2.0)
        assert not isinstance(answer, Done) or answer.answer == {"of": mark}
        assert all(key.name == mark for key in await Accounts(shared).list_keys(tenant))
        assert all(
            outcome.model == mark for outcome in await Ledger(shared).attempts_of(tenant, name)
        )
        found = await Records(shared).records_of(tenant, "u", f"account invoice order {query}", 9)
        assert all(mark in passage.text for passage in found)
        assert len(found) == (3 if tenant in TENANTS else 0)

    asyncio.run(check())


@settings(max_examples=30, deadline=None)
@given(
    user=st.text(max_size=10) | st.sampled_from(["%", "u%", "U", "u' OR 1=1 --", "' UNION SELECT"])
)
def test_another_users_records_are_never_found(shared: Database, user: str) -> None:
    if user != "u":
        found = asyncio.run(Records(shared).records_of("acme", user, "account invoice order", 9))
        assert found == ()


async def test_a_tenant_cannot_end_anothers_things(database: Database) -> None:
    made = await Accounts(database).create_key("a", "n", frozenset(), 1.0)
    await Conversations(database).append("a", "c", "u", [NewTurn("user", "x", 1.0)])
    fresh = await Idempotency(database).begin("a", "k", "h", 1.0)
    assert isinstance(fresh, Fresh)
    assert not await Accounts(database).revoke_key("b", made.key.key_id, 2.0)
    assert not await Conversations(database).delete("b", "c")
    assert not await Idempotency(database).finish("b", "k", fresh.lease, 200, {})
    assert await Idempotency(database).finish("a", "k", fresh.lease, 200, {})


async def test_no_agent_article_of_northwind_reaches_a_customer(tmp_path: Path) -> None:
    database = open_database(tmp_path / "x.db")
    try:
        await database.migrate()
        store, clock = KnowledgeStore(database), SystemClock()
        await ingest_demo(store, clock)
        indexing = Indexing(store, None, clock)
        await indexing.refresh()
        secret = [
            row for row in await store.passages(TENANT, None, 1000) if row.audience != "public"
        ]
    finally:
        await database.aclose()
    index = indexing.index(TENANT)
    assert index is not None
    assert secret
    for row in secret:
        question = f"{row.title} {row.text}"
        for method in (index.search, index.related):
            for hit in method(question, None, 50, "public"):
                assert hit.passage.audience == "public"
                assert hit.passage.id != row.document_id
