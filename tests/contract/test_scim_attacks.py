"""What a key of a directory, or the lack of one, does not open."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deployments.security.standing import FRESH_S
from tests.scim_world import CORE, Directory, Scim, directory, directory_settings

ALL = ("GET", "PUT", "PATCH", "DELETE")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Directory]:
    async with directory(tmp_path, directory_settings()) as world:
        yield world


async def test_another_tenants_people_and_groups_are_not_there(world: Directory) -> None:
    """Not to be read, changed, put into a group or sought; and the same names are free."""
    ours = Scim(world.http, await world.key("provisioner"))
    theirs = Scim(world.http, await world.key("provisioner", tenant="acme1"))
    ann = await ours.person("ann")
    group = await ours.group("Support Leads", ann["id"])
    patch = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "displayName", "value": "x"}],
    }
    bodies = {
        "PATCH": patch,
        f"PUT/Users/{ann['id']}": {"schemas": [f"{CORE}:User"], "userName": "x"},
        f"PUT/Groups/{group['id']}": {"schemas": [f"{CORE}:Group"], "displayName": "x"},
    }
    for path in (f"/Users/{ann['id']}", f"/Groups/{group['id']}"):
        for method in ALL:
            body = bodies.get(method, bodies.get(f"{method}{path}"))
            answer = await theirs.ask(method, path, body)
            assert answer.status_code == 404, (method, path, answer.text)
    assert await theirs.found("Users", "userName pr") == []
    assert await theirs.found("Groups", f'members eq "{ann["id"]}"') == []
    member = {"op": "add", "path": "members", "value": [{"value": ann["id"]}]}
    other = await theirs.group("Support Leads")
    stolen = await theirs.patch(f"/Groups/{other['id']}", member)
    assert (stolen.status_code, stolen.json()["scimType"]) == (400, "invalidValue")
    assert (await theirs.person("ann"))["id"] != ann["id"]
    assert (await ours.ask("GET", f"/Users/{ann['id']}")).json() == {
        **ann,
        "groups": [
            {
                "value": group["id"],
                "$ref": f"https://support.acme.test/scim/v2/Groups/{group['id']}",
                "display": "Support Leads",
            }
        ],
    }
    assert [each["id"] for each in await ours.found("Users", "userName pr")] == [ann["id"]]


async def test_who_is_put_out_of_one_tenant_is_not_put_out_of_another(world: Directory) -> None:
    """Though both know them by the same id, and one has a key in the other's name."""
    ours = Scim(world.http, await world.key("provisioner"))
    theirs = Scim(world.http, await world.key("provisioner", tenant="acme1"))
    await ours.person("ann")
    ann = await theirs.person("ann")
    key = await world.key("service", owner="oidc:ann")
    await theirs.ask("DELETE", f"/Users/{ann['id']}")
    world.clock.ahead_s += FRESH_S
    # Their key does what they may do, which is nothing: 403, and not the 401 of who was put out.
    assert (await world.http.get("/probe", headers=key)).status_code == 403


async def test_nobody_but_the_provisioner_keeps_a_directory_and_it_does_nothing_else(
    world: Directory,
) -> None:
    for role in ("admin", "supervisor", "agent", "customer", "service", "region"):
        scim = Scim(world.http, await world.key(role))
        for method, path in (("GET", "/Users"), ("GET", "/Groups"), ("GET", "/Schemas")):
            assert (await scim.ask(method, path)).status_code == 403
        body = {"schemas": [f"{CORE}:User"], "userName": "x"}
        assert (await scim.ask("POST", "/Users", body)).status_code == 403
    provisioner = await world.key("provisioner")
    for method in ("GET", "POST"):
        assert (await world.http.request(method, "/probe", headers=provisioner)).status_code == 403
    assert (await world.http.get("/admin/keys", headers=provisioner)).status_code == 403
    admin = await world.key("admin")
    wanted = {"name": "x", "roles": ["provisioner"]}
    made = await world.http.post("/admin/keys", json=wanted, headers=admin)
    assert (made.status_code, "directory:provision" in made.text) == (403, True)


async def test_a_tenant_without_a_directory_has_none_to_keep(world: Directory) -> None:
    scim = Scim(world.http, await world.key("provisioner", tenant="elsewhere"))
    for method, path in (("GET", "/Users"), ("GET", "/ServiceProviderConfig")):
        assert (await scim.ask(method, path)).status_code == 403
    body = {"schemas": [f"{CORE}:User"], "userName": "x"}
    assert (await scim.ask("POST", "/Users", body)).status_code == 403


async def test_every_change_is_on_record_before_it_is_made_and_names_nobody(tmp_path: Path) -> None:
    async with directory(tmp_path, directory_settings()) as world:
        scim = Scim(world.http, await world.key("provisioner"))
        ann = await scim.person("ann.example@corp.local", externalId="ann-outside-id")
        await world.key("service", owner="oidc:ann-outside-id")
        out = {"op": "replace", "path": "active", "value": False}
        await scim.patch(f"/Users/{ann['id']}", out)
        await scim.patch(f"/Users/{ann['id']}", {**out, "value": True})
        await scim.patch(f"/Users/{ann['id']}", out)
        group = await scim.group("Support Agents of the north", ann["id"])
        await scim.ask("DELETE", f"/Groups/{group['id']}")
        await scim.ask("DELETE", f"/Users/{ann['id']}")
    records = world.audit.records()
    done = [(each["action"], each["outcome"]) for each in records]
    for action in (
        "POST /scim/v2/Users", "PATCH /scim/v2/Users/{id}", "POST /scim/v2/Groups",
        "DELETE /scim/v2/Groups/{id}", "DELETE /scim/v2/Users/{id}",
    ):  # fmt: skip
        assert done.index((action, "begun")) < done.index((action, "done"))
    ends = [each for each in records if each["action"] == "directory.end"]
    # Put out twice, then forgotten; and nothing ended when she came back in between.
    assert [each["reason"] for each in ends] == [
        "sessions:0 keys:1 roles:0", "sessions:0 keys:0 roles:0", "sessions:0 keys:0 roles:0",
    ]  # fmt: skip
    objects = {each["object"] for each in records if "{id}" in str(each["action"])}
    assert objects == {ann["id"], group["id"]}
    everything = world.audit.everything()
    for name in (b"ann.example", b"ann-outside", b"the north"):
        assert name not in everything
