"""Identity providers of the configuration: complete, safe, or not there at all."""

from typing import Any

import pytest
from pydantic import ValidationError

from config.identity import CALLBACK, identities_of, provider_of, read_profile
from config.loader import load_settings
from config.security import SsoSettings
from config.settings import Settings
from routing.errors import ConfigError

ENTRA = {
    "provider": "azure_ad", "tenant_id": "t-1", "client_id": "web", "tenant": "acme",
    "audiences": ["api://supportmax"], "public_url": "https://support.acme.test",
}  # fmt: skip


def settings(**changed: Any) -> Settings:
    return Settings.model_validate(changed)


def sso(**changed: Any) -> SsoSettings:
    return SsoSettings.model_validate({**ENTRA, **changed})


def test_entra_is_one_tenant_of_version_two_and_people_are_object_ids() -> None:
    """Nothing in a token chooses the tenant, and no e-mail address is an identity."""
    entra = provider_of("entra", sso())
    assert entra.issuer == "https://login.microsoftonline.com/t-1/v2.0"
    assert entra.required == {"tid": "t-1", "ver": "2.0"}
    assert (entra.subject_claim, entra.client_claim) == ("oid", "azp")
    assert entra.algorithms == {"RS256"}


@pytest.mark.parametrize(
    ("provider", "issuer"),
    [
        ("okta", "https://acme.example.com/oauth2/default"),
        ("auth0", "https://acme.example.com/"),
    ],
)
def test_okta_and_auth0_are_known_by_their_domain(provider: str, issuer: str) -> None:
    found = provider_of("x", sso(provider=provider, tenant_id=None, domain="acme.example.com"))
    assert found.issuer == issuer


def test_every_profile_pins_asymmetric_algorithms() -> None:
    for kind in ("azure_ad", "okta", "auth0", "oidc"):
        profile = read_profile(kind)
        assert all(name[:2] in {"RS", "PS", "ES"} for name in profile.algorithms)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS1", "", "EdDSA"])
def test_no_algorithm_of_a_shared_secret_can_be_configured(algorithm: str) -> None:
    with pytest.raises(ValidationError):
        sso(algorithms=[algorithm])


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.acme.test/",
        "http://localhost.evil.test/",
        "http://localhost:8000",
        "ftp://login.acme.test/",
        "login.acme.test",
        "https://",
    ],
)
def test_an_issuer_that_anybody_on_the_way_could_be_is_refused(issuer: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        provider_of("x", sso(provider="oidc", issuer=issuer))


def test_the_audience_of_the_api_is_not_the_client_that_people_sign_on_with() -> None:
    """Else an ID token would open the API wherever the provider types both alike."""
    with pytest.raises(ConfigError, match="ID tokens"):
        provider_of("x", sso(audiences=["web"]))
    provider_of("x", sso(provider="oidc", issuer="https://a.test", audiences=["web"]))


def test_a_provider_without_a_tenant_of_ours_is_not_there() -> None:
    """Nobody is let in somewhere by default, and `check` says what is missing."""
    found = identities_of(settings(sso={**ENTRA, "tenant": None}))
    assert (found.providers, found.missing) == ((), {"azure-ad": "tenant not set"})
    shipped = load_settings(None, {}, "development").settings
    assert identities_of(shipped).providers == ()


def test_one_issuer_is_one_tenants() -> None:
    with pytest.raises(ConfigError, match="same issuer"):
        identities_of(settings(sso=ENTRA, sso_providers={"other": {**ENTRA, "tenant": "other"}}))


@pytest.mark.parametrize("name", ["client", "key", "os", "azure-ad"])
def test_no_provider_takes_a_name_that_is_somebody_elses(name: str) -> None:
    """Subjects of API keys begin with `key:`, of programs with `client:`, of commands on the machine with `os:`."""
    for other in ({**ENTRA, "tenant_id": "t-2"}, SAML):
        with pytest.raises(ConfigError):
            identities_of(settings(sso=ENTRA, sso_providers={name: other}))


def test_each_provider_has_an_address_to_come_back_to() -> None:
    other = {**ENTRA, "tenant_id": "t-2", "tenant": "other"}
    found = identities_of(settings(sso=ENTRA, sso_providers={"other": other}))
    assert [each.callback for each in found.providers] == [CALLBACK, f"{CALLBACK}/other"]


def test_the_client_secret_is_in_no_print() -> None:
    assert "s3cret" not in repr(provider_of("x", sso(client_secret="s3cret")))  # noqa: S106  invented


SAML = {
    "provider": "saml", "issuer": "https://idp.test", "tenant": "corp", "public_url": "https://s.test",
    "sso_url": "https://idp.test/sso", "certificate_files": ["/idp.pem"],
}  # fmt: skip


def test_a_provider_of_saml_says_who_we_are_to_it() -> None:
    (corp,) = identities_of(settings(sso_providers={"corp": SAML})).saml
    assert corp.entity_id == "https://s.test/auth/sso/saml/corp"
    assert corp.recipient == "https://s.test/auth/sso/saml/corp/acs"


@pytest.mark.parametrize("name", ["issuer", "tenant", "sso_url", "certificate_files", "public_url"])
def test_a_provider_of_saml_that_lacks_something_is_not_there(name: str) -> None:
    """Without a certificate above all."""
    without = {key: value for key, value in SAML.items() if key != name}
    found = identities_of(settings(sso_providers={"corp": without}))
    assert (found.saml, found.missing) == ((), {"corp": f"{name} not set"})


def test_browsers_are_sent_to_no_plain_address() -> None:
    with pytest.raises(ConfigError, match="https"):
        identities_of(settings(sso_providers={"corp": {**SAML, "sso_url": "http://idp.test/sso"}}))


def test_a_key_comes_with_its_certificate() -> None:
    found = identities_of(settings(sso_providers={"corp": {**SAML, "key_file": "/k"}}))
    assert found.missing == {"corp": "key_certificate_file not set"}


DIRECTORY = {
    "url": "ldaps://dc.test", "ca_file": "/ca.pem", "bind_dn": "cn=s", "password_file": "/p",
    "base_dn": "dc=test",
}  # fmt: skip
LDAP = {
    "provider": "ldap", "tenant": "corp", "public_url": "https://s.test", "directory": DIRECTORY,
}  # fmt: skip


def test_a_directory_is_asked_at_the_port_of_ldaps_unless_another_is_said() -> None:
    other = {**LDAP, "directory": {**DIRECTORY, "url": "ldaps://[2001:db8::1]:3269/"}}
    one, two = identities_of(settings(sso_providers={"one": LDAP, "two": other})).directories
    assert (one.host, one.port, one.tries, one.window_s) == ("dc.test", 636, 4, 1800.0)
    assert (two.host, two.port) == ("2001:db8::1", 3269)


@pytest.mark.parametrize(
    "url",
    [
        "ldap://dc.test",
        "dc.test",
        "https://dc.test",
        "ldaps://",
        "ldaps://dc.test/dc=x",
        "ldapi://x",
    ],
)
def test_a_password_travels_to_a_directory_by_ldaps_alone(url: str) -> None:
    plain = {**LDAP, "directory": {**DIRECTORY, "url": url}}
    with pytest.raises(ConfigError, match="ldaps"):
        identities_of(settings(sso_providers={"corp": plain}))


def test_a_password_comes_from_no_plain_page() -> None:
    with pytest.raises(ConfigError, match="https"):
        identities_of(settings(sso_providers={"corp": {**LDAP, "public_url": "http://s.test"}}))


@pytest.mark.parametrize("name", ["tenant", "public_url", "directory"])
def test_a_directory_that_lacks_something_is_not_there(name: str) -> None:
    without = {key: value for key, value in LDAP.items() if key != name}
    found = identities_of(settings(sso_providers={"corp": without}))
    assert (found.directories, found.missing) == ((), {"corp": f"{name} not set"})


@pytest.mark.parametrize("kind", ["saml", "adfs", "ldap"])
def test_who_signs_no_tokens_is_no_issuer_of_any(kind: str) -> None:
    with pytest.raises(ConfigError, match=kind):
        provider_of("x", sso(provider=kind))
