"""An assignment that is taken away stays known while a key could grow by its end, and fills nothing."""

import pytest

from actors.database import Accounts, Database
from actors.database import role_assignments as rows
from actors.database.role_assignments import EMPTIED_S, Assignment, RoleAssignments

AGENT = frozenset({"agent"})
LATER = 10.0 + EMPTIED_S + 1


def given(subject: str, at: float = 1.0, tenant: str = "acme") -> Assignment:
    return Assignment(tenant, subject, AGENT, "key:1", at)


async def known(store: RoleAssignments) -> dict[str, frozenset[str]]:
    return {f"{each.tenant} {each.subject}": each.roles for each in await store.all()}


async def taken(store: RoleAssignments, *subjects: str) -> None:
    for subject in subjects:
        assert await store.put(given(subject), None)
        assert await store.delete(given(subject), 10.0)


async def test_who_has_no_roles_any_more_stays_known_whatever_keys_they_have(
    database: Database,
) -> None:
    """A replica that has not heard of it yet may make one of the powers they had."""
    store = RoleAssignments(database)
    await taken(store, "okta:ann")
    assert await known(store) == {"acme okta:ann": frozenset()}
    assert await store.of("acme") == []
    assert not await store.delete(given("okta:ann"), 11.0)
    assert await store.put(given("okta:ann", 12.0), None)
    assert await known(store) == {"acme okta:ann": AGENT}


async def test_a_day_later_those_are_forgotten_who_have_no_open_key(database: Database) -> None:
    """Revoked and expired keys open nothing; of another tenant's people nothing is said."""
    store, accounts = RoleAssignments(database), Accounts(database)
    people = ("okta:none", "okta:open", "okta:revoked", "okta:expired", "okta:ends-later")
    await taken(store, *people)
    assert await store.put(given("okta:none", tenant="globex"), None)
    assert await store.delete(given("okta:none", tenant="globex"), 10.0)
    ends = {"okta:open": None, "okta:revoked": None, "okta:expired": LATER, "okta:ends-later": 1e9}
    for owner, end in ends.items():
        key = await accounts.create_key("acme", "x", AGENT, 11.0, end, created_by=owner)
        if owner == "okta:revoked":
            await accounts.revoke_key("acme", key.key.key_id, 12.0)
    await accounts.create_key("globex", "x", AGENT, 11.0, created_by="okta:revoked")
    assert await store.put(given("okta:bob", 10.0 + EMPTIED_S), None)
    assert {f"acme {each}" for each in people} < set(await known(store))
    assert await store.put(given("okta:eve", LATER), None)
    assert await known(store) == {
        "acme okta:bob": AGENT,
        "acme okta:eve": AGENT,
        "acme okta:open": frozenset(),
        "acme okta:ends-later": frozenset(),
        "globex okta:none": frozenset(),
    }


async def test_who_has_none_any_more_takes_nobodys_place(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "ASSIGNED_MAX", 2)
    store = RoleAssignments(database)
    await taken(store, *(f"okta:{number}" for number in range(4)))
    assert await store.put(given("okta:ann"), None)
    assert await store.put(given("okta:bob"), None)
    assert await store.put(given("okta:eve"), None) is None
    assert await store.put(given("okta:0"), None) is None
    assert await store.put(given("okta:ann", 2.0), given("okta:ann"))


async def test_those_who_have_none_any_more_are_bounded_by_new_people_and_nothing_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is known is changed, taken away and given back; a day later there is room."""
    monkeypatch.setattr(rows, "EMPTIED_MAX", 2)
    store = RoleAssignments(database)
    assert await store.put(given("okta:ann"), None)
    await taken(store, "okta:0", "okta:1")
    assert await store.put(given("okta:new"), None) is None
    assert await store.put(given("okta:ann", 2.0), given("okta:ann"))
    assert await store.delete(given("okta:ann", 2.0), 10.0)
    assert await store.put(given("okta:0", 3.0), None)
    assert await store.put(given("okta:new"), None) is None
    assert await store.put(given("okta:new", LATER), None)
