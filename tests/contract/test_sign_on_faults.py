"""Attempts to sign on, and providers that are away, slow, confused or change their keys meanwhile."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from sqlalchemy import func, select

from actors.database.identity_tables import finished_sign_on, session
from config.settings import Settings
from deployments.ingress.auth_cookies import ATTEMPT, SESSION
from deployments.security.attempts import ATTEMPT_S, TABS_MAX
from deployments.security.renewed import PAUSE_S
from tests.contract.sign_on_world import SITE, Site, site
from tests.unit.security.token_world import EC, NEXT, RSA, sign

ISSUER = "https://login.acme.test"
SETTINGS = {
    "sso": {
        "provider": "oidc", "issuer": ISSUER, "tenant": "acme", "client_id": "web",
        "public_url": SITE, "roles": [{"claim": "groups", "equals": "Agents", "role": "agent"}],
    }
}  # fmt: skip
Exchange = Callable[[httpx2.Request], Awaitable[httpx2.Response]]


@dataclass
class Provider:
    """An identity provider in memory, which does at its token endpoint what a test tells it.

    When somebody typed a password (`proved_at`) it tells to who asks for a `max_age`, and to nobody else.
    """

    exchange: Exchange | None = None
    keys: list[Any] = field(default_factory=lambda: [RSA, EC])
    signing: Any = field(default_factory=lambda: RSA)
    down: bool = False
    asked: list[str] = field(default_factory=list)
    nonces: dict[str, str] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    proved_at: int | None = None
    ages: set[str] = field(default_factory=set)
    now: Callable[[], float] = float

    def code_for(self, url: str) -> tuple[str, str]:
        """The person says yes: the address the browser goes back to, and the code in it."""
        asked = parse_qs(urlsplit(url).query)
        code = f"code-{len(self.nonces)}"
        self.nonces[code] = asked["nonce"][0]
        if "max_age" in asked:
            self.ages.add(code)
        return f"/auth/sso/callback?state={asked['state'][0]}&code={code}", code

    def id_token(self, code: str) -> str:
        """Of ann."""
        now = int(self.now())
        tells_when = self.proved_at is not None and code in self.ages
        when = {"auth_time": self.proved_at} if tells_when else {}
        claims = {
            "iss": ISSUER, "aud": "web", "sub": "ann", "iat": now, "exp": now + 300,
            "nonce": self.nonces[code], "groups": ["Agents"], **when, **self.claims,
        }  # fmt: skip
        return sign(claims, self.signing, {"typ": "JWT"})

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        """What it answers to us."""
        path = request.url.path
        self.asked.append(path)
        if self.down:
            raise httpx2.ConnectError("nobody is there")
        if path == "/keys":
            return httpx2.Response(
                200, json={"keys": [k.as_dict(private=False) for k in self.keys]}
            )
        if path == "/token":
            if self.exchange is not None:
                return await self.exchange(request)
            form = parse_qs(request.content.decode())
            token = {"access_token": "a", "token_type": "Bearer"}
            return httpx2.Response(200, json={**token, "id_token": self.id_token(form["code"][0])})
        addresses = {
            "authorization_endpoint": "/authorize",
            "token_endpoint": "/token",
            "jwks_uri": "/keys",
        }
        document = {name: f"{ISSUER}{where}" for name, where in addresses.items()}
        return httpx2.Response(200, json={"issuer": ISSUER, **document})


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def world(tmp_path: Path, provider: Provider) -> AsyncIterator[Site]:
    transport = httpx2.MockTransport(provider.answer)
    async with site(tmp_path, Settings.model_validate(SETTINGS), transport) as world:
        provider.now = world.clock.now
        yield world


@pytest.fixture
async def browser(world: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.browser() as browser:
        yield browser


async def begin(browser: httpx2.AsyncClient, after: str = "/") -> str:
    answer = await browser.post("/auth/sso/login", params={"next": after})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["redirect"])


async def rows(world: Site) -> tuple[int, int]:
    """How many attempts are remembered, and how many sessions there are."""

    def work(connection: Any) -> tuple[int, int]:
        counts = (select(func.count()).select_from(table) for table in (finished_sign_on, session))
        first, second = (int(connection.execute(each).scalar()) for each in counts)
        return first, second

    return await world.database.read(work)


async def test_what_strangers_begin_is_kept_by_nobody_and_stops_nobody(
    world: Site, browser: httpx2.AsyncClient, provider: Provider
) -> None:
    """Begun by the hundred, refused, denied, or brought back by who did not begin it: no row."""
    back, _ = provider.code_for(await begin(browser))
    for _ in range(300):
        assert (await world.http.post("/auth/sso/login")).status_code == 200
    assert (await world.http.get(back)).status_code == 401
    async with world.browser() as stranger:
        theirs, _ = provider.code_for(await begin(stranger))
        denied = theirs.replace("code=", "error=access_denied&x=")
        for url in (
            denied,
            theirs.replace("code=", "code=wrong-"),
            f"{theirs}&iss=https://evil.test",
        ):
            assert (await stranger.get(url)).status_code >= 400
    assert await rows(world) == (0, 0)
    assert (await browser.get(back)).status_code == 303
    assert await rows(world) == (1, 1)


async def test_a_row_of_an_attempt_is_gone_when_the_attempt_would_be_too_old(
    world: Site, browser: httpx2.AsyncClient, provider: Provider
) -> None:
    await browser.get(provider.code_for(await begin(browser))[0])
    world.clock.ahead_s = ATTEMPT_S
    await browser.get(provider.code_for(await begin(browser))[0])
    assert (await rows(world))[0] == 1


async def test_as_many_tabs_as_are_kept_come_back_and_the_oldest_begins_again(
    world: Site, browser: httpx2.AsyncClient, provider: Provider
) -> None:
    """The number of cookies stays what it is, however often somebody clicks."""
    tabs = list[str]()
    for number in range(TABS_MAX + 2):
        world.clock.ahead_s += 1.0
        tabs.append(provider.code_for(await begin(browser, f"/{number}"))[0])
        assert sum(name.startswith(ATTEMPT) for name in browser.cookies) <= TABS_MAX
    for number, back in enumerate(tabs):
        answer = await browser.get(back)
        if number < 2:
            assert answer.status_code == 401
            assert "Begin to sign on again" in answer.json()["detail"]
        else:
            assert (answer.status_code, answer.headers["location"]) == (303, f"/{number}")
    assert not [name for name in browser.cookies if name.startswith(ATTEMPT)]


async def test_a_cookie_of_an_attempt_is_good_as_it_was_given_and_where_it_was_given(
    world: Site, provider: Provider, tmp_path: Path
) -> None:
    async with world.browser() as browser:
        back, _ = provider.code_for(await begin(browser))
        ((name, value),) = browser.cookies.items()
        other, _ = provider.code_for(await begin(browser))
        (second,) = [each for each in browser.cookies if each != name]
        middle = len(value) // 2
        letter = "A" if value[middle] != "A" else "B"
        for cookie in (
            f"{name}={value[:middle]}{letter}{value[middle + 1 :]}",
            f"{name}={value[:-8]}",
            f"{name}=",
            f"{name}={value}; {name}={value}",
            f"{second}={value}",
            f"{name}={browser.cookies[second]}",
            f"{ATTEMPT}{'0' * 16}={value}",
        ):
            for url in (back, other):
                answer = await world.http.get(url, headers={"cookie": cookie})
                assert answer.status_code == 401, cookie[:60]
    # Sealed by somebody with another key.
    transport = httpx2.MockTransport(provider.answer)
    elsewhere = site(tmp_path / "other", Settings.model_validate(SETTINGS), transport)
    async with elsewhere as foreign:
        answer = await foreign.http.get(back, headers={"cookie": f"{name}={value}"})
        assert answer.status_code == 401
    assert (await world.http.get(back, headers={"cookie": f"{name}={value}"})).status_code == 303


async def test_who_comes_back_twice_at_once_is_let_in_once(
    world: Site, browser: httpx2.AsyncClient, provider: Provider
) -> None:
    """A provider may take a code twice; an attempt lets in once all the same."""
    back, _ = provider.code_for(await begin(browser))
    ((name, value),) = browser.cookies.items()
    cookie = {"cookie": f"{name}={value}"}
    answers = await asyncio.gather(*(world.http.get(back, headers=cookie) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [303] + [401] * 7
    assert await rows(world) == (1, 1)


async def test_going_back_in_the_browser_does_not_sign_anybody_off(
    browser: httpx2.AsyncClient, provider: Provider
) -> None:
    back, _ = provider.code_for(await begin(browser))
    assert (await browser.get(back)).status_code == 303
    assert (await browser.get(back)).status_code == 401
    assert (await browser.get("/probe")).status_code == 200


def garbled(**parts: Any) -> Exchange:
    async def exchange(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(**{"status_code": 200, **parts})

    return exchange


async def gone(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("nobody is there")


async def silent(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ReadTimeout("nothing came")


TOKEN = {"access_token": "a", "token_type": "Bearer"}
FAILURES: dict[str, Exchange] = {
    "away": gone,
    "silent": silent,
    "broken": garbled(status_code=500, text="oops"),
    "busy": garbled(status_code=503, json={"error": "temporarily_unavailable"}),
    "leading elsewhere": garbled(status_code=302, headers={"location": "https://evil.test/token"}),
    "a page": garbled(text="<html>sign in</html>"),
    "nothing": garbled(text=""),
    "a list": garbled(json=[]),
    "a text": garbled(json="id_token"),
    "an empty object": garbled(json={}),
    "no ID token": garbled(json=TOKEN),
    "a number for an ID token": garbled(json={**TOKEN, "id_token": 1}),
    "three letters for an ID token": garbled(json={**TOKEN, "id_token": "a.b.c"}),
    "kinds confused": garbled(json={"access_token": 1, "token_type": [], "expires_in": "soon"}),
    "bytes": garbled(content=b"\xff\xfe\x00"),
    "long": garbled(text=json.dumps({"a": "b" * 100_000})),
    "deep": garbled(text="[" * 10_000),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_provider_that_fails_as_the_code_is_shown_lets_nobody_in_and_may_be_asked_again(
    browser: httpx2.AsyncClient, provider: Provider, name: str
) -> None:
    """The person presses reload, and the attempt is still theirs."""
    back, _ = provider.code_for(await begin(browser))
    provider.exchange = FAILURES[name]
    answer = await browser.get(back)
    assert answer.status_code in {401, 503}, answer.text
    assert SESSION not in browser.cookies
    provider.exchange = None
    assert (await browser.get(back)).status_code == 303


async def test_a_provider_that_is_away_at_the_beginning_is_said_to_be(
    browser: httpx2.AsyncClient, provider: Provider, world: Site
) -> None:
    provider.down = True
    answer = await browser.post("/auth/sso/login")
    assert (answer.status_code, answer.json()["code"]) == (503, "identity_provider_unavailable")
    provider.down = False
    world.clock.ahead_s = PAUSE_S
    assert (await browser.post("/auth/sso/login")).status_code == 200


async def test_keys_that_change_under_load_are_read_once(world: Site, provider: Provider) -> None:
    """Forty people come back with tokens of the next key; one of them asks for it, for all."""
    async with world.browser() as first:
        assert (await first.get(provider.code_for(await begin(first))[0])).status_code == 303
    people = [world.browser() for _ in range(40)]
    backs = [provider.code_for(await begin(each))[0] for each in people]
    provider.keys, provider.signing = [RSA, NEXT], NEXT
    world.clock.ahead_s = PAUSE_S
    before = provider.asked.count("/keys")
    answers = await asyncio.gather(
        *(each.get(back) for each, back in zip(people, backs, strict=True))
    )
    assert {answer.status_code for answer in answers} == {303}
    assert provider.asked.count("/keys") == before + 1
    for each in people:
        await each.aclose()


async def test_keys_that_cannot_be_read_while_they_change_let_nobody_in_by_the_new_one(
    world: Site, browser: httpx2.AsyncClient, provider: Provider
) -> None:
    """Who signs by the old key still comes in; who signs by an unknown one does not, and may again."""
    assert (await browser.get(provider.code_for(await begin(browser))[0])).status_code == 303
    back, _ = provider.code_for(await begin(browser))
    provider.signing = NEXT
    world.clock.ahead_s = PAUSE_S
    assert (await browser.get(back)).status_code == 401
    provider.signing = RSA
    assert (await browser.get(back)).status_code == 303


@pytest.mark.parametrize(
    ("ahead_s", "status"), [(0, 303), (59, 303), (-59, 303), (120, 401), (-400, 401)]
)
async def test_clocks_may_differ_by_a_minute(
    world: Site, browser: httpx2.AsyncClient, provider: Provider, ahead_s: int, status: int
) -> None:
    provider.now = lambda: world.clock.now() + ahead_s
    answer = await browser.get(provider.code_for(await begin(browser))[0])
    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "claims",
    [
        {"_claim_names": {"groups": "src1"}, "groups": None},
        {"hasgroups": True, "groups": None},
        {"_claim_names": {"groups": "src1"}},
    ],
)
async def test_who_is_in_more_groups_than_are_told_is_told_what_to_do(
    browser: httpx2.AsyncClient, provider: Provider, claims: dict[str, Any]
) -> None:
    """Not half of their roles: none, and words for the administrator."""
    provider.claims = claims
    answer = await browser.get(provider.code_for(await begin(browser))[0])
    assert answer.status_code == 401
    assert "app roles" in answer.json()["detail"]


@pytest.mark.parametrize(
    "elsewhere",
    [
        "//evil.test", "///evil.test", "/\\evil.test", "\\\\evil.test", "\\/evil.test", "/%2f%2fevil.test",
        "/%5cevil.test", "/%2Fevil.test", "%2f%2fevil.test", "javascript:alert(1)", "data:text/html,x",
        "https:evil.test", "https://support.acme.test@evil.test", "/\t/evil.test", "/\r\n/evil.test",
        " //evil.test", "/ /evil.test", ".evil.test", "?//evil.test", "#", "/" + "a" * 1000, "/\u2215evil.test",
    ],
)  # fmt: skip
async def test_nobody_is_led_elsewhere(browser: httpx2.AsyncClient, elsewhere: str) -> None:
    answer = await browser.post("/auth/sso/login", params={"next": elsewhere})
    assert answer.status_code == 422, answer.text
    assert not browser.cookies
