"""Servers of others in the store: each tenant's own, every change a version, and approvals that end with their server."""

import asyncio

import pytest

from actors.database import Database
from actors.database.federation import SERVERS_MAX, SHARED, VERSIONS_KEPT, Federation, Pin, Seen
from routing.errors import ConflictError, RequestError

BY = ("key:1", 1.0)
URL = {"url": "https://a.example/mcp"}


@pytest.fixture
def store(database: Database) -> Federation:
    return Federation(database)


def seen(*names: str, digest: str = "h1") -> list[Seen]:
    return [Seen(name, digest, {"name": name}) for name in names]


async def test_every_change_is_a_version_and_only_the_last_holds(store: Federation) -> None:
    for version in (1, 2, 3):
        made = await store.put("acme", "crm", {**URL, "timeout_s": version}, BY)
        assert made.version == version
    assert [(s.tenant, s.name, s.version) for s in await store.servers()] == [("acme", "crm", 3)]
    assert await store.delete("acme", "crm", BY)
    assert not await store.delete("acme", "crm", BY)
    assert await store.servers() == []
    assert (await store.put("acme", "crm", URL, BY)).version == 5


async def test_of_two_who_change_the_same_version_one_is_told(store: Federation) -> None:
    await store.put("acme", "crm", URL, BY, expected=0)
    changes = [store.put("acme", "crm", URL, BY, expected=1) for _ in range(5)]
    outcomes = await asyncio.gather(*changes, return_exceptions=True)
    assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 4
    with pytest.raises(ConflictError):
        await store.put("acme", "crm", URL, BY, expected=0)
    with pytest.raises(ConflictError):
        await store.delete("acme", "crm", BY, expected=1)


async def test_a_tenant_has_so_many_servers_and_another_is_not_counted(store: Federation) -> None:
    for number in range(SERVERS_MAX):
        await store.put("acme", f"s{number}", URL, BY)
    with pytest.raises(RequestError, match="at most"):
        await store.put("acme", "more", URL, BY)
    await store.put("acme", "s0", URL, BY)
    await store.put("globex", "more", URL, BY)
    assert len(await store.servers()) == SERVERS_MAX + 1


async def test_old_versions_are_not_kept_for_ever(store: Federation) -> None:
    for _ in range(VERSIONS_KEPT + 5):
        await store.put("acme", "crm", URL, BY)
    count = "SELECT count(*) FROM mcp_server"
    kept = await store._database.read(lambda c: c.exec_driver_sql(count).scalar_one())
    assert kept == VERSIONS_KEPT


async def test_only_the_first_sight_is_trusted(store: Federation) -> None:
    await store.see("acme", "crm", seen("a"), 1.0, trust_first=True)
    await store.see("acme", "crm", seen("a", digest="h2"), 2.0, trust_first=True)
    await store.see("acme", "crm", seen("a", "new"), 3.0, trust_first=True)
    assert await store.pins() == [Pin("acme", "crm", "a", "h1")]
    await store.see("acme", "crm", [], 4.0, trust_first=True)
    await store.see("acme", "crm", seen("new"), 5.0, trust_first=True)
    assert await store.pins() == [Pin("acme", "crm", "a", "h1")]
    assert [tool.tool for tool in await store.seen("acme", "crm")] == ["new"]


async def test_a_server_at_another_address_begins_anew(store: Federation) -> None:
    await store.put("acme", "crm", URL, BY)
    await store.see("acme", "crm", seen("a"), 1.0, trust_first=True)
    await store.put("acme", "crm", {**URL, "timeout_s": 9}, BY)
    assert len(await store.pins()) == 1
    await store.put("acme", "crm", {"url": "https://b.example/mcp"}, BY)
    assert await store.pins() == []
    await store.see("acme", "crm", seen("a"), 2.0, trust_first=True)
    await store.see("globex", "crm", seen("a"), 2.0, trust_first=True)
    await store.delete("acme", "crm", BY)
    assert await store.pins() == [Pin("globex", "crm", "a", "h1")]


async def test_a_tenants_own_word_stands_before_the_shared_one(store: Federation) -> None:
    await store.see(SHARED, "crm", seen("a", "b"), 1.0, trust_first=True)
    changed = Seen("a", "h2", {"name": "a", "title": "new"})
    await store.approve("acme", "crm", changed, BY)
    approved = await store.approved("acme", SHARED, "crm")
    assert approved == {"a": changed.definition, "b": {"name": "b"}}
    assert (await store.approved("globex", SHARED, "crm"))["a"] == {"name": "a"}
