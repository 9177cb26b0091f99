"""Roles given over HTTP to somebody who has signed on with a real provider, and what is withheld from them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest
import yaml

import config
from actors.database import Accounts
from actors.database.role_assignments import Assignment, RoleAssignments
from config.security import PolicyFile, RbacSettings
from config.settings import Settings
from deployments.security.assigned_roles import FRESH_S
from deployments.security.pepper import read_pepper
from tests.contract.sign_on_world import API, SITE, Site, settings_for, site
from tests.contract.test_sign_on import signed_on
from tests.identity_provider import Idp, identity_provider

SHIPPED = Path(config.__file__).parent / "policies" / "rbac.yaml"
ANN = "/admin/roles/assignments/oidc:ann"


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    folder = tmp_path_factory.mktemp("idp")
    with identity_provider(folder, [f"{SITE}/auth/sso/callback"], API) as provider:
        yield provider


def strict(folder: Path, idp: Idp) -> Settings:
    """What ships, and keys are managed by people who have signed on in the last ten minutes."""
    policy = yaml.safe_load(SHIPPED.read_text())
    policy["constraints"] = [
        {"permissions": ["keys:manage"], "people_only": True, "signed_on_within_minutes": 10}
    ]
    path = folder / "strict.yaml"
    path.write_text(yaml.safe_dump(policy))
    rbac = RbacSettings(policies=(PolicyFile(policy_file=str(path)),))
    return settings_for(idp).model_copy(update={"rbac": rbac})


@pytest.fixture
async def world(tmp_path: Path, idp: Idp) -> AsyncIterator[Site]:
    async with site(tmp_path, settings_for(idp)) as world:
        yield world


@pytest.fixture
async def strict_world(tmp_path: Path, idp: Idp) -> AsyncIterator[Site]:
    async with site(tmp_path, strict(tmp_path, idp)) as world:
        yield world


async def admin_of(world: Site, tenant: str = "acme") -> dict[str, str]:
    hashing = read_pepper(world.database.path.parent / "api-keys.pepper")
    made = await Accounts(world.database, hashing).create_key(
        tenant, "test", frozenset({"admin"}), world.clock.now()
    )
    return {"x-api-key": made.secret}


async def roles_of(browser: httpx2.AsyncClient) -> list[str]:
    answer = await browser.get("/auth/user/permissions")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["roles"])


async def test_a_role_holds_in_an_open_session_within_two_seconds_and_ends_as_quickly(
    world: Site, idp: Idp
) -> None:
    """Of the person that the tenant's administrator named; another tenant's word about them is nothing."""
    admin, stranger = await admin_of(world), await admin_of(world, "other")
    async with world.browser() as browser:
        await signed_on(browser, idp)
        assert await roles_of(browser) == ["agent"]
        body = {"roles": ["admin"]}
        assert (await world.http.put(ANN, json=body, headers=stranger)).status_code == 200
        world.clock.ahead_s += FRESH_S
        assert await roles_of(browser) == ["agent"]
        assert (await world.http.put(ANN, json=body, headers=admin)).status_code == 200
        world.clock.ahead_s += FRESH_S
        assert sorted(await roles_of(browser)) == ["admin", "agent"]
        assert (await world.http.delete(ANN, headers=admin)).status_code == 200
        world.clock.ahead_s += FRESH_S
        assert await roles_of(browser) == ["agent"]


async def test_what_a_constraint_withholds_a_caller_is_told_how_to_get(
    strict_world: Site, idp: Idp
) -> None:
    """A key may not, a person may, and ten minutes later not by a new session of the same sign-on."""
    world = strict_world
    admin = await admin_of(world)
    refused = await world.http.get("/admin/keys", headers=admin)
    assert refused.status_code == 403
    assert "not for keys" in refused.json()["detail"]
    # What is withheld from them they cannot give to others either.
    given = await world.http.put(ANN, json={"roles": ["admin"]}, headers=admin)
    assert (given.status_code, "keys:manage" in given.json()["detail"]) == (403, True)
    made = Assignment("acme", "oidc:ann", frozenset({"admin"}), "key:elsewhere", 1.0)
    assert await RoleAssignments(world.database).put(made, None)
    world.clock.ahead_s += FRESH_S
    async with world.browser() as browser:
        await signed_on(browser, idp)
        assert (await browser.get("/admin/keys")).status_code == 200
        world.clock.ahead_s += 600
        refused = await browser.get("/admin/keys")
        assert refused.status_code == 403
        assert "sign on again first" in refused.json()["detail"]
        # The provider's clock did not move: by what it says the password was typed ten minutes ago.
        await signed_on(browser, idp)
        assert (await browser.get("/admin/keys")).status_code == 403
        world.clock.ahead_s = 0.0
        assert (await browser.get("/admin/keys")).status_code == 200
