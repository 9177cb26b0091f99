"""The directory on PostgreSQL: the same people, filters and ends as in a file."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.database import open_database
from actors.database.address import Server
from deployments.security.standing import FRESH_S
from tests.scim_world import Directory, Scim, directory, directory_settings


@pytest.fixture
async def world(tmp_path: Path, postgres_server: Server) -> AsyncIterator[Directory]:
    database = open_database(postgres_server)
    settings = directory_settings(subject="userName")
    async with directory(tmp_path, settings, database) as world:
        yield world
    await database.aclose()


async def test_people_are_sought_and_put_out_whatever_the_case_of_their_names(
    world: Directory,
) -> None:
    scim = Scim(world.http, await world.key("provisioner"))
    people = {
        name: await scim.person(name, externalId=None) for name in ("Änn@x", "bob_1", "bobx1")
    }
    for text, names in (
        ('userName eq "änN@X"', ["Änn@x"]),
        ('userName co "B_1" and active eq true', ["bob_1"]),
        ('not (userName sw "bob") or externalId pr', ["Änn@x"]),
        ('userName ne "bob_1" and not (userName eq "BOBX1")', ["Änn@x"]),
        ('meta.created gt "2020-01-01T00:00:00Z" and id pr', ["Änn@x", "bob_1", "bobx1"]),
    ):
        assert [each["userName"] for each in await scim.found("Users", text)] == names
    group = await scim.group("Support Agents", *(each["id"] for each in people.values()))
    assert len(group["members"]) == 3
    keys = [await world.key("service", owner=f"oidc:{name}") for name in ("ÄNN@x", "bob_1")]
    ann = people["Änn@x"]
    out = {"op": "replace", "path": "active", "value": False}
    assert (await scim.patch(f"/Users/{ann['id']}", out)).status_code == 200
    world.clock.ahead_s += FRESH_S
    for replica in (world.http, world.other):
        answers = [(await replica.get("/probe", headers=key)).status_code for key in keys]
        assert answers == [401, 200]
    assert (await scim.ask("DELETE", f"/Users/{ann['id']}")).status_code == 204
    left = (await scim.ask("GET", f"/Groups/{group['id']}")).json()["members"]
    assert {each["value"] for each in left} == {people["bob_1"]["id"], people["bobx1"]["id"]}
    assert (await scim.ask("DELETE", f"/Groups/{group['id']}")).status_code == 204
