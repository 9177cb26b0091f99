"""A key of somebody shrinks with them, in every replica, within the seconds in which they are put out."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actors.database import Accounts
from actors.database.role_assignments import Assignment, RoleAssignments
from actors.database.sessions import SessionRow, SessionStore
from deployments.security.api_keys import CACHE_S
from deployments.security.standing import FRESH_S
from tests.scim_world import Directory, Scim, directory, directory_settings

LEADS = [{"group": "Admins", "role": "admin"}, {"group": "Agents", "role": "agent"}]
ANN = "/admin/roles/assignments/oidc:ann"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Directory]:
    settings = directory_settings(roles=LEADS, require_provisioned=False)
    async with directory(tmp_path, settings) as world:
        yield world


async def status(world: Directory, key: dict[str, str]) -> list[int]:
    """What a route that an administrator's key opens says, a second later in both replicas."""
    world.clock.ahead_s += FRESH_S
    return [
        (await replica.get("/admin/keys", headers=key)).status_code
        for replica in (world.http, world.other)
    ]


async def test_who_leaves_a_group_has_keys_that_do_what_their_other_groups_may(
    world: Directory,
) -> None:
    """And again more when they are back; a key that the machine made for nobody stays as it is."""
    scim = Scim(world.http, await world.key("provisioner"))
    ann = await scim.person("ann")
    admins = await scim.group("Admins", ann["id"])
    await scim.group("Agents", ann["id"])
    theirs, nobodys = await world.key("admin", owner="oidc:ann"), await world.key("admin")
    assert await status(world, theirs) == [200, 200]
    leave = {"op": "remove", "path": f'members[value eq "{ann["id"]}"]'}
    await scim.patch(f"/Groups/{admins['id']}", leave)
    assert await status(world, theirs) == [403, 403]
    assert await status(world, nobodys) == [200, 200]
    assert (await world.other.get("/probe", headers=theirs)).status_code == 200
    back = {"op": "add", "path": "members", "value": [{"value": ann["id"]}]}
    await scim.patch(f"/Groups/{admins['id']}", back)
    assert await status(world, theirs) == [200, 200]


async def test_a_role_that_is_taken_away_is_taken_from_keys_too(world: Directory) -> None:
    """Made smaller, or the whole assignment; the key can neither be replaced nor make another."""
    admin = theirs = await world.key("admin")
    for body in ({"roles": ["admin"]}, {"roles": ["agent"]}, None, {"roles": ["admin"]}, None):
        if body is None:
            assert (await world.http.delete(ANN, headers=admin)).status_code == 200
            listed = (await world.http.get("/admin/roles/assignments", headers=admin)).json()
            assert listed == {"assignments": []}
            assert (await world.http.get(ANN, headers=admin)).status_code == 404
        else:
            given = await world.http.put(ANN, json=body, headers=admin)
            assert given.status_code == 200, given.text
        if body == {"roles": ["admin"]}:
            theirs = await world.key("admin", owner="oidc:ann")
            assert await status(world, theirs) == [200, 200]
            continue
        assert await status(world, theirs) == [403, 403]
        key_id = theirs["authorization"].split("_")[1]
        for path, asked in (
            ("/admin/keys", {"name": "heir", "roles": ["service"]}),
            (f"/admin/keys/{key_id}/rotate", {}),
        ):
            made = await world.other.post(path, json=asked, headers=theirs)
            assert made.status_code == 403


async def test_what_a_provider_claimed_at_the_last_sign_on_is_what_counts(world: Directory) -> None:
    """Somebody whom no directory and no administrator knows: less at a sign-on, less for their keys."""
    store = SessionStore(world.database)
    theirs = await world.key("admin", owner="oidc:eve")
    assert await status(world, theirs) == [200, 200]

    async def signs_on(*roles: str) -> None:
        now = world.clock.now()
        await store.add(
            SessionRow(
                tenant="acme", id_hash=f"{now}", subject="oidc:eve", provider="oidc",
                provider_session=None, roles=frozenset(roles), created_at=now, seen_at=now,
                expires_at=now + 3600, sealed_id_token=None, signed_on_at=now,
            )
        )  # fmt: skip
        world.clock.ahead_s += CACHE_S

    await signs_on("admin")
    assert await status(world, theirs) == [200, 200]
    await signs_on("agent")
    assert await status(world, theirs) == [403, 403]
    made = Assignment("acme", "oidc:eve", frozenset({"admin"}), "key:1", 1.0)
    assert await RoleAssignments(world.database).put(made, None)
    assert await status(world, theirs) == [200, 200]


async def test_a_key_made_by_a_replica_that_had_not_heard_yet_is_cut_like_the_others(
    world: Directory,
) -> None:
    """Made in the second after the last role went, by somebody who had no open key when it went."""
    admin = await world.key("admin")
    assert (await world.http.put(ANN, json={"roles": ["admin"]}, headers=admin)).status_code == 200
    theirs = await world.key("admin", owner="oidc:ann")
    assert await status(world, theirs) == [200, 200]
    key_id = theirs["authorization"].split("_")[1]
    assert await Accounts(world.database).revoke_key("acme", key_id, world.clock.now())
    assert (await world.http.delete(ANN, headers=admin)).status_code == 200
    asked = {"name": "heir", "roles": ["admin"]}
    made = await world.other.post("/admin/keys", json=asked, headers=theirs)
    assert made.status_code == 200, made.text
    assert made.json()["owner"] == "oidc:ann"
    heir = {"authorization": f"Bearer {made.json()['secret']}"}
    assert await status(world, heir) == [403, 403]
