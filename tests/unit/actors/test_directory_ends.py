"""Who is put out leaves nothing behind that whoever has their name next would find."""

from dataclasses import replace

from actors.database import Database
from actors.database.directory_changes import DirectoryChanges
from actors.database.directory_rows import UserRow
from actors.database.directory_users import DirectoryUsers
from actors.database.role_assignments import Assignment, RoleAssignments
from deployments.security.assigned_roles import FRESH_S, AssignedRoles
from routing.clock import ManualClock

NAME = "okta:ann@corp.example"
ANN = UserRow("acme", "u-1", "Ann@corp.example", None, NAME, True, {}, 1, 100.0, 100.0)
OUT = replace(ANN, active=False, version=2, updated_at=200.0)


async def assign(database: Database, subject: str = NAME, tenant: str = "acme") -> None:
    made = Assignment(tenant, subject, frozenset({"admin", "supervisor"}), "okta:boss", 50.0)
    assert await RoleAssignments(database).put(made, None)


async def assigned(database: Database, tenant: str = "acme") -> list[str]:
    return [each.subject for each in await RoleAssignments(database).of(tenant)]


async def test_roles_given_here_go_with_the_access_in_every_spelling(database: Database) -> None:
    users = DirectoryUsers(database)
    await users.create(ANN, folds=True)
    spellings = (NAME, "okta:Ann@Corp.example")
    others = ("entra:ann@corp.example", "okta:ann@corp.exampl", "okta:bob@corp.example")
    for subject in (*spellings, *others):
        await assign(database, subject)
    await assign(database, tenant="globex")
    (ended,) = await users.replace(ANN, OUT, folds=True) or ()
    assert ended.roles == {"admin", "supervisor"}
    assert set(await assigned(database)) == set(others)
    assert await assigned(database, "globex") == [NAME]


async def test_where_case_counts_another_spelling_is_somebody_else(database: Database) -> None:
    users = DirectoryUsers(database)
    await users.create(ANN, folds=False)
    await assign(database)
    await assign(database, "okta:ANN@corp.example")
    (ended,) = await users.delete(ANN, 200.0, folds=False) or ()
    assert ended.roles == {"admin", "supervisor"}
    assert await assigned(database) == ["okta:ANN@corp.example"]


async def test_who_comes_back_or_has_the_name_next_is_nothing_here(database: Database) -> None:
    """What was given while they were out, or before this was done, goes when they come back."""
    users = DirectoryUsers(database)
    await users.create(ANN, folds=True)
    await assign(database)
    await users.replace(ANN, OUT, folds=True)
    await assign(database)
    back = replace(ANN, version=3, updated_at=300.0)
    await users.replace(OUT, back, folds=True)
    assert await assigned(database) == []
    await users.delete(back, 400.0, folds=True)
    await assign(database)
    next_ = replace(ANN, id="u-2", created_at=500.0, updated_at=500.0)
    ended = await users.create(next_, folds=True)
    assert ended is not None
    assert ended.roles == {"admin", "supervisor"}
    assert await assigned(database) == []


async def test_who_is_given_a_name_that_was_put_out_begins_anew(database: Database) -> None:
    """A change of somebody else's entry is no other way to what was given while the name was out."""
    users = DirectoryUsers(database)
    bob = replace(ANN, id="u-2", user_name="bob", subject="okta:bob")
    await users.create(ANN, folds=True)
    await users.create(bob, folds=True)
    await users.delete(ANN, 200.0, folds=True)
    await assign(database)
    now_ann = replace(bob, user_name=ANN.user_name, subject=NAME, version=2, updated_at=300.0)
    ended = await users.replace(bob, now_ann, folds=True) or ()
    assert {each.subject for each in ended} == {"okta:bob", NAME}
    assert await assigned(database) == []
    [of_acme] = await DirectoryChanges(database).since({"acme": 0}, {"acme": frozenset()})
    # What was made while the name was out is from before its new beginning.
    assert dict(of_acme.ends)[NAME] == 300.0


async def test_a_replica_that_knew_of_the_roles_forgets_them_within_a_second(
    database: Database,
) -> None:
    clock = ManualClock()
    roles = AssignedRoles(RoleAssignments(database), {"admin", "supervisor"}, clock)
    users = DirectoryUsers(database)
    await users.create(ANN, folds=True)
    await assign(database)
    await roles.refresh()
    assert roles.roles_of("acme", NAME) == {"admin", "supervisor"}
    await users.delete(ANN, 200.0, folds=True)
    clock.advance(FRESH_S)
    await roles.refresh()
    assert roles.roles_of("acme", NAME) == frozenset()
    await roles.aclose()
