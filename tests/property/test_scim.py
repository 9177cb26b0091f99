"""Whatever SCIM clients write: patches, filters and the replicas' knowledge say what a plain model says."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from scim2_models import Context, PatchOp, ScimFilter

from actors.database import Database, open_database
from actors.database.directory_changes import DirectoryChanges
from actors.database.directory_groups import DirectoryGroups, MemberChange
from actors.database.directory_rows import GroupRow, NameTaken, UserRow
from actors.database.directory_users import DirectoryUsers
from config.scim import DirectoryRules, GroupRule
from deployments.scim.models import POLICY, Group, User
from deployments.scim.people import People
from deployments.scim.search import condition_of
from deployments.scim.teams import Teams
from deployments.security.principal import Principal
from deployments.security.standing import FRESH_S, Standing
from routing.clock import ManualClock
from routing.errors import AccessError
from tests.unit.sealing.keyed import LocalProvider, ring_over

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
ROLES = (GroupRule(group="g0", role="agent"), GroupRule(group="g1", role="supervisor"))
RULES = DirectoryRules("acme", "idp", "externalId", True, ROLES)
GRANTS = {"agent": frozenset({"a"}), "supervisor": frozenset({"b"})}
IDS = st.sampled_from(["u0", "u1", "u2", "u3"])


def body(operations: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schemas": [PATCH], "Operations": operations}


def member_operations() -> st.SearchStrategy[dict[str, Any]]:
    some = st.lists(IDS, max_size=3).map(lambda ids: [{"value": each} for each in ids])
    path = st.just({"path": "members"})
    return st.one_of(
        st.builds(lambda v: {"op": "Add", "path": "members", "value": v}, some.filter(bool)),
        st.builds(lambda v: {"op": "add", "value": {"members": v}}, some.filter(bool)),
        st.builds(lambda v: {"op": "replace", "path": "members", "value": v}, some),
        st.builds(lambda v: {"op": "Remove", "path": "members", "value": v}, some.filter(bool)),
        st.builds(lambda i: {"op": "remove", "path": f'members[value eq "{i}"]'}, IDS),
        path.map(lambda p: {"op": "remove", **p}),
        st.just({"op": "replace", "path": "displayName", "value": "other"}),
    )


@given(st.sets(IDS), st.lists(member_operations(), min_size=1, max_size=6))
def test_a_patch_of_members_leaves_whom_the_library_leaves(
    before: set[str], operations: list[dict[str, Any]]
) -> None:
    """It handles them all one by one, where we say in a word what changes."""
    row = GroupRow("acme", "g", "name", None, 1, 0.0, 0.0)
    after, change = Teams("acme", "https://x").patched(row, body(operations), 1.0)
    kept = before if change.only is None else change.only
    group = Group.model_validate(
        {"displayName": "name", "members": [{"value": each} for each in sorted(before)]}
    )
    patch = PatchOp[Group].model_validate(
        body(operations), scim_ctx=Context.RESOURCE_PATCH_REQUEST, scim_policy=POLICY
    )
    patch.patch(group, POLICY)
    assert (kept - change.removed) | change.added == {each.value for each in group.members or ()}
    assert after.display_name == group.display_name


USER = UserRow("acme", "u", "ann", "ann", "idp:ann", True, {}, 1, 0.0, 0.0)
VALUES = st.sampled_from(["x", "Y", "z@corp.local"])
TRUTH = st.sampled_from([("True", True), ("false", False), (True, True), (False, False)])
Change = Callable[[dict[str, Any]], None]


def user_operations() -> st.SearchStrategy[tuple[dict[str, Any], Change]]:
    """An operation, and what it does to a plain dictionary."""

    def set_to(name: str, value: object) -> Change:
        return lambda model: model.update({name: value})

    def mailed(value: str) -> Change:
        return lambda model: model["emails"].update({"work": value})

    names = st.sampled_from(["userName", "displayName", "externalId"])
    return st.one_of(
        st.builds(
            lambda n, v: ({"op": "Replace", "path": n, "value": v}, set_to(n, v)), names, VALUES
        ),
        st.builds(lambda n, v: ({"op": "add", "value": {n: v}}, set_to(n, v)), names, VALUES),
        st.builds(
            lambda t: ({"op": "Replace", "path": "active", "value": t[0]}, set_to("active", t[1])),
            TRUTH,
        ),
        st.just(({"op": "remove", "path": "active"}, set_to("active", False))),
        st.just(({"op": "remove", "path": "externalId"}, set_to("externalId", None))),
        st.just(({"op": "remove", "path": "displayName"}, set_to("displayName", None))),
        st.builds(
            lambda v: (
                {"op": "Replace", "path": 'emails[type eq "work"].value', "value": v}, mailed(v)
            ),
            VALUES,
        ),
        st.just(
            (
                {"op": "remove", "path": 'emails[type eq "work"]'},
                lambda model: model["emails"].pop("work", None),
            )
        ),
        st.just(({"op": "add", "path": "title", "value": "x"}, lambda model: None)),
    )  # fmt: skip


@given(st.lists(st.lists(user_operations(), min_size=1, max_size=4), max_size=4))
def test_patches_of_somebody_leave_what_a_plain_model_says(
    patches: list[list[tuple[dict[str, Any], Change]]],
) -> None:
    """And who they are to tokens is always what their id says."""
    people, row = People(RULES, "https://x"), USER
    model: dict[str, Any] = {
        "userName": "ann", "externalId": "ann", "displayName": None, "active": True, "emails": {},
    }  # fmt: skip
    for patch in patches:
        row = people.patched(row, body([operation for operation, _ in patch]), 1.0)
        for _, change in patch:
            change(model)
    emails = row.attributes.get("emails", [])
    assert isinstance(emails, list)
    assert {
        "userName": row.user_name,
        "externalId": row.external_id,
        "displayName": row.attributes.get("displayName"),
        "active": row.active,
        "emails": {each["type"]: each["value"] for each in emails},
    } == model
    assert row.subject == (None if model["externalId"] is None else f"idp:{model['externalId']}")


TEXTS = st.sampled_from(["ann", "ANN", "bob", "b_b", "b%", "", 'o"x', "ß", "SS", "é"])
PEOPLE = [
    replace(USER, id=f"u{number}", user_name=name, external_id=outside, subject=None, active=active)
    for number, (name, outside, active) in enumerate(
        [
            ("Ann", "ann", True), ("bob", None, True), ("b_b", "ANN", False),
            ("b%x", "b%", True), ('o"x', "é", False), ("é", "bob", True),
        ]
    )
]  # fmt: skip


def filters() -> st.SearchStrategy[str]:
    def said(attribute: str, how: str, value: str) -> str:
        return f"{attribute} {how} {ScimFilter.quote(value)}"

    leaf = st.one_of(
        st.builds(
            said, st.just("userName"), st.sampled_from(["eq", "ne", "co", "sw", "ew"]), TEXTS
        ),
        st.builds(
            said, st.sampled_from(["externalId", "id"]), st.sampled_from(["eq", "ne"]), TEXTS
        ),
        st.sampled_from(
            [
                "active eq true",
                "active ne true",
                "externalId pr",
                "userName pr",
                "externalId eq null",
            ]
        ),
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(lambda a, b: f"({a}) and ({b})", inner, inner),
            st.builds(lambda a, b: f"({a}) or ({b})", inner, inner),
            inner.map(lambda a: f"not ({a})"),
        ),
        max_leaves=6,
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(filters(), min_size=5, max_size=5))
def test_a_filter_finds_in_the_database_whom_the_library_finds(texts: list[str]) -> None:
    """Which compares each of them itself. Half of them are sealed, and half from before."""
    people = People(RULES, "https://x")

    async def found(database: Database, text: str) -> list[str]:
        condition = condition_of(User, text)
        _, rows = await DirectoryUsers(database).search("acme", condition, 1, 100)
        return [row.user_name for row in rows]

    async def run(folder: Path) -> None:
        database = open_database(folder / "x.db")
        await database.migrate()
        for number, row in enumerate(PEOPLE):
            if number == len(PEOPLE) // 2:
                database.sealing = ring_over(database, LocalProvider(), ManualClock())
            await DirectoryUsers(database).create(row, folds=False)
        for text in texts:
            wanted = ScimFilter[User](text)
            expected = [row.user_name for row in PEOPLE if wanted.match(people.shown(row, ()))]
            assert await found(database, text) == expected, text
        await database.aclose()

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


STEPS = st.tuples(
    st.sampled_from(["make", "out", "in", "forget", "rename", "join", "leave", "call", "drop"]),
    IDS,
    st.sampled_from(["s0", "s1", "s2"]),
    st.sampled_from(["g0", "g1", "admin"]),
    st.booleans(),
)


@settings(max_examples=12, deadline=None)
@given(st.lists(STEPS, min_size=4, max_size=25))
def test_who_reads_on_knows_what_who_reads_anew_knows(
    steps: list[tuple[str, str, str, str, bool]],
) -> None:
    """And it is what the directory holds: who is active, in which groups, and who was ever put out."""

    async def run(folder: Path) -> None:
        database = open_database(folder / "x.db")
        await database.migrate()
        clock = ManualClock(1000.0)
        users, groups = DirectoryUsers(database), DirectoryGroups(database)
        reading = Standing([RULES], GRANTS, DirectoryChanges(database), clock)
        out: set[str] = set()
        for step in steps:
            clock.advance(FRESH_S)
            await _step(users, groups, step, clock.now(), out)
            if not step[-1]:
                continue
            anew = Standing([RULES], GRANTS, DirectoryChanges(database), clock)
            for each in (reading, anew):
                await each.refresh()
            _, rows = await users.search("acme", None, 1, 100)
            theirs = await users.groups_of("acme", [row.id for row in rows])
            by_subject = {row.subject: row for row in rows}
            for subject in ("idp:s0", "idp:s1", "idp:s2"):
                row = by_subject.get(subject)
                is_in = row is not None and row.active
                names = {each.display_name for each in theirs.get(row.id, ())} if row else set()
                roles = {"g0": "agent", "g1": "supervisor"}
                expected = {roles[name] for name in names if name in roles} if is_in else set()
                for each in (reading, anew):
                    assert _stands(each, subject, clock.now()) is is_in
                    # What was made before anything happened is good as long as nothing ended.
                    if subject in out:
                        assert not _stands(each, subject, 0.0)
                    assert each.roles_of("acme", subject) == expected
        await database.aclose()

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


def _stands(standing: Standing, subject: str, as_of: float) -> bool:
    try:
        standing.must_stand(Principal("acme", subject, as_of=as_of))
    except AccessError:
        return False
    return True


async def _step(
    users: DirectoryUsers,
    groups: DirectoryGroups,
    step: tuple[str, str, str, str, bool],
    now: float,
    out: set[str],
) -> None:
    """One change of the directory; nothing where it cannot be made."""
    what, user_id, subject, name, _ = step
    row, group = await users.find("acme", user_id), await groups.find("acme", name)
    fresh = UserRow(
        "acme", user_id, user_id, subject, f"idp:{subject}", True, {}, 1, now, now
    )  # fmt: skip
    try:
        match what:
            case "make" if row is None:
                await users.create(fresh, folds=False)
            case "out" | "in" if row is not None:
                after = replace(row, active=what == "in", version=row.version + 1, updated_at=now)
                out |= {each.subject for each in await users.replace(row, after, folds=False) or ()}
            case "rename" if row is not None:
                after = replace(fresh, active=row.active, version=row.version + 1)
                out |= {each.subject for each in await users.replace(row, after, folds=False) or ()}
            case "forget" if row is not None:
                out |= {each.subject for each in await users.delete(row, now, folds=False) or ()}
            case "call" if group is None:
                members = frozenset() if row is None else frozenset({user_id})
                await groups.create(GroupRow("acme", name, name, None, 1, now, now), members)
            case "join" | "leave" if group is not None and row is not None:
                one = frozenset({user_id})
                change = MemberChange(added=one) if what == "join" else MemberChange(removed=one)
                await groups.replace(group, replace(group, version=group.version + 1), change)
            case "drop" if group is not None:
                await groups.delete(group)
            case _:
                pass
    except NameTaken:
        pass
