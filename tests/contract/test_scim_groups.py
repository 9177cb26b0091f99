"""/scim/v2/Groups: who is in which, and which roles that gives."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from actors.database.directory_groups import MEMBERS_MAX, MEMBERS_SHOWN
from actors.database.directory_tables import directory_user
from tests.scim_world import CORE, Directory, Scim, directory, directory_settings


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Directory]:
    async with directory(tmp_path, directory_settings()) as world:
        yield world


@pytest.fixture
async def scim(world: Directory) -> Scim:
    return Scim(world.http, await world.key("provisioner"))


async def members(scim: Scim, group: dict[str, str]) -> list[str]:
    """Their names, each asked for at the address that the group says."""
    read = (await scim.ask("GET", f"/Groups/{group['id']}")).json()
    paths = [each["$ref"].partition("/scim/v2")[2] for each in read.get("members", [])]
    return sorted([(await scim.ask("GET", path)).json()["userName"] for path in paths])


async def test_members_come_and_go_as_each_vendor_says_it(scim: Scim) -> None:
    """Okta takes one out by a filter, Entra ID by a value without one, others replace them all."""
    ids = {name: (await scim.person(name))["id"] for name in ("ann", "bob", "cyd")}
    group = await scim.group("Support Agents", ids["ann"])
    path = f"/Groups/{group['id']}"

    async def after(*operations: Mapping[str, object]) -> list[str]:
        answer = await scim.patch(path, *operations)
        assert answer.status_code == 200, answer.text
        return await members(scim, group)

    bob, cyd = [{"value": ids["bob"]}], [{"value": ids["cyd"], "type": "User"}]
    assert await after({"op": "Add", "path": "members", "value": bob}) == ["ann", "bob"]
    assert await after({"op": "add", "value": {"Members": cyd}}) == ["ann", "bob", "cyd"]
    chosen = f'members[value eq "{ids["ann"]}"]'
    assert await after({"op": "remove", "path": chosen}) == ["bob", "cyd"]
    assert await after({"op": "Remove", "path": "members", "value": bob}) == ["cyd"]
    assert await after({"op": "replace", "path": "members", "value": bob}) == ["bob"]
    back = {"op": "replace", "value": {"id": group["id"], "displayName": "Agents"}}
    assert await after(back, {"op": "add", "path": "members", "value": cyd[0]}) == ["bob", "cyd"]
    assert await after({"op": "remove", "path": "members"}) == []
    shown = await scim.patch(f"{path}?attributes=displayName")
    assert shown.status_code == 400, "a patch has an operation"
    one = {"op": "add", "path": "members", "value": bob}
    shown = await scim.patch(f"{path}?attributes=displayName,members", one)
    assert (shown.json()["displayName"], len(shown.json()["members"])) == ("Agents", 1)
    put = {"schemas": [f"{CORE}:Group"], "displayName": "Agents", "members": cyd}
    assert (await scim.ask("PUT", path, put)).json()["members"][0]["value"] == ids["cyd"]
    assert (await scim.ask("DELETE", path)).status_code == 204
    assert (await scim.ask("GET", path)).status_code == 404


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ({"op": "add", "path": "members", "value": [{"value": "nobody"}]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": [{"display": "Ann"}]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": "x"}, "invalidValue"),
        ({"op": "remove", "path": 'members[display eq "ann"]'}, "invalidFilter"),
        ({"op": "replace", "path": "members.value", "value": "x"}, "mutability"),
        ({"op": "replace", "path": 'members[value eq "x"]', "value": {}}, "mutability"),
        ({"op": "add", "value": {"members": [], "MEMBERS": []}}, "invalidSyntax"),
        ({"op": "replace", "path": "displayName", "value": "a\u0007"}, "invalidValue"),
        (
            {"op": "replace", "value": {f"{CORE}:Group": {"members": []}, "members": []}},
            "invalidSyntax",
        ),
        ({"op": "replace", "value": {f"{CORE}:Group": None}}, "invalidSyntax"),
        ({"op": "add", "path": f"{CORE}:Group", "value": {"members": []}}, "invalidPath"),
        ({"op": "replace", "path": f"{CORE}:Group", "value": {"members": []}}, "invalidPath"),
        ({"op": "remove", "path": f"{CORE}:Group"}, "invalidPath"),
        ({"op": "remove", "value": {f"{CORE}:Group": {"members": []}}}, "noTarget"),
    ],
)
async def test_a_patch_of_a_group_that_cannot_be_meant_changes_nothing(
    scim: Scim, operation: dict[str, object], kind: str
) -> None:
    ann = await scim.person("ann")
    group = await scim.group("Support Agents", ann["id"])
    first = {"op": "replace", "path": "displayName", "value": "Others"}
    answer = await scim.patch(f"/Groups/{group['id']}", first, operation)
    assert (answer.status_code, answer.json()["scimType"]) == (400, kind), answer.text
    assert (await scim.ask("GET", f"/Groups/{group['id']}")).json() == group


async def test_members_may_stand_in_an_object_under_the_schemas_urn(scim: Scim) -> None:
    """As attributes of extensions do; the answer would be 200 in any case, and nobody put out."""
    ann, bob = await scim.person("ann"), await scim.person("bob")
    group = await scim.group("Support Agents", ann["id"])
    path, other = f"/Groups/{group['id']}", [{"value": bob["id"]}]
    for operation, after in (
        ({"op": "add", "value": {f"{CORE}:Group": {"members": other}}}, ["ann", "bob"]),
        ({"op": "replace", "value": {f"{CORE}:Group": {"Members": other}}}, ["bob"]),
        ({"op": "remove", "path": f"{CORE}:Group:members", "value": other}, []),
        ({"op": "add", "value": {f"{CORE}:Group".upper(): {"members": other}}}, ["bob"]),
        ({"op": "replace", "value": {f"{CORE}:Group": {"members": []}}}, []),
    ):
        answer = await scim.patch(path, operation)
        assert answer.status_code == 200, answer.text
        assert await members(scim, group) == after
    both = {f"{CORE}:Group": {"displayName": "Agents", "members": other}}
    answer = await scim.patch(path, {"op": "replace", "value": both})
    assert answer.json()["displayName"] == "Agents"
    assert await members(scim, group) == ["bob"]


async def test_groups_are_in_no_group_and_have_one_name(scim: Scim) -> None:
    group = await scim.group("Support Agents")
    nested = {"value": group["id"], "type": "Group"}
    body = {"schemas": [f"{CORE}:Group"], "displayName": "All", "members": [nested]}
    assert (await scim.ask("POST", "/Groups", body)).status_code == 400
    again = {"schemas": [f"{CORE}:Group"], "displayName": "SUPPORT AGENTS"}
    assert (await scim.ask("POST", "/Groups", again)).status_code == 409


async def test_a_group_is_sought_by_its_name_and_by_who_is_in_it(scim: Scim) -> None:
    ann, bob = await scim.person("ann"), await scim.person("bob")
    await scim.group("Support Agents", ann["id"])
    await scim.group("Support Leads", ann["id"], bob["id"])
    for text, names in (
        ('displayName eq "support agents"', ["Support Agents"]),
        (f'members eq "{bob["id"]}"', ["Support Leads"]),
        (f'members[value eq "{ann["id"]}"] and displayName sw "support l"', ["Support Leads"]),
        (f'not (members.value eq "{bob["id"]}")', ["Support Agents"]),
        ('members eq "nobody"', []),
    ):
        assert [each["displayName"] for each in await scim.found("Groups", text)] == names


async def test_a_group_of_ten_thousand_is_held_and_one_more_is_not(
    scim: Scim, world: Directory
) -> None:
    """Nor does a page show more members than it can."""
    first = await scim.person("person-0")

    def fill(connection: Connection) -> None:
        row = dict(connection.execute(select(directory_user)).mappings().one())
        for part in range(0, MEMBERS_MAX, 1000):
            values = [
                {**row, **dict.fromkeys(("id", "name_key", "user_name", "subject"), f"p-{n}")}
                for n in range(part, part + 1000)
            ]
            connection.execute(insert(directory_user), values)

    await world.database.write(fill)
    everybody = [f"p-{number}" for number in range(MEMBERS_MAX)]
    group = await scim.group("Support Agents", *everybody)
    assert len(group["members"]) == MEMBERS_MAX
    path = f"/Groups/{group['id']}"
    one_more = {"op": "add", "path": "members", "value": [{"value": first["id"]}]}
    refused = await scim.patch(path, one_more)
    assert (refused.status_code, refused.json()["scimType"]) == (400, "invalidValue")
    swapped = await scim.patch(path, {"op": "remove", "path": 'members[value eq "p-7"]'}, one_more)
    assert swapped.status_code == 200
    for name in ("Support Leads", "Others"):
        await scim.group(name, *everybody)
    listed = (await scim.ask("GET", "/Groups")).json()
    shown = sum(len(each["members"]) for each in listed["Resources"])
    assert (listed["totalResults"], listed["itemsPerPage"]) == (3, 2)
    assert shown <= MEMBERS_SHOWN
    names = (await scim.ask("GET", "/Groups?excludedAttributes=members")).json()
    assert names["itemsPerPage"] == 3
