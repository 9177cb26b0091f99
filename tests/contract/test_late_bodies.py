"""Who is let in while a body is still coming, and is not any more when it is there, changes nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deployments.security.api_keys import CACHE_S
from tests.scim_world import Directory, Scim, directory, directory_settings

LEADS = [{"group": "Leads", "role": "admin"}]
OUT = {"op": "Replace", "path": "active", "value": "False"}
LEAVE = {"op": "remove", "path": "members"}
GIVEN = "/admin/roles/assignments/oidc:bob"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Directory]:
    async with directory(tmp_path, directory_settings(roles=LEADS)) as world:
        yield world


@pytest.mark.parametrize(
    ("how", "status"),
    [("nothing", 200), ("put out", 401), ("key revoked", 401), ("role taken", 403)],
)
async def test_what_comes_after_a_right_ended_is_not_done(
    world: Directory, how: str, status: int
) -> None:
    """At the replica that let the request in, whichever was told; and what was refused is on record."""
    scim = Scim(world.http, await world.key("provisioner"))
    machine = await world.key("admin")
    ann = await scim.person("ann")
    leads = await scim.group("Leads", ann["id"])
    hers = await world.key("admin", owner="oidc:ann")
    let_in, rest = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"roles": '
        let_in.set()
        await rest.wait()
        yield b'["admin"]}'

    headers = {**hers, "content-type": "application/json"}
    change = asyncio.create_task(world.other.put(GIVEN, content=slowly(), headers=headers))
    await let_in.wait()
    match how:
        case "put out":
            assert (await scim.patch(f"/Users/{ann['id']}", OUT)).status_code == 200
        case "role taken":
            assert (await scim.patch(f"/Groups/{leads['id']}", LEAVE)).status_code == 200
        case "key revoked":
            listed = (await world.http.get("/admin/keys", headers=machine)).json()["keys"]
            [one] = [key["id"] for key in listed if key["owner"] == "oidc:ann"]
            gone = await world.http.delete(f"/admin/keys/{one}", headers=machine)
            assert gone.status_code == 200
        case _:
            pass
    world.clock.ahead_s += CACHE_S
    rest.set()
    assert (await change).status_code == status
    given = await world.http.get("/admin/roles/assignments", headers=machine)
    assert ("oidc:bob" in given.text) == (how == "nothing")
