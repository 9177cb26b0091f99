"""People whom a sign-on leads back here read a page where it came to nothing; programs read what they always do."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from starlette.requests import Request

from config.settings import Settings
from deployments.ingress import problem
from deployments.ingress.auth_password import LOGIN_BYTES
from deployments.ingress.pages import readable
from routing.errors import AccessError
from tests.contract.sign_on_world import Site, site
from tests.contract.test_sign_on_faults import SETTINGS, Provider, begin

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
SAML = "/auth/sso/saml/corp"
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def world(tmp_path: Path, provider: Provider) -> AsyncIterator[Site]:
    transport = httpx2.MockTransport(provider.answer)
    async with site(tmp_path, Settings.model_validate(SETTINGS), transport) as world:
        provider.now = world.clock.now
        yield world


ASKED = {
    "callback": ("GET", "/auth/sso/callback", 401),
    "another's callback": ("GET", "/auth/sso/callback/nobody", 401),
    "login": ("GET", "/auth/sso/login", 422),
    "form": ("POST", f"{SAML}/acs", 401),
    "second hop": ("GET", f"{SAML}/enter", 401),
    "sign-off": ("GET", f"{SAML}/slo", 404),
    "sign-off by form": ("POST", f"{SAML}/slo", 404),
}


@pytest.mark.parametrize("name", ASKED)
async def test_who_reads_it_in_a_browser_reads_a_page_and_nothing_that_a_caller_wrote(
    world: Site, name: str
) -> None:
    method, path, status = ASKED[name]
    names = ("provider", "state", "error", "error_description", "RelayState", "SAMLResponse")
    written = dict.fromkeys(names, EVIL)
    sent = {"data": written} if method == "POST" else {"params": written}
    plain = await world.http.request(method, path, **sent)  # type: ignore[arg-type]
    paged = await world.http.request(method, path, headers=BROWSER, **sent)  # type: ignore[arg-type]
    assert (plain.status_code, paged.status_code) == (status, status)
    assert plain.headers["content-type"] == "application/problem+json"
    assert paged.headers["content-type"] == "text/html; charset=utf-8"
    assert plain.headers["vary"] == paged.headers["vary"] == "Accept"
    assert paged.headers["content-security-policy"].startswith("default-src 'none'")
    assert (paged.headers["cache-control"], paged.headers["x-content-type-options"]) == (
        "no-store", "nosniff",
    )  # fmt: skip
    assert plain.json()["title"] in paged.text
    assert paged.headers["x-supportmax-request"] in paged.text
    assert "script" not in paged.text
    assert "alert" not in paged.text + plain.text
    document = (await world.http.get("/openapi.json")).json()["paths"]
    shape = path.partition("?")[0].replace("/corp", "/{provider}").replace("/nobody", "/{provider}")
    promised = document[shape][method.lower()]["responses"][str(paged.status_code)]["content"]
    assert set(promised) == {"application/problem+json", "text/html"}


@pytest.mark.parametrize(
    "accept", ["", "*/*", "application/json", "application/json, text/html;q=0", "text/htmlish"]
)
async def test_who_does_not_ask_for_a_page_gets_none(world: Site, accept: str) -> None:
    answer = await world.http.get("/auth/sso/callback", headers={"accept": accept})
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_a_page_says_is_escaped() -> None:
    """Also what is ours, should it ever hold something else."""
    request = Request({"type": "http", "headers": [(b"accept", b"text/html")]})
    page = readable(request, problem.response(AccessError("unauthenticated", '<b>"&')))
    assert b"&lt;b&gt;&quot;&amp;" in page.body
    assert b"<b>" not in bytes(page.body)
    assert (page.status_code, "www-authenticate" in page.headers) == (401, True)


@pytest.mark.parametrize(
    ("error", "said"), [("access_denied", "access_denied"), ("you_lost", "an error")]
)
async def test_a_providers_own_reason_is_told_whoever_began(
    world: Site, provider: Provider, error: str, said: str
) -> None:
    """With the state of this browser, with none and with another's; in words that providers have for it."""
    async with world.browser() as browser:
        back, _ = provider.code_for(await begin(browser))
        ours = back.replace("code=", f"error={error}&x=")
        for address in (ours, f"/auth/sso/callback?error={error}", f"{ours}a"):
            answer = await browser.get(address)
            assert answer.status_code == 401
            assert said in answer.json()["detail"]
            assert "you_lost" not in answer.text
        answer = await browser.get("/auth/sso/callback?state=a")
        assert "began none" in answer.json()["detail"]
        assert "provider said" not in answer.json()["detail"]


async def test_who_shows_nothing_is_told_every_way_in(world: Site) -> None:
    answer = await world.http.get("/auth/user/permissions")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    detail = answer.json()["detail"]
    assert all(
        way in detail for way in ("API key", "access token", "session", "X-API-Key", "Bearer")
    )


async def test_a_stranger_is_told_little_of_a_body_that_is_wrong(world: Site) -> None:
    """Nobody has said who they are, so what they send is little to read and little to answer."""
    body = {f"x{index}": 0 for index in range(1_000)}
    refusal = await world.http.post("/auth/sso/login", json=body)
    assert (refusal.status_code, refusal.json()["errors"][0]["pointer"]) == (422, "")
    assert len(refusal.content) < 500
    larger = {"provider": "acme", "next": "x" * LOGIN_BYTES}
    assert (await world.http.post("/auth/sso/login", json=larger)).status_code == 413
