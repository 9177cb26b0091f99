"""A provider's own metadata instead of its settings: what of it counts, and what makes it void."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from lxml import etree  # type: ignore[import-untyped]

from config.identity import identities_of, saml_of
from config.saml import SamlProvider
from config.settings import Settings
from deployments.security.errors import IdentityProviderUnavailable, TokenRefused
from deployments.security.saml.document import METADATA, PROTOCOL, SIGNATURE
from deployments.security.saml.files import read_all, read_files
from deployments.security.saml.metadata import REDIRECT, metadata_of, read_metadata
from routing.errors import ConfigError
from tests.unit.security.saml_world import (
    CERTIFICATE,
    EVIL_CERTIFICATE,
    EVIL_KEY,
    IDP,
    NOW,
    OWN_CERTIFICATE,
    OWN_KEY,
    instant,
    sign,
)

SSO, SLO = "https://idp.acme.test/sso", "https://idp.acme.test/slo"
PEM = CERTIFICATE.public_bytes(Encoding.PEM).decode()
BODY = "".join(PEM.splitlines()[1:-1])
POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
KEY_XML = (
    f'<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="{SIGNATURE}"><ds:X509Data>'
    f"<ds:X509Certificate>{BODY}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
)
ENTITY = (
    f'<md:EntityDescriptor xmlns:md="{METADATA}" ID="_m" entityID="{IDP}" '
    f'validUntil="{instant(3600)}"><md:IDPSSODescriptor protocolSupportEnumeration="{PROTOCOL}">'
    f'{KEY_XML}<md:SingleLogoutService Binding="{POST}" Location="{SLO}/post"/>'
    f'<md:SingleLogoutService Binding="{REDIRECT}" Location="{SLO}" ResponseLocation="{SLO}/answer"/>'
    f'<md:SingleSignOnService Binding="{POST}" Location="{SSO}/post"/>'
    f'<md:SingleSignOnService Binding="{REDIRECT}" Location="{SSO}"/>'
    "</md:IDPSSODescriptor></md:EntityDescriptor>"
)
OTHER = ENTITY.replace(IDP, "https://other.test").replace('"_m"', '"_o"')
Change = Callable[[str], str]


def swapped(old: str, new: str) -> Change:
    assert old in ENTITY, old
    return lambda text: text.replace(old, new)


def signed(xml: str, key: Any = EVIL_KEY) -> bytes:
    done = sign(etree.fromstring(xml), key)
    # Metadata has no issuer to stand behind: its signature comes first.
    signature = done.find(f"{{{SIGNATURE}}}Signature")
    done.remove(signature)
    done.insert(0, signature)
    return bytes(etree.tostring(done))


@pytest.mark.parametrize("issuer", [IDP, ""])
def test_a_provider_says_where_it_is_and_what_it_signs_with(issuer: str) -> None:
    found = read_metadata(ENTITY.encode(), issuer, (), NOW)
    assert (found.issuer, found.sso_url, found.slo_url) == (IDP, SSO, SLO)
    assert (found.slo_answers, found.valid_until) == (f"{SLO}/answer", NOW + 3600)
    assert found.certificates == (CERTIFICATE,)


def test_among_several_the_one_that_is_named_counts() -> None:
    both = f'<md:EntitiesDescriptor xmlns:md="{METADATA}" ID="_e">{ENTITY}{OTHER}</md:EntitiesDescriptor>'
    assert read_metadata(both.encode(), IDP, (), NOW).issuer == IDP
    for issuer in ("", "https://nobody.test"):
        with pytest.raises(TokenRefused):
            read_metadata(both.encode(), issuer, (), NOW)
    twice = both.replace("https://other.test", IDP)
    with pytest.raises(TokenRefused):
        read_metadata(twice.encode(), IDP, (), NOW)


BAD: dict[str, Change] = {
    "over": swapped(instant(3600), instant(0)),
    "no time at all": swapped(instant(3600), "soon"),
    "another provider": swapped(IDP, "https://evil.test"),
    "no certificate": swapped(KEY_XML, ""),
    "a certificate to encrypt for": swapped('use="signing"', 'use="encryption"'),
    "no certificate in it": swapped(BODY, "AAAA"),
    "SAML 1.1": swapped(PROTOCOL, "urn:oasis:names:tc:SAML:1.1:protocol"),
    "no identity provider": lambda text: text.replace("IDPSSODescriptor", "SPSSODescriptor"),
    "no redirect": swapped(f'<md:SingleSignOnService Binding="{REDIRECT}" Location="{SSO}"/>', ""),
    "an entity": lambda text: f"<!DOCTYPE x [<!ENTITY a 'b'>]>{text}",
    "something else": lambda _: "<x/>",
    "nothing": lambda _: "",
}


@pytest.mark.parametrize("name", BAD)
def test_metadata_of_anything_else_is_refused(name: str) -> None:
    with pytest.raises(TokenRefused):
        read_metadata(BAD[name](ENTITY).encode(), IDP, (), NOW)


def test_where_a_signer_is_named_only_what_they_signed_counts() -> None:
    signers = (EVIL_CERTIFICATE,)
    good = signed(ENTITY)
    assert read_metadata(good, IDP, signers, NOW).issuer == IDP
    inside = f'<md:EntitiesDescriptor xmlns:md="{METADATA}" ID="_e">{good.decode()}</md:EntitiesDescriptor>'
    for xml in (
        ENTITY.encode(),
        signed(ENTITY, OWN_KEY),
        good.replace(b"/sso", b"/ssx"),
        inside.encode(),
    ):
        with pytest.raises(TokenRefused):
            read_metadata(xml, IDP, signers, NOW)


def provider_in(folder: Path, xml: str = ENTITY, **changed: Any) -> SamlProvider:
    (folder / "idp.xml").write_text(xml)
    settings = {
        "provider": "saml", "tenant": "acme", "public_url": "https://support.acme.test",
        "metadata_file": str(folder / "idp.xml"), **changed,
    }  # fmt: skip
    read = Settings.model_validate({"sso_providers": {"acme": settings}})
    return saml_of("acme", read.sso_providers["acme"])


def own_key(folder: Path) -> dict[str, str]:
    plain = (PrivateFormat.PKCS8, NoEncryption())
    (folder / "own.key").write_bytes(OWN_KEY.private_bytes(Encoding.PEM, *plain))
    (folder / "own.pem").write_bytes(OWN_CERTIFICATE.public_bytes(Encoding.PEM))
    return {
        "key_file": str(folder / "own.key"),
        "key_certificate_file": str(folder / "own.pem"),
    }


def test_a_provider_is_what_its_file_says_until_that_is_over(tmp_path: Path) -> None:
    known = read_files(provider_in(tmp_path, **own_key(tmp_path)), NOW)
    assert (known.provider.issuer, known.provider.sso_url) == (IDP, SSO)
    assert (known.provider.slo_url, known.slo_answers) == (SLO, f"{SLO}/answer")
    assert known.expects("_r", NOW + 3599).issuer == IDP
    with pytest.raises(IdentityProviderUnavailable):
        known.expects("_r", NOW + 3600)
    with pytest.raises(ConfigError, match="over"):
        read_files(provider_in(tmp_path), NOW + 3600)


def test_without_a_key_of_ours_nothing_is_said_about_ending_sessions(tmp_path: Path) -> None:
    known = read_files(provider_in(tmp_path), NOW)
    assert (known.provider.slo_url, known.slo_answers) == (None, None)


def test_what_metadata_says_is_not_said_twice_and_leads_nowhere_plain(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="metadata_file"):
        provider_in(tmp_path, sso_url=SSO)
    plain = provider_in(tmp_path, ENTITY.replace(SSO, "http://idp.acme.test/sso"))
    with pytest.raises(ConfigError, match="https"):
        read_files(plain, NOW)


def test_two_files_of_one_provider_are_one_too_many(tmp_path: Path) -> None:
    one = provider_in(tmp_path)
    with pytest.raises(ConfigError, match="same issuer"):
        read_all([one, replace(one, name="twin")], NOW)


def test_ad_fs_needs_its_host_alone_and_has_short_names_for_its_claims(tmp_path: Path) -> None:
    (tmp_path / "adfs.pem").write_text(PEM)
    sso = {
        "provider": "adfs", "domain": "adfs.acme.test", "tenant": "acme",
        "public_url": "https://support.acme.test", "certificate_files": [str(tmp_path / "adfs.pem")],
        "authn_contexts": ["mfa", "urn:of:my:own"], **own_key(tmp_path),
        "roles": [{"claim": "groups", "equals": "SupportMax", "role": "agent"},
                  {"claim": "http://my.own/claim", "equals": "1", "role": "agent"}],
    }  # fmt: skip
    (found,) = identities_of(Settings.model_validate({"sso": sso})).saml
    assert found.issuer == "http://adfs.acme.test/adfs/services/trust"
    assert found.sso_url == found.slo_url == "https://adfs.acme.test/adfs/ls/"
    assert [rule.claim for rule in found.roles] == [
        "http://schemas.xmlsoap.org/claims/Group",
        "http://my.own/claim",
    ]
    assert found.authn_contexts == (
        "http://schemas.microsoft.com/claims/multipleauthn",
        "urn:of:my:own",
    )
    # It would encrypt with CBC for a key it is told of, so it is told none.
    ours = etree.fromstring(metadata_of(found, OWN_CERTIFICATE, signs_off=True))
    assert [e.get("use") for e in ours.iter("{*}KeyDescriptor")] == ["signing"]


@pytest.mark.parametrize("missing", ["domain", "certificate_files", "tenant", "public_url"])
def test_ad_fs_without_what_it_needs_is_not_configured(missing: str) -> None:
    sso = {
        "provider": "adfs", "domain": "adfs.acme.test", "tenant": "acme",
        "public_url": "https://support.acme.test", "certificate_files": ["adfs.pem"],
    }  # fmt: skip
    del sso[missing]
    assert missing in identities_of(Settings.model_validate({"sso": sso})).missing["adfs"]
