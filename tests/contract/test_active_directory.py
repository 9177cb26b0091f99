"""Signing on with a password at a real Active Directory; `make test-ad`, a few minutes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from config.settings import Settings
from tests.active_directory import LOCKOUT_AFTER, PASSWORD, ActiveDirectory, active_directory
from tests.contract.sign_on_world import Site, site

pytestmark = [pytest.mark.ad, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActiveDirectory]:
    with active_directory(tmp_path_factory.mktemp("dc")) as running:
        yield running


@pytest.fixture
async def world(tmp_path: Path, domain: ActiveDirectory) -> AsyncIterator[Site]:
    # More tries than the domain allows, so that the domain's own lockout is seen.
    settings = Settings.model_validate({"sso_providers": {"plant": domain.settings(tries=20)}})
    async with site(tmp_path, settings) as world:
        yield world


@pytest.fixture
async def browser(world: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.browser() as browser:
        yield browser


async def sign_on(
    browser: httpx2.AsyncClient, username: str, password: str = PASSWORD
) -> httpx2.Response:
    body = {"provider": "plant", "username": username, "password": password}
    return await browser.post("/auth/sso/login", json=body)


@pytest.mark.parametrize("username", ["ann", "ANN", "ann@acme.test"])
async def test_a_person_of_the_domain_signs_on_with_the_role_of_a_group_three_levels_up(
    browser: httpx2.AsyncClient, username: str, domain: ActiveDirectory
) -> None:
    """By either of their names they are the same person: objectGUID."""
    answer = await sign_on(browser, username)
    assert answer.status_code == 200, answer.text
    who = (await browser.get("/auth/user/permissions")).json()
    assert (who["tenant"], who["roles"]) == ("acme", ["agent"])
    shown = domain.tool("user", "show", "ann", "--attributes=objectGUID")
    assert str(UUID(who["subject"].removeprefix("plant:"))) in shown


@pytest.mark.parametrize(
    "username", ["disabled", "expired", "renewing", "nobody", "ann)(cn=*", "*"]
)
async def test_nobody_else_does(browser: httpx2.AsyncClient, username: str) -> None:
    """With the right password: disabled, expired, due for a new password; and names that are none."""
    answer = await sign_on(browser, username)
    assert answer.status_code == 401, answer.text
    assert not browser.cookies


@pytest.mark.parametrize("password", ["", "\x00", "wrong", f"{PASSWORD}\x00", "\u00ad"])
async def test_no_other_password_is_the_password(
    browser: httpx2.AsyncClient, password: str
) -> None:
    assert (await sign_on(browser, "ann", password)).status_code == 401
    assert not browser.cookies


async def test_what_the_domain_locks_is_locked_here(browser: httpx2.AsyncClient) -> None:
    assert (await sign_on(browser, "locked")).status_code == 200
    for _ in range(LOCKOUT_AFTER + 1):
        assert (await sign_on(browser, "locked", "wrong")).status_code == 401
    assert (await sign_on(browser, "locked")).status_code == 401


async def test_our_own_limit_comes_before_the_domains(
    tmp_path: Path, domain: ActiveDirectory
) -> None:
    """So nobody is locked out of the domain by who only reaches us."""
    settings = Settings.model_validate({"sso_providers": {"plant": domain.settings()}})
    async with site(tmp_path, settings) as world, world.browser() as browser:
        # The domain counts from here.
        assert (await sign_on(browser, "ann")).status_code == 200
        for _ in range(3 * LOCKOUT_AFTER):
            assert (await sign_on(browser, "ann", "wrong")).status_code in {401, 429}
            assert (await sign_on(browser, "ANN@acme.test", "wrong")).status_code in {401, 429}
        world.clock.ahead_s = 30 * 60.0
        assert (await sign_on(browser, "ann")).status_code == 200
