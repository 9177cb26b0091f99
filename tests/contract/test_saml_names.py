"""A person is known by a name that stays: what a provider of SAML may call them, and is asked to."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree  # type: ignore[import-untyped]

from deployments.security.errors import TokenRefused
from tests.contract.sign_on_world import site
from tests.contract.test_saml_sign_off import asked_in, begin, form_for, settings_in
from tests.contract.test_signed_off_on_the_way import sign_ons
from tests.unit.security.saml_world import (
    EXPECTED,
    NOW,
    assertion,
    encrypted,
    response,
    shown,
    sign,
)

ACS = "/auth/sso/saml/acme/acs"
FORMAT = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
OLD = "urn:oasis:names:tc:SAML:1.1:nameid-format:"
PERSISTENT, TRANSIENT, ENTITY = f"{FORMAT}persistent", f"{FORMAT}transient", f"{FORMAT}entity"
# Of these a provider of one person may say the same each time; the last is nobody's format.
LASTING = [
    None, PERSISTENT, f"{OLD}unspecified", f"{FORMAT}unspecified", f"{OLD}emailAddress",
    f"{OLD}WindowsDomainQualifiedName", f"{OLD}X509SubjectName", f"{FORMAT}kerberos", "urn:of:my:own",
]  # fmt: skip


def called(form: str | None) -> Callable[[str], str]:
    """The assertion with a name of that format."""
    said = "" if form is None else f' Format="{form}"'
    return lambda text: text.replace("<saml:NameID>", f"<saml:NameID{said}>")


def test_a_name_for_one_session_and_a_systems_name_are_nobodys() -> None:
    """Signed by the provider, in plain and encrypted; whatever blanks there are around the format."""
    for form, reason in ((TRANSIENT, "transient name"), (ENTITY, "name of an entity")):
        for written in (form, f" {form}\n"):
            said = sign(assertion(called(written)))
            for root in (response(said), response(encrypted(said))):
                with pytest.raises(TokenRefused) as refused:
                    shown(root)
                assert refused.value.reason == reason


@pytest.mark.parametrize("form", LASTING)
def test_a_name_of_any_other_format_is_taken_unless_a_persistent_one_was_asked_for(
    form: str | None,
) -> None:
    root = response(sign(assertion(called(form))))
    assert shown(root).name == "ann"
    asked = replace(EXPECTED, persistent=True)
    if form == PERSISTENT:
        assert shown(root, asked).name == "ann"
        return
    with pytest.raises(TokenRefused) as refused:
        shown(root, asked)
    assert refused.value.reason == "name format"


async def test_who_is_called_anew_each_time_is_not_let_in_and_that_is_on_record(
    tmp_path: Path,
) -> None:
    async with site(tmp_path, settings_in(tmp_path)) as world, world.browser() as browser:
        world.clock.ahead_s = NOW - world.clock.now()
        form = form_for(*await begin(browser), called(TRANSIENT))
        answer = await browser.post(ACS, data=form)
        assert answer.status_code == 401
        assert answer.json()["detail"] == "What acme says is refused: transient name."
        async with asyncio.timeout(10):
            while not (found := sign_ons(world.audit)):  # noqa: ASYNC110  a thread's word
                await asyncio.sleep(0.01)
        assert found == [("denied", "transient name")]


@pytest.mark.parametrize("asks", [False, True])
async def test_a_provider_is_asked_for_lasting_names_where_the_configuration_says_so(
    tmp_path: Path, asks: bool
) -> None:
    """In the request, where the schema has it, and in our metadata; else of names there is no word."""
    settings = settings_in(tmp_path, persistent_names=asks, authn_contexts=["mfa"])
    async with site(tmp_path, settings) as world, world.browser() as browser:
        url = (await browser.post("/auth/sso/login?provider=acme")).json()["redirect"]
        names = [each.tag.rpartition("}")[2] for each in asked_in(url)]
        assert names == ["Issuer", *["NameIDPolicy"] * asks, "RequestedAuthnContext"]
        policies = [dict(each.attrib) for each in asked_in(url).iter("{*}NameIDPolicy")]
        assert policies == [{"Format": PERSISTENT, "AllowCreate": "true"}] * asks
        root = etree.fromstring((await world.http.get("/auth/sso/saml/acme")).content)
        below = [each.tag.rpartition("}")[2] for each in root[0]]
        ours = ["SingleLogoutService", *["NameIDFormat"] * asks, "AssertionConsumerService"]
        assert below[-len(ours) :] == ours
        assert [each.text for each in root.iter("{*}NameIDFormat")] == [PERSISTENT] * asks


async def test_a_name_that_was_to_last_lets_somebody_in_under_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, persistent_names=True, slo_url=None)
    async with site(tmp_path, settings) as world, world.browser() as browser:
        world.clock.ahead_s = NOW - world.clock.now()
        refused = await browser.post(ACS, data=form_for(*await begin(browser)))
        assert refused.json()["detail"] == "What acme says is refused: name format."
        taken = await browser.post(ACS, data=form_for(*await begin(browser), called(PERSISTENT)))
        assert (await browser.get(taken.headers["location"])).status_code == 303
        assert (await browser.get("/probe")).json() == {"status": "acme:ann"}
