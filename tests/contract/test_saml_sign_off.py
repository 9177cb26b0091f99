"""Single logout by SAML, from both sides, by both bindings; and every message that must end nothing."""

import base64
import zlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx2
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree  # type: ignore[import-untyped]

from config.settings import Settings
from deployments.security.attempts import ENTRY_S
from deployments.security.saml.document import ASSERTION, PROTOCOL
from deployments.security.saml.received import MESSAGE_LIFE_S
from deployments.security.sessions import CACHE_S
from tests.contract.sign_on_world import SITE, Site, site
from tests.unit.security.saml_world import (
    CERTIFICATE,
    EVIL_KEY,
    IDP,
    KEY,
    NOW,
    OWN_CERTIFICATE,
    OWN_KEY,
    REQUEST,
    assertion,
    encrypted,
    instant,
    response,
    sign,
)

SESSION = "__Host-supportmax"
SLO = f"{SITE}/auth/sso/saml/acme/slo"
THEIRS = "https://idp.acme.test/slo"
PATH = "/auth/sso/saml/acme/slo"
SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
QUALIFIED = (
    '<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent" NameQualifier="q">'
)
Change = Callable[[str], str]


def settings_in(folder: Path, **changed: Any) -> Settings:
    folder.mkdir(exist_ok=True)
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "idp.pem").write_bytes(CERTIFICATE.public_bytes(pem))
    (folder / "own.pem").write_bytes(OWN_CERTIFICATE.public_bytes(pem))
    (folder / "own.key").write_bytes(OWN_KEY.private_bytes(pem, *plain))
    acme = {
        "provider": "saml", "issuer": IDP, "tenant": "acme", "sso_url": "https://idp.acme.test/sso",
        "slo_url": THEIRS, "certificate_files": [str(folder / "idp.pem")], "public_url": SITE,
        "key_file": str(folder / "own.key"), "key_certificate_file": str(folder / "own.pem"),
        "roles": [{"claim": "groups", "equals": "Agents", "role": "agent"}], **changed,
    }  # fmt: skip
    return Settings.model_validate({"sso_providers": {"acme": acme}})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Site]:
    async with site(tmp_path, settings_in(tmp_path)) as world:
        world.clock.ahead_s = NOW - world.clock.now()
        yield world


def asked_in(url: str, kind: str = "SAMLRequest") -> Any:
    packed = base64.b64decode(parse_qs(urlsplit(url).query)[kind][0])
    return etree.fromstring(zlib.decompress(packed, -15))


async def begin(browser: httpx2.AsyncClient) -> tuple[str, str]:
    """The ID of what we asked, and the state."""
    url = (await browser.post("/auth/sso/login?provider=acme")).json()["redirect"]
    return asked_in(url).get("ID"), parse_qs(urlsplit(url).query)["RelayState"][0]


def form_for(asked: str, state: str, change: Change = str) -> dict[str, str]:
    """What the provider makes the browser post."""

    def answering(text: str) -> str:
        return change(text.replace(REQUEST, asked))

    root = response(sign(assertion(answering)), change=answering)
    return {"SAMLResponse": base64.b64encode(etree.tostring(root)).decode(), "RelayState": state}


async def signed_on(browser: httpx2.AsyncClient, change: Change = str) -> dict[str, str]:
    """A session; what the browser sends."""
    answer = await browser.post(
        "/auth/sso/saml/acme/acs", data=form_for(*await begin(browser), change)
    )
    assert answer.status_code == 303, answer.text
    answer = await browser.get(answer.headers["location"])
    assert answer.status_code == 303, answer.text
    return {"cookie": f"{SESSION}={browser.cookies[SESSION]}"}


async def works(world: Site, cookie: dict[str, str]) -> bool:
    return (await world.http.get("/probe", headers=cookie)).status_code == 200


def logout(change: Change = str, name: str = "ann", *sessions: str) -> str:
    """A LogoutRequest of the provider."""
    indexes = "".join(f"<samlp:SessionIndex>{s}</samlp:SessionIndex>" for s in sessions)
    return change(
        f'<samlp:LogoutRequest xmlns:samlp="{PROTOCOL}" xmlns:saml="{ASSERTION}" ID="_off" '
        f'Version="2.0" IssueInstant="{instant(0)}" Destination="{SLO}"><saml:Issuer>{IDP}'
        f"</saml:Issuer><saml:NameID>{name}</saml:NameID>{indexes}</samlp:LogoutRequest>"
    )


def by_redirect(
    xml: str,
    kind: str = "SAMLRequest",
    key: rsa.RSAPrivateKey = KEY,
    state: str | None = None,
    method: str = SHA256,
) -> str:
    """The query of a signed message."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = deflate.compress(xml.encode()) + deflate.flush()
    return signed_query(base64.b64encode(data).decode(), kind, key, state, method)


def signed_query(
    packed: str,
    kind: str = "SAMLRequest",
    key: rsa.RSAPrivateKey = KEY,
    state: str | None = None,
    method: str = SHA256,
) -> str:
    """The query of what is packed already."""
    query = f"{kind}={quote(packed, safe='')}"
    query += "" if state is None else f"&RelayState={quote(state, safe='')}"
    query += f"&SigAlg={quote(method, safe='')}"
    hashing = hashes.SHA1() if method == SHA1 else hashes.SHA256()  # noqa: S303  an attack
    signature = key.sign(query.encode(), padding.PKCS1v15(), hashing)
    return f"{query}&Signature={quote(base64.b64encode(signature).decode(), safe='')}"


def by_form(xml: str, key: rsa.RSAPrivateKey = KEY, kind: str = "SAMLRequest") -> dict[str, str]:
    return {kind: base64.b64encode(etree.tostring(sign(etree.fromstring(xml), key))).decode()}


async def test_who_signs_off_here_signs_off_there_by_the_name_the_provider_knows(
    world: Site,
) -> None:
    """With every qualifier of the name, signed; and the provider's answer is checked."""
    async with world.browser() as browser:
        cookie = await signed_on(browser, lambda text: text.replace("<saml:NameID>", QUALIFIED))
        csrf = (await browser.get("/auth/user/permissions")).json()["csrf_token"]
        off = await browser.post("/auth/sso/logout", headers={"x-csrf-token": csrf})
        url = off.json()["redirect"]
        assert url.startswith(f"{THEIRS}?SAMLRequest=")
        assert not await works(world, cookie)
        signed, _, signature = urlsplit(url).query.partition("&Signature=")
        OWN_KEY.public_key().verify(
            base64.b64decode(unquote(signature)),
            signed.encode(),
            padding.PKCS1v15(),
            hashes.SHA256(),
        )
        asked = asked_in(url)
        assert (asked.get("Destination"), asked[0].text) == (THEIRS, SLO.removesuffix("/slo"))
        assert asked[1].text == "ann"
        assert dict(asked[1].attrib) == {
            "Format": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
            "NameQualifier": "q",
        }
        assert asked[2].text == "_s"
        answer = await browser.get(
            f"{PATH}?{by_redirect(answered(asked.get('ID')), 'SAMLResponse')}"
        )
        assert (answer.status_code, answer.headers["location"]) == (303, "/")


def answered(asked: str, status: str = "Success") -> str:
    return (
        f'<samlp:LogoutResponse xmlns:samlp="{PROTOCOL}" xmlns:saml="{ASSERTION}" ID="_answer" '
        f'Version="2.0" IssueInstant="{instant(0)}" Destination="{SLO}" InResponseTo="{asked}">'
        f"<saml:Issuer>{IDP}</saml:Issuer><samlp:Status><samlp:StatusCode "
        f'Value="urn:oasis:names:tc:SAML:2.0:status:{status}"/></samlp:Status></samlp:LogoutResponse>'
    )


async def test_an_answer_to_a_logout_is_the_providers_to_a_request_of_ours(world: Site) -> None:
    async with world.browser() as browser:
        await signed_on(browser)
        csrf = (await browser.get("/auth/user/permissions")).json()["csrf_token"]
        off = await browser.post("/auth/sso/logout", headers={"x-csrf-token": csrf})
        asked = asked_in(off.json()["redirect"]).get("ID")
        forged = asked[:-1] + ("0" if asked[-1] != "0" else "1")
        for query in (
            by_redirect(answered(asked), "SAMLResponse", EVIL_KEY),
            by_redirect(answered(forged), "SAMLResponse"),
            by_redirect(answered("_invented"), "SAMLResponse"),
            by_redirect(answered(asked, "Responder"), "SAMLResponse"),
            by_redirect(answered(asked), "SAMLRequest"),
        ):
            assert (await browser.get(f"{PATH}?{query}")).status_code == 400
        form = by_form(answered(asked), kind="SAMLResponse")
        assert (await browser.post(PATH, data=form)).status_code == 303


async def test_the_provider_ends_one_session_or_all_of_a_person_by_either_binding(
    world: Site,
) -> None:
    """By name and index together; the answer is signed and brings the provider's own state back."""
    cookies = []
    for index in ("_one", "_two", "_three"):
        async with world.browser() as browser:
            cookies.append(await signed_on(browser, _swapped('"_s"', f'"{index}"')))
    async with world.browser() as browser:
        answer = await browser.get(
            f"{PATH}?{by_redirect(logout(str, 'ann', '_one'), state='their state')}"
        )
        assert answer.status_code == 303, answer.text
        where = answer.headers["location"]
        told = asked_in(where, "SAMLResponse")
        assert where.startswith(f"{THEIRS}?SAMLResponse=")
        assert (told.get("InResponseTo"), told.get("Destination")) == ("_off", THEIRS)
        assert parse_qs(urlsplit(where).query)["RelayState"] == ["their state"]
        assert "Signature" in parse_qs(urlsplit(where).query)
        assert [await works(world, each) for each in cookies] == [False, True, True]

        def another(text: str) -> str:
            return text.replace("_off", "_off-2")

        answer = await browser.post(PATH, data=by_form(logout(another, "ann", "_two")))
        assert answer.status_code == 303, answer.text
        assert [await works(world, each) for each in cookies] == [False, False, True]
        everything = logout(lambda text: text.replace("_off", "_off-3"))
        assert (await browser.post(PATH, data=by_form(everything))).status_code == 303
        assert [await works(world, each) for each in cookies] == [False, False, False]


async def test_a_name_that_only_we_can_read_is_read(world: Site) -> None:
    async with world.browser() as browser:
        cookie = await signed_on(browser)
        name = etree.fromstring(f'<saml:NameID xmlns:saml="{ASSERTION}">ann</saml:NameID>')
        sealed = etree.tostring(encrypted(name)).decode()
        sealed = sealed.replace("saml:EncryptedAssertion", "saml:EncryptedID")
        for named, status in ((f"{sealed}<saml:NameID>bob</saml:NameID>", 400), (sealed, 303)):
            text = logout().replace("<saml:NameID>ann</saml:NameID>", named)
            answer = await browser.post(PATH, data=by_form(text))
            assert answer.status_code == status, answer.text
        assert not await works(world, cookie)


async def test_an_index_of_somebody_elses_session_ends_nothing(world: Site) -> None:
    """Providers may give the same small number to everybody."""
    async with world.browser() as browser:
        cookie = await signed_on(browser)
        answer = await browser.get(f"{PATH}?{by_redirect(logout(str, 'bob', '_s'))}")
        assert answer.status_code == 303
        world.clock.ahead_s += CACHE_S
        assert await works(world, cookie)


def _swapped(old: str, new: str) -> Change:
    return lambda text: text.replace(old, new)


BAD: dict[str, Change] = {
    "another issuer": _swapped(f">{IDP}<", ">https://evil.test<"),
    "another destination": _swapped(SLO, f"{SITE}/elsewhere"),
    "no destination": _swapped(f'Destination="{SLO}"', ""),
    "too old": _swapped(instant(0), instant(-MESSAGE_LIFE_S)),
    "of tomorrow": _swapped(instant(0), instant(86_400)),
    "over": _swapped("Version=", f'NotOnOrAfter="{instant(-120)}" Version='),
    "another version": _swapped('Version="2.0"', 'Version="1.1"'),
    "no id": _swapped('ID="_off"', ""),
    "two names": _swapped("<saml:NameID>", "<saml:NameID>bob</saml:NameID><saml:NameID>"),
    "no name": _swapped("<saml:NameID>ann</saml:NameID>", ""),
    "an element in the name": _swapped(">ann<", "><b>ann</b><"),
    "a comment": _swapped(">ann<", ">a<!-- -->nn<"),
    "an entity": lambda text: f"<!DOCTYPE x [<!ENTITY a 'ann'>]>{text}",
    "another message": _swapped("LogoutRequest", "AuthnRequest"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_no_logout_request_for_us_ends_nothing(world: Site, name: str) -> None:
    """Though it is signed with the provider's key."""
    async with world.browser() as browser:
        cookie = await signed_on(browser)
        answer = await browser.get(f"{PATH}?{by_redirect(logout(BAD[name]))}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_token")
        world.clock.ahead_s += CACHE_S
        assert await works(world, cookie)


async def test_nobody_but_the_provider_ends_a_session_and_it_only_once_by_one_message(
    world: Site,
) -> None:
    good = by_redirect(logout())
    unsigned = good.partition("&SigAlg")[0]
    bomb = base64.b64encode(zlib.compress(b"<a>" + b" " * 50_000_000)[2:-4]).decode()
    async with world.browser() as browser:
        cookie = await signed_on(browser)
        queries = [
            "", "SAMLRequest=", unsigned, f"{unsigned}&SigAlg={quote(SHA256)}", good[:-8],
            by_redirect(logout(), key=EVIL_KEY), by_redirect(logout(), method=SHA1),
            by_redirect(logout(), method="http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
            f"{good}&RelayState=added", f"{good}&{good}", f"{good}&other=1",
            good.replace("SAMLRequest", "SAMLResponse"), signed_query(bomb), signed_query("AAAA"), signed_query("!"),
            good.replace("SAMLRequest=", "SAMLRequest=%"), "%00", f"{good}&",
        ]  # fmt: skip
        for query in queries:
            answer = await browser.get(f"{PATH}?{query}")
            assert answer.status_code in {400, 422}, (query[:60], answer.text)
        plain = {"SAMLRequest": base64.b64encode(logout().encode()).decode()}
        for form in (
            plain,
            by_form(logout(), EVIL_KEY),
            {"x": "y"},
            {**by_form(logout()), "SAMLResponse": "x"},
        ):
            assert (await browser.post(PATH, data=form)).status_code == 400
        assert (await browser.post(PATH, json=by_form(logout()))).status_code == 415
        wrapped = logout().replace("</saml:Issuer>", f"</saml:Issuer>{_inner(logout(str, 'bob'))}")
        form = {"SAMLRequest": base64.b64encode(wrapped.encode()).decode()}
        assert (await browser.post(PATH, data=form)).status_code == 400
        assert (await browser.get(f"/auth/sso/saml/other/slo?{good}")).status_code == 404
        world.clock.ahead_s += CACHE_S
        assert await works(world, cookie)
        assert (await browser.get(f"{PATH}?{good}")).status_code == 303
        cookie = await signed_on(browser, _swapped(instant(0), instant(1)))
        assert (await browser.get(f"{PATH}?{good}")).status_code == 400
        assert await works(world, cookie)


def _inner(xml: str) -> str:
    """A message that is signed, to stand in one that is not."""
    return str(etree.tostring(sign(etree.fromstring(xml.replace("_off", "_inner")))).decode())


async def test_our_metadata_says_where_sessions_end_and_only_where_they_can(
    world: Site, tmp_path: Path
) -> None:
    root = etree.fromstring((await world.http.get("/auth/sso/saml/acme")).content)
    found = [
        (e.get("Binding")[-13:], e.get("Location")) for e in root.iter("{*}SingleLogoutService")
    ]
    assert found == [("HTTP-Redirect", SLO), ("ngs:HTTP-POST", SLO)]
    without = settings_in(tmp_path / "bare", slo_url=None)
    async with site(tmp_path / "bare", without) as bare:
        root = etree.fromstring((await bare.http.get("/auth/sso/saml/acme")).content)
        assert not list(root.iter("{*}SingleLogoutService"))
        assert (await bare.http.get(f"{PATH}?{by_redirect(logout())}")).status_code == 404


async def test_a_sign_on_ends_the_session_this_browser_had_before(world: Site) -> None:
    """The provider's form brings no Lax cookie; the hop behind it does."""
    async with world.browser() as browser:
        before = await signed_on(browser)
        form = form_for(*await begin(browser))
        attempts = {k: v for k, v in browser.cookies.items() if k.startswith(f"{SESSION}-saml-")}
        cookie = "; ".join(f"{name}={value}" for name, value in attempts.items())
        posted = await world.http.post(
            "/auth/sso/saml/acme/acs", data=form, headers={"cookie": cookie}
        )
        assert posted.status_code == 303
        assert await works(world, before)
        entry = posted.headers["set-cookie"].partition(";")[0]
        assert {"Secure", "HttpOnly", "SameSite=lax"} <= set(
            posted.headers["set-cookie"].split("; ")
        )
        both = {"cookie": f"{before['cookie']}; {entry}"}
        where = posted.headers["location"]
        entered = await world.http.get(where, headers=both)
        assert entered.status_code == 303, entered.text
        assert not await works(world, before)
        # The way in is open once, whoever kept the cookie.
        assert (await world.http.get(where, headers=both)).status_code == 401


async def test_the_hop_lets_in_this_browser_once_in_a_minute_and_to_where_it_said(
    world: Site,
) -> None:
    async with world.browser() as browser, world.browser() as other:
        posted = await browser.post("/auth/sso/saml/acme/acs", data=form_for(*await begin(browser)))
        where = posted.headers["location"]
        assert (await other.get(where)).status_code == 401
        assert (await browser.get(where[:-1] + "x")).status_code == 401
        assert (await browser.get(where.replace("acme", "other"))).status_code == 401
        assert (await browser.get("/auth/sso/saml/acme/enter")).status_code == 401
        world.clock.ahead_s += ENTRY_S
        assert (await browser.get(where)).status_code == 401
        assert SESSION not in browser.cookies
