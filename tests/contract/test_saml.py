"""Signing on by SAML with a real identity provider, and every way in which it must not work."""

import asyncio
import base64
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree  # type: ignore[import-untyped]

from config.settings import Settings
from deployments.security.attempts import ATTEMPT_S
from routing.clock import rfc3339
from tests.contract.sign_on_world import API, SITE, Site, settings_for, site
from tests.identity_provider import Idp, identity_provider
from tests.unit.security.saml_world import (
    CERTIFICATE,
    IDP,
    NOW,
    OWN_CERTIFICATE,
    OWN_KEY,
    REQUEST,
    assertion,
    instant,
    response,
    sign,
)

SESSION, ATTEMPT = "__Host-supportmax", "__Host-supportmax-saml-"
ENTITY = f"{SITE}/auth/sso/saml/corp"
ACS = "/auth/sso/saml/corp/acs"


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    folder = tmp_path_factory.mktemp("idp")
    with identity_provider(folder, [f"{SITE}/auth/sso/callback"], API) as idp:
        yield idp


def saml_settings(idp: Idp, folder: Path, **changed: Any) -> Settings:
    """OIDC and SAML of one provider side by side, for two tenants."""
    certificate, key, own = folder / "idp.pem", folder / "own.key", folder / "own.pem"
    certificate.write_text(idp.certificate())
    key.write_bytes(
        OWN_KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    own.write_bytes(OWN_CERTIFICATE.public_bytes(serialization.Encoding.PEM))
    corp = {
        "provider": "saml", "issuer": f"{idp.issuer}/saml", "tenant": "corp",
        "sso_url": f"{idp.issuer}/saml/sso", "certificate_files": [str(certificate)],
        "public_url": SITE, "key_file": str(key), "key_certificate_file": str(own),
        "roles": [{"claim": "groups", "equals": "AGENTS", "role": "agent"}], **changed,
    }  # fmt: skip
    both = settings_for(idp).model_dump(mode="python")
    return Settings.model_validate({"sso": _plain(both["sso"]), "sso_providers": {"corp": corp}})


def _plain(sso: dict[str, Any]) -> dict[str, Any]:
    return {**sso, "client_secret": sso["client_secret"].get_secret_value()}


@pytest.fixture
async def world(tmp_path: Path, idp: Idp) -> AsyncIterator[Site]:
    settings = await asyncio.to_thread(saml_settings, idp, tmp_path)
    async with site(tmp_path, settings) as world:
        yield world


@pytest.fixture
async def browser(world: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.browser() as browser:
        yield browser


async def begin(browser: httpx2.AsyncClient, path: str = "/") -> str:
    answer = await browser.post(f"/auth/sso/login?provider=corp&next={path}")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["redirect"])


async def form_of(idp: Idp, url: str) -> dict[str, str]:
    fields = await asyncio.to_thread(idp.answer_form, url)
    return {name: fields[name] for name in ("SAMLResponse", "RelayState")}


async def come_back(browser: httpx2.AsyncClient, form: dict[str, str]) -> httpx2.Response:
    """Post the provider's form and take the hop behind it, as browsers do; what comes of it."""
    answer = await browser.post(ACS, data=form)
    if answer.status_code != 303:
        return answer
    assert SESSION not in answer.headers["set-cookie"].replace(f"{SESSION}-entry-", "")
    return await browser.get(answer.headers["location"])


async def test_a_person_signs_on_with_the_roles_of_the_providers_groups(
    browser: httpx2.AsyncClient, idp: Idp
) -> None:
    answer = await come_back(browser, await form_of(idp, await begin(browser, "/tickets")))
    assert (answer.status_code, answer.headers.get("location")) == (303, "/tickets"), answer.text
    assert "SameSite=lax" in answer.headers["set-cookie"]
    who = (await browser.get("/auth/user/permissions")).json()
    assert (who["tenant"], who["subject"], who["roles"]) == (
        "corp",
        "corp:ann@acme.test",
        ["agent"],
    )
    off = await browser.post("/auth/sso/logout", headers={"x-csrf-token": who["csrf_token"]})
    assert off.json() == {"redirect": None}
    assert (await browser.get("/probe")).status_code == 401


@pytest.mark.parametrize("asked", ["", "?provider=okta", "?provider="])
async def test_nobody_is_led_to_a_provider_that_was_not_named(
    browser: httpx2.AsyncClient, asked: str
) -> None:
    """One of OpenID Connect and one of SAML: both are told, and the first is nobody's default."""
    for answer in (
        await browser.get(f"/auth/sso/login{asked}"),
        await browser.post(f"/auth/sso/login{asked}"),
    ):
        assert answer.status_code == 422, answer.text
        assert answer.json()["detail"] == "Say provider, one of: corp, oidc."


async def test_the_browsers_cookie_comes_back_with_the_providers_form(
    browser: httpx2.AsyncClient,
) -> None:
    """A form of another site brings no Lax cookie; this one opens nothing by itself."""
    answer = await browser.post("/auth/sso/login?provider=corp")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(ATTEMPT)
    assert {"Secure", "HttpOnly", "SameSite=none", "Path=/"} <= set(cookie.split("; "))


async def test_what_we_ask_is_signed_and_names_us(browser: httpx2.AsyncClient, idp: Idp) -> None:
    url = await begin(browser)
    query = urlsplit(url).query
    signed, _, signature = query.partition("&Signature=")
    OWN_KEY.public_key().verify(
        base64.b64decode(unquote(signature)), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    packed = base64.b64decode(parse_qs(query)["SAMLRequest"][0])
    request = etree.fromstring(zlib.decompress(packed, -15))
    assert request.get("Destination") == f"{idp.issuer}/saml/sso"
    assert request.get("AssertionConsumerServiceURL") == f"{SITE}{ACS}"
    assert request[0].text == ENTITY


async def test_our_metadata_says_where_answers_go_and_what_they_are_encrypted_for(
    browser: httpx2.AsyncClient,
) -> None:
    answer = await browser.get("/auth/sso/saml/corp")
    root = etree.fromstring(answer.content)
    assert root.get("entityID") == ENTITY
    places = [e.get("Location") for e in root.iter("{*}AssertionConsumerService")]
    assert places == [f"{SITE}{ACS}"]
    assert {e.get("use") for e in root.iter("{*}KeyDescriptor")} == {"signing", "encryption"}
    assert (await browser.get("/auth/sso/saml/other")).status_code == 404


async def test_an_answer_is_good_once_in_one_browser_and_in_its_time(
    world: Site, browser: httpx2.AsyncClient, idp: Idp
) -> None:
    form = await form_of(idp, await begin(browser))
    async with world.browser() as mallory:
        assert (await mallory.post(ACS, data=form)).status_code == 401
        await begin(mallory)
        assert (await mallory.post(ACS, data=form)).status_code == 401
        assert SESSION not in mallory.cookies
    # Mallory's tries have spent nothing of Ann's.
    assert (await come_back(browser, form)).headers["location"] == "/"
    assert (await browser.post(ACS, data=form)).status_code == 401
    form = await form_of(idp, await begin(browser))
    world.clock.ahead_s = ATTEMPT_S
    assert (await browser.post(ACS, data=form)).status_code == 401


async def test_an_answer_fits_the_attempt_it_was_asked_in(
    browser: httpx2.AsyncClient, idp: Idp
) -> None:
    """Two attempts of one browser, their answers exchanged; and none at all."""
    first, second = await form_of(idp, await begin(browser)), await begin(browser)
    state = parse_qs(urlsplit(second).query)["RelayState"][0]
    for form in (
        {**first, "RelayState": state},
        {"SAMLResponse": first["SAMLResponse"]},
        {"RelayState": first["RelayState"]},
    ):
        assert (await browser.post(ACS, data=form)).status_code == 401
        assert SESSION not in browser.cookies


async def test_an_attempt_by_openid_is_none_by_saml(browser: httpx2.AsyncClient, idp: Idp) -> None:
    """Though the same provider stands behind both, and both cookies are the browser's."""
    form = await form_of(idp, await begin(browser))
    oidc = (await browser.post("/auth/sso/login?provider=oidc")).json()["redirect"]
    state = parse_qs(urlsplit(oidc).query)["state"][0]
    (name,) = [name for name in browser.cookies if name.startswith(f"{SESSION}-sign-on-")]
    same = ATTEMPT + name.rpartition("-")[2]
    browser.cookies.set(same, browser.cookies[name], "support.acme.test")
    answer = await browser.post(ACS, data={**form, "RelayState": state})
    assert answer.status_code == 401
    assert SESSION not in browser.cookies


async def test_another_providers_address_takes_nothing(
    browser: httpx2.AsyncClient, idp: Idp
) -> None:
    form = await form_of(idp, await begin(browser))
    answer = await browser.post("/auth/sso/saml/oidc/acs", data=form)
    assert answer.status_code == 401


async def test_only_a_form_comes_back(browser: httpx2.AsyncClient, idp: Idp) -> None:
    form = await form_of(idp, await begin(browser))
    assert (await browser.post(ACS, json=form)).status_code == 415
    twice = "&".join(f"{name}=x" for name in ("SAMLResponse", "SAMLResponse", "RelayState"))
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert (await browser.post(ACS, content=twice, headers=headers)).status_code == 401


async def test_a_provider_whose_certificate_is_another_signs_nobody_on(
    tmp_path: Path, idp: Idp
) -> None:
    settings = await asyncio.to_thread(saml_settings, idp, tmp_path)
    (tmp_path / "idp.pem").write_bytes(OWN_CERTIFICATE.public_bytes(serialization.Encoding.PEM))
    async with site(tmp_path, settings) as world, world.browser() as browser:
        form = await form_of(idp, await begin(browser))
        answer = await browser.post(ACS, data=form)
        assert answer.status_code == 401
        assert "signature" in answer.json()["detail"]


async def test_a_session_is_over_when_the_provider_said_it_would_be(tmp_path: Path) -> None:
    """SessionNotOnOrAfter, in a quarter of an hour; ours alone would go on."""
    certificate = tmp_path / "idp.pem"
    certificate.write_bytes(CERTIFICATE.public_bytes(serialization.Encoding.PEM))
    acme = {
        "provider": "saml", "issuer": IDP, "tenant": "acme", "sso_url": "https://idp.acme.test/sso",
        "certificate_files": [str(certificate)], "public_url": SITE,
        "roles": [{"claim": "groups", "equals": "Agents", "role": "agent"}],
    }  # fmt: skip
    settings = Settings.model_validate({"sso_providers": {"acme": acme}})
    async with site(tmp_path, settings) as world, world.browser() as browser:
        world.clock.ahead_s = NOW - world.clock.now()
        url = (await browser.post("/auth/sso/login?provider=acme")).json()["redirect"]
        query = parse_qs(urlsplit(url).query)
        asked = etree.fromstring(zlib.decompress(base64.b64decode(query["SAMLRequest"][0]), -15))

        def answering(text: str) -> str:
            text = text.replace(REQUEST, asked.get("ID"))
            return text.replace(
                " SessionIndex", f' SessionNotOnOrAfter="{instant(900)}" SessionIndex'
            )

        root = response(sign(assertion(answering)), change=answering)
        form = {
            "SAMLResponse": base64.b64encode(etree.tostring(root)).decode(),
            "RelayState": query["RelayState"][0],
        }
        answer = await browser.post("/auth/sso/saml/acme/acs", data=form)
        assert answer.status_code == 303, answer.text
        await browser.get(answer.headers["location"])
        who = (await browser.get("/auth/user/permissions")).json()
        assert who["expires_at"] == rfc3339(NOW + 900)
        world.clock.ahead_s += 900
        assert (await browser.get("/probe")).status_code == 401
