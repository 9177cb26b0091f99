"""/admin/keys over HTTP: make, narrow, replace and revoke, and nobody grows by it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import yaml

import config
from actors.database import Accounts
from config.settings import Settings
from deployments.security.api_keys import CACHE_S
from deployments.security.pepper import read_pepper
from tests.contract.sign_on_world import Site, site

SHIPPED = Path(config.__file__).parent / "policies" / "rbac.yaml"
PLAIN = {"name": "x", "roles": ["agent"]}
BEHIND = {"server": {"trusted_proxies": ["127.0.0.1/32"]}}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, Settings.model_validate(BEHIND)) as world:
        yield world


async def key_of(world: Site, *roles: str, tenant: str = "acme") -> dict[str, str]:
    hashing = read_pepper(world.database.path.parent / "api-keys.pepper")
    made = await Accounts(world.database, hashing).create_key(
        tenant, "test", frozenset(roles), world.clock.now()
    )
    return {"x-api-key": made.secret}


async def test_a_key_is_made_listed_used_and_revoked_within_five_seconds(world: Site) -> None:
    admin = await key_of(world, "admin")
    body = {"name": "crm", "roles": ["service"], "scopes": ["chat:create"]}
    made = (await world.http.post("/admin/keys", json=body, headers=admin)).json()
    key = {"authorization": f"Bearer {made['secret']}"}
    assert (await world.http.post("/probe", headers=key)).status_code == 200
    # The role could; the scope says no.
    assert (await world.http.get("/probe", headers=key)).status_code == 403
    listed = (await world.http.get("/admin/keys", headers=admin)).json()["keys"]
    assert made["id"] in {row["id"] for row in listed}
    assert made["secret"] not in str(listed)
    gone = await world.http.delete(f"/admin/keys/{made['id']}", headers=admin)
    assert gone.json()["state"] == "revoked"
    world.clock.ahead_s = CACHE_S
    assert (await world.http.post("/probe", headers=key)).status_code == 401
    again = await world.http.delete(f"/admin/keys/{made['id']}", headers=admin)
    assert again.status_code == 404


async def test_a_rotated_key_opens_beside_the_new_one_and_then_no_more(world: Site) -> None:
    admin = await key_of(world, "admin")
    body = {"name": "crm", "roles": ["service"], "expires_in_s": 86_400}
    old = (await world.http.post("/admin/keys", json=body, headers=admin)).json()
    path = f"/admin/keys/{old['id']}/rotate"
    new = (await world.http.post(path, json={"overlap_s": 60}, headers=admin)).json()
    assert new["family"] == old["id"]
    assert new["expires_at"] is not None
    assert (await world.http.post(path, json={}, headers=admin)).status_code == 409
    keys = [{"x-api-key": each["secret"]} for each in (old, new)]
    assert [(await world.http.post("/probe", headers=key)).status_code for key in keys] == [200] * 2
    world.clock.ahead_s = 60
    answers = [(await world.http.post("/probe", headers=key)).status_code for key in keys]
    assert answers == [401, 200]


async def test_nobody_makes_or_replaces_a_key_that_may_do_what_they_may_not(world: Site) -> None:
    """A key that may manage keys is not thereby every key."""
    admin = await key_of(world, "admin")
    region = {"name": "other region", "roles": ["region"]}
    refused = await world.http.post("/admin/keys", json=region, headers=admin)
    assert (refused.status_code, "budgets:lease" in refused.text) == (403, True)
    narrow = {"name": "keys", "roles": ["admin"], "scopes": ["keys:manage"]}
    made = (await world.http.post("/admin/keys", json=narrow, headers=admin)).json()
    manager = {"x-api-key": made["secret"]}
    more = {"name": "x", "roles": ["agent"]}
    assert (await world.http.post("/admin/keys", json=more, headers=manager)).status_code == 403
    boss = (await world.http.get("/admin/keys", headers=admin)).json()["keys"]
    mine = next(row["id"] for row in boss if row["name"] == "test")
    grown = await world.http.post(f"/admin/keys/{mine}/rotate", json={}, headers=manager)
    assert grown.status_code == 403


async def test_another_tenants_keys_are_not_there(world: Site) -> None:
    """404 for all three, and not in the list."""
    admin, other = await key_of(world, "admin"), await key_of(world, "admin", tenant="other")
    body = {"name": "crm", "roles": ["service"]}
    made = (await world.http.post("/admin/keys", json=body, headers=admin)).json()
    path = f"/admin/keys/{made['id']}"
    assert (await world.http.post(f"{path}/rotate", json={}, headers=other)).status_code == 404
    assert (await world.http.delete(path, headers=other)).status_code == 404
    listed = (await world.http.get("/admin/keys", headers=other)).json()["keys"]
    assert made["id"] not in {row["id"] for row in listed}


async def test_only_who_may_manage_keys_does(world: Site) -> None:
    for role in ("supervisor", "agent", "service", "customer"):
        key = await key_of(world, role)
        assert (await world.http.get("/admin/keys", headers=key)).status_code == 403


async def test_a_key_bound_to_a_network_opens_from_there_alone(world: Site) -> None:
    """The peer is our proxy here; what a caller writes left of its word is nobody's."""
    admin = await key_of(world, "admin")
    body = {"name": "crm", "roles": ["service"], "networks": ["198.51.100.0/24"]}
    made = (await world.http.post("/admin/keys", json=body, headers=admin)).json()

    async def used_from(forwarded: str | None) -> int:
        headers = {"x-api-key": made["secret"]}
        if forwarded is not None:
            headers["x-forwarded-for"] = forwarded
        return (await world.http.post("/probe", headers=headers)).status_code

    assert await used_from("198.51.100.7") == 200
    assert await used_from("203.0.113.9") == 401
    assert await used_from("198.51.100.7, 203.0.113.9") == 401
    assert await used_from(None) == 401


async def test_a_key_makes_none_that_opens_from_elsewhere_or_for_longer(world: Site) -> None:
    """Who steals a bound key that may manage keys has that key and no better one."""
    admin = await key_of(world, "admin")
    body = {
        "name": "bound", "roles": ["admin"], "networks": ["198.51.100.0/24"], "expires_in_s": 3600,
    }  # fmt: skip
    made = (await world.http.post("/admin/keys", json=body, headers=admin)).json()
    bound = {"x-api-key": made["secret"], "x-forwarded-for": "198.51.100.7"}

    async def asked(path: str = "", **body: object) -> httpx2.Response:
        return await world.http.post(f"/admin/keys{path}", json=body, headers=bound)

    plain = (await asked(name="x", roles=["agent"])).json()
    assert (plain["networks"], plain["expires_at"]) == (made["networks"], made["expires_at"])
    narrow = await asked(name="x", roles=["agent"], networks=["198.51.100.8/32"], expires_in_s=60)
    assert narrow.json()["networks"] == ["198.51.100.8/32"]
    assert narrow.json()["expires_at"] < made["expires_at"]
    longer = (await asked(name="x", roles=["agent"], expires_in_s=86_400)).json()
    assert longer["expires_at"] == made["expires_at"]
    for wide in ("0.0.0.0/0", "198.51.100.0/23", "203.0.113.0/24", "::/0"):
        assert (await asked(name="x", roles=["agent"], networks=[wide])).status_code == 403
    free = (await world.http.post("/admin/keys", json=PLAIN, headers=admin)).json()
    assert (await asked(f"/{free['id']}/rotate")).status_code == 403
    world.clock.ahead_s = 60
    itself = (await asked(f"/{made['id']}/rotate", expires_in_s=86_400)).json()
    assert (itself["networks"], itself["expires_at"]) == (made["networks"], made["expires_at"])


async def test_a_key_is_given_no_role_that_moves_more_money_alone(tmp_path: Path) -> None:
    """Where the permissions are the same, the limits are not."""
    policy = yaml.safe_load(SHIPPED.read_text())
    policy["roles"]["helpdesk"] = [*policy["roles"]["admin"]]
    for each in policy["limits"].values():
        each["helpdesk"] = 50
    (tmp_path / "rbac.yaml").write_text(yaml.safe_dump(policy))
    rbac = {"enabled": True, "policies": [{"policy_file": str(tmp_path / "rbac.yaml")}]}
    async with site(tmp_path / "other", Settings.model_validate({"rbac": rbac})) as world:
        desk = await key_of(world, "helpdesk")
        answers = [
            (await world.http.post("/admin/keys", json={**PLAIN, "roles": [role]}, headers=desk))
            for role in ("admin", "agent", "helpdesk", "service")
        ]
        assert [answer.status_code for answer in answers] == [403, 403, 200, 200]


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "roles": ["agent"]},
        {"name": "x", "roles": []},
        {"name": "x", "roles": ["root"]},
        {"name": "x", "roles": ["agent"], "scopes": ["keys:manage"]},
        {"name": "x", "roles": ["agent"], "scopes": []},
        {"name": "x", "roles": ["agent"], "networks": ["10.0.0.1/8"]},
        {"name": "x", "roles": ["agent"], "networks": ["everywhere"]},
        {"name": "x", "roles": ["agent"], "expires_in_s": 1},
        {"name": "x", "roles": ["agent"], "tenant": "other"},
        {"name": "a\nb", "roles": ["agent"]},
    ],
)
async def test_a_key_that_cannot_be_meant_is_not_made(world: Site, body: dict[str, object]) -> None:
    admin = await key_of(world, "admin")
    answer = await world.http.post("/admin/keys", json=body, headers=admin)
    assert answer.status_code == 422, answer.text


async def test_a_request_brings_one_credential_once(world: Site) -> None:
    """Else what stands in front might look at the one and we at the other."""
    key = (await key_of(world, "admin"))["x-api-key"]
    twice = [("x-api-key", key), ("x-api-key", key)]
    assert (await world.http.get("/probe", headers=twice)).status_code == 401
    bearers = [("authorization", f"Bearer {key}"), ("authorization", "Bearer x")]
    assert (await world.http.get("/probe", headers=bearers)).status_code == 401
    good = {"x-api-key": key}
    assert (await world.http.get("/probe", headers=good)).status_code == 200
    for other in (f"Bearer {key}", "Bearer x", "Basic x", ""):
        both = {**good, "authorization": other}
        assert (await world.http.get("/probe", headers=both)).status_code == 401
    for scheme in ("Basic", "Token", ""):
        alone = {"authorization": f"{scheme} {key}"}
        assert (await world.http.get("/probe", headers=alone)).status_code == 401
