"""Something is for who signed on lately: when that was the provider says, and not a new session here."""

import base64
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from lxml import etree  # type: ignore[import-untyped]

import config
from config.settings import Settings
from deployments.security.claims import LEEWAY_S
from deployments.security.constraints import WORDS
from tests.contract.sign_on_world import SITE, Site, site
from tests.contract.test_sign_on_faults import ISSUER, Provider, begin
from tests.unit.security.saml_world import (
    CERTIFICATE,
    IDP,
    NOW,
    REQUEST,
    assertion,
    instant,
    response,
    sign,
)

SHIPPED = Path(config.__file__).parent / "policies" / "rbac.yaml"
AGE_S = 600.0
ADMIN = [{"claim": "groups", "equals": "Agents", "role": "admin"}]
OIDC = {
    "provider": "oidc", "issuer": ISSUER, "tenant": "acme", "client_id": "web",
    "public_url": SITE, "roles": ADMIN,
}  # fmt: skip


def strict(folder: Path, **providers: Any) -> Settings:
    """What ships, and keys are for people who signed on in the last ten minutes."""
    policy = yaml.safe_load(SHIPPED.read_text())
    minutes = int(AGE_S / 60)
    policy["constraints"] = [
        {"permissions": ["budgets:configure"], "signed_on_within_minutes": 2 * minutes},
        {"permissions": ["keys:manage"], "signed_on_within_minutes": minutes},
    ]
    path = folder / "strict.yaml"
    path.write_text(yaml.safe_dump(policy))
    return Settings.model_validate(
        {"rbac": {"policies": [{"policy_file": str(path)}]}, **providers}
    )


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def world(tmp_path: Path, provider: Provider) -> AsyncIterator[Site]:
    transport = httpx2.MockTransport(provider.answer)
    async with site(tmp_path, strict(tmp_path, sso=OIDC), transport) as world:
        provider.now = world.clock.now
        yield world


@pytest.fixture
async def browser(world: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.browser() as browser:
        yield browser


async def come_back(browser: httpx2.AsyncClient, provider: Provider) -> httpx2.Response:
    back, _ = provider.code_for(await begin(browser))
    return await browser.get(back)


async def manages(browser: httpx2.AsyncClient, otherwise: str = WORDS["sign_on_too_old"]) -> bool:
    """Whether they may see to keys now; a refusal says what would help."""
    answer = await browser.get("/admin/keys")
    if answer.status_code != 200:
        assert answer.status_code == 403, answer.text
        assert otherwise in answer.json()["detail"]
    return answer.status_code == 200


async def test_a_session_begun_without_a_password_proves_nothing_new(
    world: Site, browser: httpx2.AsyncClient, provider: Provider
) -> None:
    """The provider lets through whom it knows, and says when that one typed a password."""
    provider.claims["auth_time"] = typed_at = int(world.clock.now())
    assert (await come_back(browser, provider)).status_code == 303
    assert await manages(browser)
    world.clock.ahead_s += AGE_S
    assert not await manages(browser)
    assert (await come_back(browser, provider)).status_code == 303
    assert not await manages(browser)
    provider.claims["auth_time"] = typed_at + int(AGE_S)
    assert (await come_back(browser, provider)).status_code == 303
    assert await manages(browser)


async def test_where_the_provider_does_not_say_when_nothing_is_fresh(
    browser: httpx2.AsyncClient, provider: Provider
) -> None:
    """It was asked, and it answers as one whose question somebody took out of the address."""
    assert (await come_back(browser, provider)).status_code == 303
    assert not await manages(browser, WORDS["sign_on_unknown"])
    assert (await browser.get("/auth/user/permissions")).status_code == 200


async def test_who_takes_the_question_out_of_the_address_is_let_through_and_may_nothing_strict(
    world: Site, browser: httpx2.AsyncClient, provider: Provider
) -> None:
    """The password was typed at a provider, which knows the browser and says when as it is asked."""
    provider.proved_at = int(world.clock.now())
    address = urlsplit(await begin(browser))
    asked = parse_qs(address.query)
    del asked["max_age"]
    back, _ = provider.code_for(address._replace(query=urlencode(asked, doseq=True)).geturl())
    assert (await browser.get(back)).status_code == 303
    assert not await manages(browser, WORDS["sign_on_unknown"])
    assert (await come_back(browser, provider)).status_code == 303
    assert await manages(browser)


async def test_the_provider_is_told_how_old_a_sign_on_may_be(
    browser: httpx2.AsyncClient,
) -> None:
    """The shortest time of all there are."""
    asked = parse_qs(urlsplit(await begin(browser)).query)
    assert asked["max_age"] == [str(int(AGE_S))]


async def test_without_such_a_constraint_the_provider_asks_as_it_likes(tmp_path: Path) -> None:
    transport = httpx2.MockTransport(Provider().answer)
    settings = Settings.model_validate({"sso": OIDC})
    async with site(tmp_path, settings, transport) as world, world.browser() as browser:
        assert "max_age" not in parse_qs(urlsplit(await begin(browser)).query)


@pytest.mark.parametrize("said", ["1767225600", None, True, [], -1, 10**400])
async def test_a_time_that_is_none_signs_nobody_on(
    browser: httpx2.AsyncClient, provider: Provider, said: object
) -> None:
    provider.claims["auth_time"] = said
    assert (await come_back(browser, provider)).status_code == 401


async def test_nobody_signed_on_later_than_now(
    world: Site, browser: httpx2.AsyncClient, provider: Provider
) -> None:
    """A clock that is ahead by less than clocks are makes a sign-on no longer; by more it is refused."""
    provider.claims["auth_time"] = int(world.clock.now() + LEEWAY_S - 5)
    assert (await come_back(browser, provider)).status_code == 303
    world.clock.ahead_s += AGE_S
    assert not await manages(browser)
    provider.claims["auth_time"] = int(world.clock.now() + LEEWAY_S + 5)
    assert (await come_back(browser, provider)).status_code == 401


@pytest.fixture
async def saml(tmp_path: Path) -> AsyncIterator[Site]:
    certificate = tmp_path / "idp.pem"
    certificate.write_bytes(CERTIFICATE.public_bytes(serialization.Encoding.PEM))
    acme = {
        "provider": "saml", "issuer": IDP, "tenant": "acme", "sso_url": "https://idp.acme.test/sso",
        "certificate_files": [str(certificate)], "public_url": SITE, "roles": ADMIN,
    }  # fmt: skip
    async with site(tmp_path, strict(tmp_path, sso_providers={"acme": acme})) as world:
        world.clock.ahead_s = NOW - world.clock.now()
        yield world


@pytest.mark.parametrize(
    ("at_s", "status", "may"),
    [(-AGE_S + 60, 303, True), (-AGE_S - 60, 303, False), (LEEWAY_S + 60, 401, False)],
)
async def test_of_saml_the_moment_is_in_the_assertion_and_the_provider_is_asked_to_ask(
    saml: Site, at_s: float, status: int, may: bool
) -> None:
    """AuthnInstant, which the provider signs; ForceAuthn, which anybody on the way may take out."""
    async with saml.browser() as browser:
        url = (await browser.post("/auth/sso/login?provider=acme")).json()["redirect"]
        query = parse_qs(urlsplit(url).query)
        asked = etree.fromstring(zlib.decompress(base64.b64decode(query["SAMLRequest"][0]), -15))
        assert asked.get("ForceAuthn") == "true"

        def answering(text: str) -> str:
            text = text.replace(REQUEST, asked.get("ID"))
            was = f'AuthnInstant="{instant(0)}"'
            return text.replace(was, f'AuthnInstant="{instant(at_s)}"')

        root = response(sign(assertion(answering)), change=answering)
        form = {
            "SAMLResponse": base64.b64encode(etree.tostring(root)).decode(),
            "RelayState": query["RelayState"][0],
        }
        answer = await browser.post("/auth/sso/saml/acme/acs", data=form)
        if answer.status_code == 303:
            answer = await browser.get(answer.headers["location"])
        assert answer.status_code == status, answer.text
        if status == 303:
            assert await manages(browser) is may
