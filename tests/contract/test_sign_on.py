"""Signing on with a real identity provider, and every way in which it must not work."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from deployments.security.attempts import ATTEMPT_S
from deployments.security.renewed import LIFE_S, PAUSE_S
from deployments.security.sessions import ABSOLUTE_S, CACHE_S, IDLE_S
from tests.contract.sign_on_world import API, SITE, Site, settings_for, site
from tests.identity_provider import Idp, identity_provider

SESSION, ATTEMPT = "__Host-supportmax", "__Host-supportmax-sign-on-"


@pytest.fixture(scope="module")
def idps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Idp, Idp]]:
    callbacks = [f"{SITE}/auth/sso/callback", f"{SITE}/auth/sso/callback/other-1"]
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    with (
        identity_provider(one, callbacks, API) as first,
        identity_provider(two, callbacks, API) as second,
    ):
        yield first, second


@pytest.fixture
async def world(tmp_path: Path, idps: tuple[Idp, Idp]) -> AsyncIterator[Site]:
    async with site(tmp_path, settings_for(*idps)) as world:
        yield world


@pytest.fixture
async def browser(world: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.browser() as browser:
        yield browser


async def begin(browser: httpx2.AsyncClient, next_path: str = "/", provider: str = "oidc") -> str:
    answer = await browser.post(f"/auth/sso/login?provider={provider}&next={next_path}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["redirect"])


async def at_provider(idp: Idp, url: str) -> str:
    """The person types the password; the address the browser is sent back to."""
    return await asyncio.to_thread(idp.sign_on, url)


async def signed_on(browser: httpx2.AsyncClient, idp: Idp, provider: str = "oidc") -> str:
    """A session's cookie."""
    back = await at_provider(idp, await begin(browser, provider=provider))
    answer = await browser.get(back)
    assert answer.status_code == 303, answer.text
    return browser.cookies[SESSION]


async def test_a_person_signs_on_works_and_signs_off(
    browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    """From the redirect to the end of the session, with the roles of the provider's groups."""
    redirect = await begin(browser, "/tickets?open=1")
    asked = parse_qs(urlsplit(redirect).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} <= asked.keys()
    answer = await browser.get(await at_provider(idps[0], redirect))
    assert (answer.status_code, answer.headers["location"]) == (303, "/tickets?open=1")
    cookie, spent = answer.headers.get_list("set-cookie")
    assert cookie.startswith(f"{SESSION}=")
    assert spent.startswith(ATTEMPT)
    assert "Max-Age=0" in spent
    assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    who = (await browser.get("/auth/user/permissions")).json()
    assert (who["tenant"], who["subject"], who["roles"]) == ("acme", "oidc:ann", ["agent"])
    assert "chat:create" in who["permissions"]
    assert (await browser.get("/probe")).json() == {"status": "oidc:ann"}
    headers = {"x-csrf-token": who["csrf_token"], "origin": SITE}
    assert (await browser.post("/probe", headers=headers)).status_code == 200
    off = await browser.post("/auth/sso/logout", headers=headers)
    assert off.json()["redirect"].startswith(f"{idps[0].issuer}/logout?")
    assert "id_token_hint" in off.json()["redirect"]
    assert (await browser.get("/probe")).status_code == 401


async def test_get_redirects_and_post_tells(
    browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    answer = await browser.get("/auth/sso/login?provider=oidc")
    assert answer.status_code == 302
    assert answer.headers["location"].startswith(idps[0].issuer)


async def test_a_sign_on_begins_with_a_body_as_with_a_query(
    browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    """A client that always sends JSON can begin one; what is said twice, or by halves, is refused."""
    login, body = "/auth/sso/login", {"provider": "oidc", "next": "/tickets"}
    begun = await browser.post(login, json=body)
    assert begun.status_code == 200, begun.text
    answer = await browser.get(await at_provider(idps[0], begun.json()["redirect"]))
    assert (answer.status_code, answer.headers["location"]) == (303, "/tickets")
    assert (await browser.post(f"{login}?provider=oidc", json=body)).status_code == 422
    assert (
        await browser.post(login, json={"provider": "oidc", "username": "ann"})
    ).status_code == 422
    empty = {"content-type": "application/json"}
    assert (await browser.post(f"{login}?provider=oidc", headers=empty)).status_code == 200


async def test_two_tabs_sign_on_at_once(browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]) -> None:
    """The second attempt does not end the first; whichever comes back, comes back."""
    first, second = await begin(browser, "/one"), await begin(browser, "/two")
    for redirect, path in ((first, "/one"), (second, "/two")):
        answer = await browser.get(await at_provider(idps[0], redirect))
        assert (answer.status_code, answer.headers["location"]) == (303, path)


async def test_what_came_back_once_does_not_come_back_again(
    browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    """Neither the state nor the code, even in the very browser they belong to."""
    back = await at_provider(idps[0], await begin(browser))
    assert (await browser.get(back)).status_code == 303
    assert (await browser.get(back)).status_code == 401


async def test_a_code_is_worth_nothing_under_another_attempt(
    world: Site, browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    """A stolen code is refused by PKCE at the provider and by the nonce here."""
    stolen = parse_qs(urlsplit(await at_provider(idps[0], await begin(browser))).query)["code"][0]
    async with world.browser() as mallory:
        state = parse_qs(urlsplit(await begin(mallory)).query)["state"][0]
        answer = await mallory.get(f"/auth/sso/callback?state={state}&code={stolen}")
        assert answer.status_code == 401
        assert SESSION not in mallory.cookies


async def test_another_browser_cannot_finish_what_this_one_began(
    world: Site, browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    """Else Mallory could make Ann work in Mallory's account (login CSRF)."""
    back = await at_provider(idps[0], await begin(browser))
    async with world.browser() as ann:
        assert (await ann.get(back)).status_code == 401
        await begin(ann)
        assert (await ann.get(back)).status_code == 401
        assert SESSION not in ann.cookies


async def test_an_attempt_ends_after_ten_minutes(
    world: Site, browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    back = await at_provider(idps[0], await begin(browser))
    world.clock.ahead_s = ATTEMPT_S
    assert (await browser.get(back)).status_code == 401


async def test_the_answer_of_one_provider_is_not_anothers(
    browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    """Mixed up on purpose: each comes back to its own address, and names itself if it names anybody."""
    back = await at_provider(idps[0], await begin(browser))
    wrong = back.replace("/auth/sso/callback", "/auth/sso/callback/other-1")
    assert (await browser.get(wrong)).status_code == 401
    back = await at_provider(idps[0], await begin(browser))
    assert (await browser.get(f"{back}&iss={idps[1].issuer}")).status_code == 401
    back = await at_provider(idps[0], await begin(browser))
    assert (await browser.get(f"{back}&iss={idps[0].issuer}")).status_code == 303


async def test_people_of_two_providers_are_two_people_of_two_tenants(
    world: Site, browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    """Both are called ann, at home in other companies."""
    await signed_on(browser, idps[0])
    async with world.browser() as other:
        await signed_on(other, idps[1], "other-1")
        who = [(await each.get("/auth/user/permissions")).json() for each in (browser, other)]
    assert [each["tenant"] for each in who] == ["acme", "acme1"]
    assert [each["subject"] for each in who] == ["oidc:ann", "other-1:ann"]


async def test_a_session_set_before_the_sign_on_is_not_the_one_after_it(
    world: Site, browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    """Fixation: whatever the cookie was, it is replaced, and the old session is over."""
    before = await signed_on(browser, idps[0])
    after = await signed_on(browser, idps[0])
    assert before != after
    world.clock.ahead_s = CACHE_S
    old = await world.http.get("/probe", headers={"cookie": f"{SESSION}={before}"})
    assert old.status_code == 401
    chosen = {"cookie": f"{SESSION}={'A' * 43}"}
    assert (await world.http.get("/probe", headers=chosen)).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": SITE}, 403),
        ({"origin": "https://evil.test", "x-csrf-token": "good"}, 403),
        ({"origin": "null", "x-csrf-token": "good"}, 403),
        ({"origin": SITE + ".evil.test", "x-csrf-token": "good"}, 403),
        ({"sec-fetch-site": "cross-site", "x-csrf-token": "good"}, 403),
        ({"sec-fetch-site": "same-site", "x-csrf-token": "good"}, 403),
        ({"x-csrf-token": "good"}, 403),
        ({"origin": SITE, "x-csrf-token": "bad"}, 403),
        ({"origin": SITE, "x-csrf-token": "good"}, 200),
        ({"sec-fetch-site": "same-origin", "x-csrf-token": "good"}, 200),
    ],
)
async def test_a_change_by_cookie_needs_our_page_and_its_token(
    world: Site,
    browser: httpx2.AsyncClient,
    idps: tuple[Idp, Idp],
    headers: dict[str, str],
    status: int,
) -> None:
    """Another site can make a browser send the cookie; it can send neither of the others."""
    session = await signed_on(browser, idps[0])
    csrf = (await browser.get("/auth/user/permissions")).json()["csrf_token"]
    shown = {name: csrf if value == "good" else value for name, value in headers.items()}
    shown["cookie"] = f"{SESSION}={session}"
    for path in ("/probe", "/auth/sso/logout"):
        answer = await world.http.post(path, headers=shown)
        assert answer.status_code == status, (path, answer.text)


async def test_a_session_ends_when_it_is_idle_and_after_a_day_of_work(
    world: Site, browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    await signed_on(browser, idps[0])
    for _ in range(int(ABSOLUTE_S / IDLE_S * 2) - 1):
        world.clock.ahead_s += IDLE_S / 2
        assert (await browser.get("/probe")).status_code == 200
    world.clock.ahead_s += IDLE_S / 2
    assert (await browser.get("/probe")).status_code == 401
    world.clock.ahead_s = 0.0  # the provider keeps its own time
    await signed_on(browser, idps[0])
    world.clock.ahead_s = IDLE_S
    assert (await browser.get("/probe")).status_code == 401


async def test_two_cookies_of_one_name_are_none(
    world: Site, browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    """Which of them a proxy or a page set cannot be told."""
    session = await signed_on(browser, idps[0])
    twice = {"cookie": f"{SESSION}={session}; {SESSION}={session}"}
    assert (await world.http.get("/probe", headers=twice)).status_code == 401


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.test",
        "//evil.test",
        "/\\evil.test",
        "%2F%2Fevil.test",
        "/%0d%0aX:1",
        "evil",
        "/ü",
    ],
)
async def test_nobody_is_led_elsewhere_after_signing_on(
    browser: httpx2.AsyncClient, elsewhere: str
) -> None:
    answer = await browser.post(f"/auth/sso/login?provider=oidc&next={elsewhere}")
    assert answer.status_code == 422
    assert answer.json()["code"] in {"invalid_next", "invalid_request"}
    assert not browser.cookies


@pytest.mark.parametrize(
    "query",
    [
        "",
        "state=&code=x",
        "state=x&code=x",
        "code=x",
        f"state={'A' * 43}&code=x",
        f"state={'A' * 43}&state={'B' * 43}&code=x",
        "error=access_denied",
    ],
)
async def test_a_callback_out_of_the_blue_signs_nobody_on(
    browser: httpx2.AsyncClient, query: str
) -> None:
    await begin(browser)
    answer = await browser.get(f"/auth/sso/callback?{query}")
    assert answer.status_code in {401, 422}
    assert SESSION not in browser.cookies


async def test_an_access_token_opens_what_a_key_opens(world: Site, idps: tuple[Idp, Idp]) -> None:
    """And a rotated key of the provider is found at its first token, from then on."""
    settings = settings_for(
        idps[0], roles=[{"claim": "client_id", "equals": "supportmax-web", "role": "agent"}]
    )
    async with site(world.database.path.parent / "programs", settings) as programs:
        headers = {"authorization": f"Bearer {idps[0].program_token()}"}
        assert (await programs.http.get("/probe", headers=headers)).status_code == 200
        idps[0].rotate()
        programs.clock.ahead_s = PAUSE_S
        fresh = {"authorization": f"Bearer {idps[0].program_token()}"}
        assert fresh != headers
        assert (await programs.http.get("/probe", headers=fresh)).status_code == 200
        assert (await programs.http.get("/probe", headers=headers)).status_code == 200


async def test_a_provider_that_goes_away_lets_nobody_new_in_and_throws_nobody_out(
    tmp_path: Path,
) -> None:
    """503 for those who sign on; sessions and tokens go on."""
    (tmp_path / "idp").mkdir()
    with identity_provider(tmp_path / "idp", [f"{SITE}/auth/sso/callback"], API) as idp:
        settings = settings_for(
            idp,
            roles=[
                {"claim": "groups", "equals": "AGENTS", "role": "agent"},
                {"claim": "client_id", "equals": "supportmax-web", "role": "agent"},
            ],
        )
        async with site(tmp_path, settings) as world, world.browser() as browser:
            await signed_on(browser, idp)
            token = {"authorization": f"Bearer {idp.program_token()}"}
            assert (await world.http.get("/probe", headers=token)).status_code == 200
            back = await at_provider(idp, await begin(browser))
            idp.stop()
            assert (await browser.get(back)).status_code == 503
            world.clock.ahead_s = LIFE_S
            assert (await world.http.get("/probe", headers=token)).status_code == 200
            assert (await browser.get("/probe")).status_code == 200


async def test_an_id_token_is_no_access_token(world: Site, idps: tuple[Idp, Idp]) -> None:
    """The provider types both alike; the audience and the claims tell them apart."""
    seen: list[str] = []
    async with world.browser() as browser:
        url = await begin(browser)
        await browser.get(await at_provider(idps[0], url))
        csrf = (await browser.get("/auth/user/permissions")).json()["csrf_token"]
        off = await browser.post("/auth/sso/logout", headers={"x-csrf-token": csrf})
        seen = parse_qs(urlsplit(off.json()["redirect"]).query)["id_token_hint"]
    answer = await world.http.get("/probe", headers={"authorization": f"Bearer {seen[0]}"})
    assert answer.status_code == 401


async def test_who_signs_on_and_off_and_who_is_refused_is_on_record(
    world: Site, browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    """By pseudonym: the log knows no name of a person, and finds it for who asks by the name."""
    await signed_on(browser, idps[0])
    token = (await browser.get("/auth/user/permissions")).json()["csrf_token"]
    await browser.post("/auth/sso/logout", headers={"x-csrf-token": token, "origin": SITE})
    back = await at_provider(idps[0], await begin(browser))
    world.clock.ahead_s = -300.0  # so that what the provider says comes from the future
    assert (await browser.get(back)).status_code == 401
    async with asyncio.timeout(10):
        while len(world.audit.records()) < 4:  # noqa: ASYNC110  a thread's word
            await asyncio.sleep(0.01)
    _, on, off, refused = world.audit.records()
    assert [each["action"] for each in (on, off)] == ["auth.sign_on", "auth.sign_off"]
    assert on["tenant"] == off["tenant"] == refused["tenant"] == "acme"
    assert (refused["action"], refused["outcome"]) == ("auth.sign_on", "denied")
    assert on["subject"] == off["subject"] == world.audit.keys.pseudonym("oidc:ann")
    assert b"oidc:ann" not in world.audit.everything()


async def test_nobody_signs_on_while_it_cannot_be_put_on_record(
    world: Site, browser: httpx2.AsyncClient, idps: tuple[Idp, Idp]
) -> None:
    back = await at_provider(idps[0], await begin(browser))
    shutil.rmtree(world.audit.root)
    world.audit.root.write_bytes(b"in the way")
    answer = await browser.get(back)
    assert (answer.status_code, answer.json()["code"]) == (503, "audit_unavailable")
    assert SESSION not in browser.cookies
