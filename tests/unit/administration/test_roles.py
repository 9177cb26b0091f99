"""Roles given to people: nobody gives more than they have, nor to themselves, and it holds where people are known."""

import asyncio
from pathlib import Path

import pytest

from actors.database import open_database
from actors.database.errors import DatabaseUnavailable
from actors.database.role_assignments import Assignment, RoleAssignments
from deployments.security.assigned_roles import FRESH_S, STALE_S, AssignedRoles
from deployments.security.bearer_tokens import Entitlements
from deployments.security.principal import Principal
from deployments.security.rbac import load_roles
from routing.clock import ManualClock
from tests.unit.administration.office import office

ROLES = load_roles()
MANY = "/admin/roles/assignments"
ANNA = f"{MANY}/okta:00u1a2b3c4d5"


async def test_a_role_is_given_looked_at_and_taken_away(tmp_path: Path) -> None:
    """In the caller's tenant; another tenant's administrator finds nothing there."""
    async with office(tmp_path) as desk:
        assert (await desk.ask("GET", ANNA))[0] == 404
        status, made = await desk.ask("PUT", ANNA, {"roles": ["supervisor", "agent"]})
        assert status == 200
        assert (made["roles"], made["by"]) == (["agent", "supervisor"], "key:admin")
        assert (await desk.ask("GET", ANNA))[1] == made
        assert (await desk.ask("GET", MANY))[1] == {"assignments": [made]}
        for method, path in (("GET", ANNA), ("DELETE", ANNA)):
            assert (await desk.ask(method, path, who="admin@acme"))[0] == 404
        assert (await desk.ask("GET", MANY, who="admin@acme"))[1] == {"assignments": []}
        assert (await desk.ask("PUT", ANNA, {"roles": ["agent"]}))[1]["roles"] == ["agent"]
        assert (await desk.ask("DELETE", ANNA))[0] == 200
        assert (await desk.ask("DELETE", ANNA))[0] == 404


async def test_a_person_whose_id_has_a_slash_has_roles_like_anybody(tmp_path: Path) -> None:
    async with office(tmp_path) as desk:
        person = f"{MANY}/oidc:a%2Fb%2B%3D"
        status, made = await desk.ask("PUT", person, {"roles": ["agent"]})
        assert (status, made["subject"]) == (200, "oidc:a/b+=")
        assert (await desk.ask("GET", person))[1] == made
        assert (await desk.ask("DELETE", person))[0] == 200
        assert (await desk.ask("GET", f"{MANY}/oidc:a"))[0] == 404
        for nobodys in (f"{MANY}/", f"{MANY}/%00"):
            assert (await desk.ask("PUT", nobodys, {"roles": ["agent"]}))[0] == 404


def somebody(subject: str, *roles: str, owner: str | None = None) -> Principal:
    granted = frozenset[str]().union(*(ROLES.grants[role] for role in roles))
    return Principal("northwind", subject, frozenset(roles), granted, owner=owner)


async def test_nobody_gives_or_takes_more_than_they_have_nor_gives_themselves_anything(
    tmp_path: Path,
) -> None:
    """By permissions and by money; a key is its maker, and capitals make nobody somebody else."""
    async with office(tmp_path) as desk:
        few = frozenset({"roles:assign", "roles:read"})
        agent = somebody("okta:00uboss", "agent")
        desk.people["boss"] = Principal(
            "northwind", "okta:00uboss", agent.roles, agent.permissions | few
        )
        everything = ROLES.grants["admin"] | ROLES.grants["region"]
        desk.people["poor"] = Principal(
            "northwind", "okta:00upoor", frozenset({"agent"}), everything
        )
        desk.people["own"] = somebody("key:0123456789", "admin", owner="okta:00u1a2b3c4d5")
        assert (await desk.ask("PUT", ANNA, {"roles": ["agent"]}, "boss"))[0] == 200
        assert (await desk.ask("PUT", ANNA, {"roles": ["supervisor"]}, "boss"))[0] == 403
        status, said = await desk.ask("PUT", ANNA, {"roles": ["supervisor"]}, "poor")
        assert status == 403
        assert "moves more than you may" in said["detail"]
        assert (await desk.ask("PUT", ANNA, {"roles": ["admin"]}))[0] == 200
        assert (await desk.ask("PUT", ANNA, {"roles": ["agent"]}, "boss"))[0] == 403
        assert (await desk.ask("DELETE", ANNA, who="boss"))[0] == 403
        for subject in ("okta:00uboss", "okta:00UBOSS"):
            path = f"{MANY}/{subject}"
            assert (await desk.ask("PUT", path, {"roles": ["agent"]}, "boss"))[0] == 403
        assert (await desk.ask("PUT", ANNA, {"roles": ["agent"]}, "own"))[0] == 403
        assert (await desk.ask("PUT", ANNA, {"roles": ["agent"]}, "supervisor@northwind"))[0] == 403


@pytest.mark.parametrize(
    ("subject", "roles"),
    [
        ("key:0123456789", ["agent"]),
        ("os:0", ["agent"]),
        ("nobody", ["agent"]),
        ("okta:", ["agent"]),
        ("OKTA:1", ["agent"]),
        ("okta:1", ["emperor"]),
        ("okta:1", []),
    ],
)
async def test_a_name_that_is_no_persons_and_a_role_that_is_not_there_are_refused(
    tmp_path: Path, subject: str, roles: list[str]
) -> None:
    async with office(tmp_path) as desk:
        assert (await desk.ask("PUT", f"{MANY}/{subject}", {"roles": roles}))[0] == 422


async def test_the_roles_in_force_are_shown_with_what_they_inherit_and_move(
    tmp_path: Path,
) -> None:
    async with office(tmp_path) as desk:
        status, shown = await desk.ask("GET", "/admin/roles")
        assert status == 200
        rows = {row["name"]: row for row in shown["roles"]}
        assert rows["agent"]["limits_usd"]["refunds_usd_per_customer_month"] == 200.0
        assert set(rows["admin"]["permissions"]) == ROLES.grants["admin"]
        assert shown["permissions"]["roles:assign"].startswith("give people")
        assert (await desk.ask("GET", "/admin/roles", who="agent@northwind"))[0] == 403


class Provider:
    """Somebody who vouches for a tenant's people."""

    name, issuer, tenant = "okta", "https://okta.example.com", "northwind"
    roles = ()


class Store:
    """Assignments that can be away."""

    def __init__(self, real: RoleAssignments) -> None:
        self.real, self.is_away = real, False

    async def all(self) -> list[Assignment]:
        if self.is_away:
            raise DatabaseUnavailable("away")
        return await self.real.all()


async def test_what_was_given_holds_within_a_second_and_not_when_nobody_can_say_so_any_more(
    tmp_path: Path,
) -> None:
    """To a person of that tenant alone, beside what is claimed of them, at each use."""
    database = open_database(tmp_path / "roles.sqlite")
    await database.migrate()
    clock = ManualClock()
    store = Store(RoleAssignments(database))
    source = AssignedRoles(store, ROLES.grants, clock)
    entitlements = Entitlements([Provider()], ROLES.grants, [source])
    given = Assignment("northwind", "okta:anna", frozenset({"supervisor", "gone"}), "key:1", 1.0)

    async def roles() -> set[str]:
        await source.refresh()
        return set(entitlements.principal(Provider(), "okta:anna", frozenset({"agent"})).roles)

    assert await roles() == {"agent"}
    assert await store.real.put(given, None)
    clock.advance(FRESH_S)
    assert await roles() == {"agent", "supervisor"}
    other = entitlements.principal(Provider(), "okta:bert", frozenset({"agent"}))
    assert other.roles == {"agent"}
    store.is_away = True
    clock.advance(STALE_S - 1)
    assert await roles() == {"agent", "supervisor"}
    clock.advance(2)
    assert await roles() == {"agent"}
    store.is_away = False
    assert await roles() == {"agent", "supervisor"}
    assert await store.real.delete(given, 2.0)
    clock.advance(FRESH_S)
    assert await roles() == {"agent"}
    await source.aclose()
    await database.aclose()


async def test_of_two_who_change_the_same_persons_roles_one_is_told_to_look_again(
    tmp_path: Path,
) -> None:
    database = open_database(tmp_path / "roles.sqlite")
    await database.migrate()
    store = RoleAssignments(database)
    rivals = [
        Assignment("northwind", "okta:anna", frozenset({role}), "key:1", 1.0)
        for role in ("agent", "supervisor")
    ]
    done = await asyncio.gather(*(store.put(each, None) for each in rivals))
    assert sorted(map(bool, done)) == [False, True]
    [kept] = await store.of("northwind")
    assert not await store.delete(next(each for each in rivals if each != kept), 2.0)
    assert await store.delete(kept, 2.0)
    await database.aclose()
