"""Identity providers as they will be used: a profile of what each vendor does, and the settings on top."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import Field, SecretStr

from config import directories, saml
from config.directories import LdapProvider, ldap_provider_of
from config.saml import SamlProvider
from config.security import Algorithm, RoleRule, SsoSettings
from config.settings import Settings
from config.values import Section, Text
from routing.errors import ConfigError

_PROFILES = Path(__file__).parent / "sso-providers"
_RESERVED = {
    "client": "is what the subjects of programs begin with",
    "key": "is what the subjects of API keys begin with",
    "os": "is what the subjects of commands on the machine begin with",
}
TokenKind = Literal["azure_ad", "okta", "auth0", "oidc"]
CALLBACK = "/auth/sso/callback"
"""Where browsers come back to from the provider under `sso`; from any other, below its name.

Each provider has an address of its own, so that none can pass its answer off as another's.
"""
NO_TYPE = ""
"""Among `token_types`: a token may leave `typ` out."""


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """An issuer of tokens, and everything a token of it has to satisfy.

    `tenant` is the one tenant its people and programs belong to. `audiences` are for API
    tokens; where there are none, none is accepted. `required` are claims with the one value
    they may have. `client_claim` names the program a token was given to, and no ID token of
    this vendor carries it or the audience tells them apart.
    """

    name: str
    issuer: str
    tenant: str
    algorithms: frozenset[str]
    token_types: frozenset[str]
    subject_claim: str
    client_claim: str
    audiences: frozenset[str] = frozenset()
    clients: frozenset[str] = frozenset()
    required: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[RoleRule, ...] = ()
    limit_by_scope: bool = False
    client_id: str = ""
    client_secret: SecretStr | None = field(default=None, repr=False)
    scope: str = "openid"
    public_url: str | None = None
    callback: str = CALLBACK
    asks_userinfo: bool = False

    @property
    def signs_on(self) -> bool:
        """Whether people can sign on with it, not only programs show its tokens."""
        return bool(self.client_id and self.public_url)


class Profile(Section):
    """One file of config/sso-providers: what a vendor's tokens look like."""

    issuer: Text | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Field(min_length=1)]
    token_types: Annotated[tuple[str, ...], Field(min_length=1)]
    subject_claim: Text = "sub"
    client_claim: Text
    required: dict[str, str] = Field(default_factory=dict)
    scope: Text = "openid"
    asks_userinfo: bool = False


@dataclass(frozen=True, slots=True)
class Identities:
    """The providers that can be used, and why others cannot."""

    providers: tuple[IdentityProvider, ...]
    saml: tuple[SamlProvider, ...]
    missing: Mapping[str, str]
    directories: tuple[LdapProvider, ...] = ()


def read_profile(kind: TokenKind) -> Profile:
    """What ships about a vendor."""
    text = (_PROFILES / f"{kind}.yaml").read_text(encoding="utf-8")
    return Profile.model_validate(yaml.safe_load(text))


def providers_named(settings: Settings) -> dict[str, SsoSettings]:
    """Every provider of the configuration by its name; the one under `sso` has its kind's.

    Raises:
        ConfigError: another one has that name.
    """
    named = dict(settings.sso_providers)
    if settings.sso is None:
        return named
    own = settings.sso.provider.replace("_", "-")
    if own in named:
        raise _error(f"sso_providers.{own}", "is the name of the provider under sso")
    return {own: settings.sso, **named}


def identities_of(settings: Settings) -> Identities:
    """Every provider of the configuration that is complete.

    Raises:
        ConfigError: one would accept what it must not: a plain address, an audience that is
            also the sign-on's client, two providers of one issuer.
    """
    named = providers_named(settings)
    found: list[IdentityProvider] = []
    answering: list[SamlProvider] = []
    asked: list[LdapProvider] = []
    missing: dict[str, str] = {}
    for name, sso in named.items():
        if why := _RESERVED.get(name):
            raise _error(f"sso_providers.{name}", why)
        # Whichever variable is missing: what is left may let in more than what is written.
        section = "sso" if sso is settings.sso else f"sso_providers.{name}"
        if without := settings.unset_below(section) or _without(sso):
            missing[name] = f"{', '.join(without)} not set"
            continue
        try:
            if sso.provider in saml.KINDS:
                answering.append(saml_of(name, sso))
            elif sso.provider == "ldap":
                asked.append(ldap_of(name, sso))
            else:
                callback = CALLBACK if sso is settings.sso else f"{CALLBACK}/{name}"
                found.append(replace(provider_of(name, sso), callback=callback))
        except ConfigError as error:
            # What is wrong with a provider is told as of the one under `sso`.
            where = "sso." if sso is settings.sso else f"sso_providers.{name}."
            key = f"{where}{error.key.removeprefix('sso.')}"
            raise ConfigError(error.path, error.line, key, error.message) from error
    # Of a provider whose metadata says who it is, who reads that looks once more.
    issuers = [each.issuer for each in found] + [p.issuer for p in answering if p.issuer]
    if len(set(issuers)) != len(issuers):
        raise _error("sso_providers", "two providers have the same issuer; which tenant is it for?")
    return Identities(tuple(found), tuple(answering), missing, tuple(asked))


def ldap_of(name: str, sso: SsoSettings) -> LdapProvider:
    """One directory, complete.

    Raises:
        ConfigError: it lacks what it needs, or passwords would travel in the clear.
    """
    if without := directories.lacking(sso):
        raise _error(f"sso.{without[0]}", "is needed")
    provider = ldap_provider_of(name, sso)
    must_be_safe(provider.public_url, "sso.public_url")
    return provider


def saml_of(name: str, sso: SsoSettings) -> SamlProvider:
    """One provider of SAML, complete.

    Raises:
        ConfigError: it lacks what it needs, or browsers would be sent to a plain address.
    """
    if without := saml.lacking(sso):
        raise _error(f"sso.{without[0]}", "is needed")
    if twice := saml.said_twice(sso):
        raise _error(f"sso.{twice[0]}", "is said by metadata_file; say it once")
    provider = saml.saml_provider_of(name, sso)
    for key in ("sso_url", "slo_url", "public_url"):
        if address := getattr(provider, key):
            must_be_safe(address, f"sso.{key}")
    return provider


def provider_of(name: str, sso: SsoSettings) -> IdentityProvider:
    """One provider, complete.

    Raises:
        ConfigError: it would accept what it must not, or lacks what it needs.
    """
    lacking = _lacking(sso)
    if lacking:
        raise _error(f"sso.{lacking[0]}", "is needed")
    profile = read_profile(_token_kind(sso))
    values = {"tenant_id": sso.tenant_id or "", "domain": sso.domain or ""}
    issuer = sso.issuer or (profile.issuer or "").format(**values)
    must_be_safe(issuer, "sso.issuer")
    if sso.public_url is not None:
        must_be_safe(sso.public_url, "sso.public_url")
    types = frozenset(
        kind.lower().removeprefix("application/") for kind in sso.token_types or profile.token_types
    )
    audiences = frozenset(sso.audiences)
    if sso.client_id in audiences and types != {"at+jwt"}:
        message = (
            "is also client_id: the ID tokens of people who sign on would open the API; "
            "register the API as an application of its own"
        )
        raise _error("sso.audiences", message)
    return IdentityProvider(
        name=name,
        issuer=issuer,
        tenant=sso.tenant or "",
        algorithms=frozenset(sso.algorithms or profile.algorithms),
        token_types=types,
        subject_claim=sso.subject_claim or profile.subject_claim,
        client_claim=profile.client_claim,
        audiences=audiences,
        clients=frozenset(sso.clients),
        required={key: text.format(**values) for key, text in profile.required.items()}
        | sso.required,
        roles=sso.roles,
        limit_by_scope=sso.limit_by_scope,
        client_id=sso.client_id or "",
        client_secret=sso.client_secret,
        scope=profile.scope,
        public_url=sso.public_url,
        asks_userinfo=profile.asks_userinfo,
    )


def _without(sso: SsoSettings) -> list[str]:
    """What a provider of any kind lacks."""
    if sso.provider in saml.KINDS:
        return saml.lacking(sso)
    return directories.lacking(sso) if sso.provider == "ldap" else _lacking(sso)


def _token_kind(sso: SsoSettings) -> TokenKind:
    match sso.provider:
        case "saml" | "adfs" | "ldap":
            raise _error("sso.provider", f"{sso.provider} is no issuer of tokens")
        case kind:
            return kind


def _lacking(sso: SsoSettings) -> list[str]:
    """The settings without which a provider means nothing."""
    kind = _token_kind(sso)
    lacking = [] if sso.tenant else ["tenant"]
    if sso.client_id is None and not sso.audiences:
        lacking.append("client_id")
    if sso.issuer is not None:
        return lacking
    template = read_profile(kind).issuer
    if template is None:
        return [*lacking, "issuer"]
    needed = [name for _, name, _, _ in Formatter().parse(template) if name]
    return [*lacking, *(name for name in needed if getattr(sso, name) is None)]


def must_be_safe(address: str, key: str) -> None:
    """Who can change what we read from an issuer can sign on as anybody: https, or this machine."""
    parts = urlsplit(address)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and is_loopback(parts.hostname):
        return
    raise _error(key, f"{address} is not an https address")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its number: a name may lead anywhere tomorrow."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _error(key: str, message: str) -> ConfigError:
    return ConfigError("configuration", None, key, message)
