"""SSOProvider(...).authenticate(token), against a real identity provider."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree  # type: ignore[import-untyped]

from deployments.security.errors import IdentityProviderUnavailable
from deployments.security.sso import SSOProvider
from routing.clock import ManualClock
from routing.errors import AccessError, ConfigError
from tests.contract.sign_on_world import API
from tests.identity_provider import CLIENT, Idp, identity_provider
from tests.unit.security.saml_world import (
    CERTIFICATE,
    IDP,
    NOW,
    REQUEST,
    assertion,
    response,
    sign,
)
from tests.unit.security.token_world import b64

AWAY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def idp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    with identity_provider(tmp_path_factory.mktemp("idp"), [], API) as idp:
        yield idp


def provider_for(issuer: str, role: str = "service") -> SSOProvider:
    return SSOProvider(
        provider="oidc",
        issuer=issuer,
        tenant="acme",
        audiences=[API],
        token_types=["JWT"],
        roles=[{"claim": "client_id", "equals": CLIENT, "role": role}],
    )


async def test_a_programs_token_is_a_principal(idp: Idp) -> None:
    async with provider_for(idp.issuer) as sso:
        principal = await sso.authenticate(idp.program_token())
        assert (principal.tenant, principal.subject) == ("acme", f"client:oidc:{CLIENT}")
        assert principal.may("batches:manage")
        assert not principal.may("keys:manage")
        with pytest.raises(AccessError):
            await sso.authenticate(idp.program_token() + "A")


async def test_a_provider_that_is_not_there_is_no_refusal() -> None:
    """The caller did nothing wrong, and may come again."""
    token = f"{b64({'alg': 'RS256', 'kid': 'a', 'typ': 'JWT'})}.{b64({'iss': AWAY})}.AA"
    async with provider_for(AWAY) as sso:
        with pytest.raises(IdentityProviderUnavailable):
            await sso.authenticate(token)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("azure_ad", {"tenant_id": "t-1"}),
        ("okta", {"domain": "acme.okta.test"}),
        ("auth0", {"domain": "acme.auth0.test"}),
        ("oidc", {"issuer": "https://login.acme.test"}),
    ],
)
async def test_every_name_is_a_provider_that_takes_tokens_of_its_issuer_alone(
    name: str, settings: dict[str, Any]
) -> None:
    """What is no token, and what another issuer signed, is refused before anybody is asked."""
    async with SSOProvider(provider=name, tenant="acme", audiences=[API], **settings) as sso:
        for text in ("", "x", f"{b64({'alg': 'RS256'})}.{b64({'iss': 'https://evil.test'})}.AA"):
            with pytest.raises(AccessError):
                await sso.authenticate(text)


def test_a_directory_takes_passwords_and_no_tokens() -> None:
    with pytest.raises(ConfigError, match="ldap"):
        SSOProvider(provider="ldap", tenant="acme", client_id="x")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"provider": "nosuch"}, "sso.provider: expected one of azure_ad, okta"),
        ({"provider": "oidc", "isuer": "x"}, "sso.isuer: is not a setting; did you mean issuer?"),
        ({"provider": "okta", "domain": "https://t.okta.com/"}, "sso.domain: write a host alone"),
        ({"provider": "oidc", "client_secret": "hunter2 "}, "sso.client_secret: a credential is"),
    ],
)
def test_what_is_no_setting_is_told_as_of_a_file(settings: dict[str, Any], said: str) -> None:
    """In the errors of the configuration, and without a secret."""
    with pytest.raises(ConfigError) as refused:
        SSOProvider(tenant="acme", **settings)
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_role_nobody_defined_cannot_be_given() -> None:
    with pytest.raises(ConfigError, match="wizard"):
        provider_for("https://login.acme.test", "wizard")


async def test_a_saml_response_is_a_principal_for_who_asked(tmp_path: Path) -> None:
    """And for nobody else."""
    certificate = tmp_path / "idp.pem"
    certificate.write_bytes(CERTIFICATE.public_bytes(Encoding.PEM))
    clock = ManualClock(NOW)
    async with SSOProvider(
        provider="saml",
        name="acme",
        clock=clock,
        issuer=IDP,
        tenant="acme",
        sso_url=IDP,
        certificate_files=[str(certificate)],
        public_url="https://support.acme.test",
        roles=[{"claim": "groups", "equals": "Agents", "role": "agent"}],
    ) as sso:
        text = base64.b64encode(etree.tostring(response(sign(assertion())))).decode()
        principal = await sso.authenticate(text, REQUEST)
        assert (principal.tenant, principal.subject) == ("acme", "acme:ann")
        assert principal.roles == {"agent"}
        for wrong in (None, "", "_other"):
            with pytest.raises(AccessError):
                await sso.authenticate(text, wrong)
        clock.advance(3600)
        with pytest.raises(AccessError, match="expired"):
            await sso.authenticate(text, REQUEST)
