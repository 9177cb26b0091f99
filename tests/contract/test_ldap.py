"""Signing on with a password at a real directory, and every way in which it must not work."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from actors.database.password_tries import PasswordTries
from config.identity import ldap_of
from config.settings import Settings
from deployments.ingress.auth_password import LoginBody
from deployments.security import passwords
from deployments.security.ldap_visit import LdapDirectory
from tests.contract.sign_on_world import SITE, Site, site
from tests.directory_server import (
    AGENTS,
    ANN_ID,
    PASSWORD,
    SERVICE_PASSWORD,
    STAFF,
    DirectoryServer,
    cutting,
    directory_server,
)

SESSION = "__Host-supportmax"
LOGIN = "/auth/sso/login"
REFUSED = "That is not the name and the password of somebody who may sign on."


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DirectoryServer]:
    with directory_server(tmp_path_factory.mktemp("slapd")) as running:
        yield running


def settings_for(directory: DirectoryServer, **changed: Any) -> Settings:
    return Settings.model_validate({"sso_providers": {"plant": directory.settings(**changed)}})


@pytest.fixture
async def world(tmp_path: Path, directory: DirectoryServer) -> AsyncIterator[Site]:
    async with site(tmp_path, settings_for(directory)) as world:
        yield world


@pytest.fixture
async def browser(world: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.browser() as browser:
        yield browser


async def sign_on(
    browser: httpx2.AsyncClient, username: str = "ann", password: str = PASSWORD, **more: str
) -> httpx2.Response:
    body = {"provider": "plant", "username": username, "password": password, **more}
    return await browser.post(LOGIN, json=body)


def assert_refused(browser: httpx2.AsyncClient, answer: httpx2.Response) -> None:
    assert (answer.status_code, answer.json()["detail"]) == (401, REFUSED)
    assert not browser.cookies


async def test_a_person_signs_on_by_the_directorys_own_number_with_roles_of_groups_in_groups(
    browser: httpx2.AsyncClient,
) -> None:
    answer = await sign_on(browser, next="/tickets")
    assert (answer.status_code, answer.json()) == (200, {"redirect": "/tickets"}), answer.text
    assert {"Secure", "HttpOnly", "SameSite=lax"} <= set(answer.headers["set-cookie"].split("; "))
    who = (await browser.get("/auth/user/permissions")).json()
    assert (who["tenant"], who["subject"], who["roles"]) == ("plant", f"plant:{ANN_ID}", ["agent"])
    off = await browser.post("/auth/sso/logout", headers={"x-csrf-token": who["csrf_token"]})
    assert off.json() == {"redirect": None}
    assert (await browser.get("/probe")).status_code == 401


@pytest.mark.parametrize(
    "username",
    [
        "*", "a*", "ann*", "nobody", "ann)(uid=*", "*)(uid=*))(|(uid=*", "ann)(|(uid=*))", "(uid=ann)",
        "ann\\2a", "\\61nn", "ann\x00", "\x00", "ann\n", " ann", "ann ", "cn=supportmax,dc=plant,dc=test",
        "uid=lou,ou=people,dc=plant,dc=test", "ann,ou=people,dc=plant,dc=test", "ann#", "ann\u200b",
        "\uff41nn", "a\u0301nn", "\u0430nn", "ann\u0300", "twin", "", "a" * 257, "\U0001f600",
    ],
)  # fmt: skip
async def test_no_other_name_is_anns(browser: httpx2.AsyncClient, username: str) -> None:
    """With her own password: patterns, filters, names of entries, letters that only look like hers."""
    assert_refused(browser, await sign_on(browser, username))


@pytest.mark.parametrize(
    "password",
    ["", "\x00", f"{PASSWORD}\x00", "\u00ad", "wrong", PASSWORD.upper(), f"{PASSWORD} ", "*", "x" * 1025],
)  # fmt: skip
async def test_nothing_but_the_password_is_the_password(
    browser: httpx2.AsyncClient, password: str
) -> None:
    """An empty one, or what a library makes an empty one of, is a yes to whomever at a directory."""
    assert_refused(browser, await sign_on(browser, "ann", password))


@pytest.mark.parametrize("username", ["lou", "eve", "twin"])
async def test_an_account_that_is_locked_or_over_or_two_opens_nothing(
    browser: httpx2.AsyncClient, username: str
) -> None:
    assert_refused(browser, await sign_on(browser, username))


def test_a_directory_takes_a_wide_letter_for_another_and_we_do_not(
    directory: DirectoryServer,
) -> None:
    """So that the attack above is one: slapd finds Ann by it."""
    provider = ldap_of("plant", settings_for(directory).sso_providers["plant"])
    for name, is_ann in (("ann", True), ("ANN", True), ("\uff41nn", False)):
        visit = LdapDirectory(provider).visit()
        assert (visit.find(name) is not None) is is_ann
        assert [e["type"] for e in visit._connection.response] == ["searchResEntry"]
        visit.close()


async def test_groups_come_from_the_groups(world: Site, directory: DirectoryServer) -> None:
    settings = settings_for(directory).sso_providers["plant"]
    visit = LdapDirectory(ldap_of("plant", settings)).visit()
    found = visit.find("ann")
    assert found is not None
    assert visit.groups(found) == [AGENTS, STAFF]
    visit.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"origin": "https://evil.test"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"origin": SITE}, 200),
    ],
)
async def test_a_page_of_another_site_signs_nobody_on(
    browser: httpx2.AsyncClient, headers: dict[str, str], status: int
) -> None:
    """Else a person would work in Mallory's account and not notice."""
    body = f'{{"provider": "plant", "username": "ann", "password": "{PASSWORD}"}}'
    headers = {"content-type": "application/json", **headers}
    answer = await browser.post(LOGIN, content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert bool(browser.cookies) is (status == 200)


async def test_tries_end_below_the_directorys_own_lockout_and_for_names_nobody_has_alike(
    world: Site, browser: httpx2.AsyncClient
) -> None:
    """The same answers for a person and for nobody; the right password too waits, and then works."""
    said = dict[str, list[tuple[int, str]]]()
    for name in ("ann", "nobody"):
        answers = [await sign_on(browser, name, "wrong") for _ in range(5)]
        said[name] = [(each.status_code, each.json()["detail"]) for each in answers]
        assert answers[-1].headers["retry-after"]
    assert said["ann"] == said["nobody"]
    assert [status for status, _ in said["ann"]] == [401] * 4 + [429]
    assert (await sign_on(browser)).status_code == 429
    # The wide letter is Ann to the directory, and is counted as Ann.
    assert (await sign_on(browser, "\uff41nn")).status_code == 429
    world.clock.ahead_s = 30 * 60.0
    assert (await sign_on(browser)).status_code == 200


async def test_the_right_password_forgets_the_wrong_ones(browser: httpx2.AsyncClient) -> None:
    for _ in range(3):
        for _ in range(3):
            assert (await sign_on(browser, "ann", "wrong")).status_code == 401
        assert (await sign_on(browser)).status_code == 200


async def test_two_replicas_count_together(
    tmp_path: Path, world: Site, browser: httpx2.AsyncClient
) -> None:
    for _ in range(4):
        assert (await sign_on(browser, "ann", "wrong")).status_code == 401
    other = PasswordTries(world.database)
    desk: Any = world.entry
    tally = desk._desk._passwords._tally(desk._desk._passwords._providers["plant"], "name", "ann")
    assert await other.count("plant", (tally,), world.clock.now()) is not None


async def test_one_address_has_so_many_tries_whoever_it_says_it_is(
    world: Site, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "TRIES_PER_ADDRESS", 3)
    for number in range(3):
        assert (await sign_on(browser, f"name-{number}", "wrong")).status_code == 401
    assert (await sign_on(browser)).status_code == 429
    elsewhere = httpx2.ASGITransport(app=world.http._transport.app, client=("203.0.113.7", 1))  # type: ignore[attr-defined]
    headers = {"sec-fetch-site": "same-origin"}
    async with httpx2.AsyncClient(transport=elsewhere, base_url=SITE, headers=headers) as other:
        assert (await sign_on(other)).status_code == 200


async def test_a_password_is_in_nothing_that_is_written_down(
    world: Site, browser: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = "a-password-nobody-may-see"
    assert wrong not in (await sign_on(browser, "ann", wrong)).text
    assert (await sign_on(browser)).status_code == 200
    body = LoginBody.model_validate_json(
        f'{{"provider": "plant", "username": "ann", "password": "{wrong}"}}'
    )
    assert wrong not in repr(body)
    garbled = await browser.post(LOGIN, json={"provider": "plant", "password": wrong})
    assert garbled.status_code == 422
    kept = world.database.path.read_bytes() + world.audit.everything()
    for secret in (wrong, PASSWORD, SERVICE_PASSWORD):
        assert secret not in caplog.text
        assert secret not in garbled.text
        assert secret.encode() not in kept


async def test_who_signs_on_and_who_is_refused_is_on_record(
    world: Site, browser: httpx2.AsyncClient
) -> None:
    await sign_on(browser)
    await sign_on(browser, "ann", "wrong")
    async with asyncio.timeout(10):
        while len(found := of_sign_on(world)) < 2:  # noqa: ASYNC110  a thread's word
            await asyncio.sleep(0.01)
    assert [(each["outcome"], each["reason"]) for each in found] == [
        ("done", "signed_on"),
        ("denied", "password"),
    ]
    assert found[0]["subject"] == f"plant:{ANN_ID}"


def of_sign_on(world: Site) -> list[dict[str, object]]:
    return [row for row in world.audit.records() if row["action"] == "auth.sign_on"]


async def test_a_sign_on_ends_the_session_there_was(
    world: Site, browser: httpx2.AsyncClient
) -> None:
    await sign_on(browser)
    before = browser.cookies[SESSION]
    await sign_on(browser)
    assert browser.cookies[SESSION] != before
    world.clock.ahead_s = 5.0
    old = await world.http.get("/probe", headers={"cookie": f"{SESSION}={before}"})
    assert old.status_code == 401


async def test_a_directory_that_is_away_or_is_another_lets_nobody_in_and_counts_nothing(
    tmp_path: Path, directory: DirectoryServer
) -> None:
    """Away, cut at some byte, with a certificate nobody vouches for, or refusing us: 503."""
    with directory_server(tmp_path / "other") as other:
        pass
    password = tmp_path / "wrong.password"
    password.write_text("wrong")
    with cutting(directory.port, 200) as short, cutting(directory.port, 3000) as longer:
        cases: list[dict[str, Any]] = [
            {"url": f"ldaps://127.0.0.1:{other.port}"},
            {"url": f"ldaps://127.0.0.1:{short}"},
            {"url": f"ldaps://localhost:{directory.port}"},
            {"ca_file": str(other.folder / "certificate.pem")},
            {"password_file": str(password)},
            {"base_dn": "dc=nowhere,dc=test"},
        ]
        for number, changed in enumerate(cases):
            settings = settings_for(directory, **changed)
            async with site(tmp_path / str(number), settings) as world, world.browser() as browser:
                for _ in range(5):
                    answer = await sign_on(browser)
                    assert answer.status_code == 503, (changed, answer.text)
                assert not browser.cookies
        # Where it is cut in the middle of what it says, whatever it said before counts for nothing.
        settings = settings_for(directory, url=f"ldaps://127.0.0.1:{longer}")
        async with site(tmp_path / "longer", settings) as world, world.browser() as browser:
            answer = await sign_on(browser)
            assert answer.status_code in {200, 503}
            assert bool(browser.cookies) is (answer.status_code == 200)


async def test_a_directory_that_falls_silent_is_waited_for_no_longer_than_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "DEADLINE_S", 0.5)
    with directory_server(tmp_path / "slapd") as frozen:
        settings = settings_for(frozen)
        async with site(tmp_path / "site", settings) as world, world.browser() as browser:
            frozen.freeze()
            answers = await asyncio.gather(*(sign_on(browser, f"n{n}") for n in range(12)))
            assert {answer.status_code for answer in answers} == {503}
            frozen.thaw()
            monkeypatch.undo()
            assert (await sign_on(browser)).status_code == 200
