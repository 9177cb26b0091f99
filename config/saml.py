"""Identity providers of SAML as they will be used."""

from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Literal, get_args

import yaml
from pydantic import Field

from config.security import RoleRule, SsoSettings
from config.values import Section, Text

SamlKind = Literal["saml", "adfs"]
KINDS: frozenset[str] = frozenset(get_args(SamlKind))
"""What `provider` may be of a provider that speaks SAML; each has a profile."""
PATH = "/auth/sso/saml"
"""Below it each provider has an address: our metadata there, and behind it where answers come to."""
_PROFILES = Path(__file__).parent / "sso-providers"
_SAID = ("issuer", "sso_url", "slo_url", "certificate_files")


class SamlProfile(Section):
    """One file of config/sso-providers: what a product that speaks SAML calls things.

    `claims` are short names for attributes, `authn_contexts` for ways to show who one is.
    `encrypts`: whether it is told a key to encrypt for.
    """

    issuer: Text | None = None
    sso_url: Text | None = None
    slo_url: Text | None = None
    claims: dict[str, Text] = Field(default_factory=dict)
    authn_contexts: dict[str, Text] = Field(default_factory=dict)
    encrypts: bool


@dataclass(frozen=True, slots=True)
class SamlProvider:
    """A provider of SAML, and who we are to it. `issuer` is its entity ID.

    Its certificates are pinned: what signs with another one is not it. With a key of our own we
    sign what we ask, and it may encrypt what it answers. Where there is a `metadata_file`, issuer,
    addresses and certificates are what that says; an `issuer` beside it chooses among several.
    """

    name: str
    issuer: str
    tenant: str
    sso_url: str
    certificate_files: tuple[Path, ...]
    public_url: str
    roles: tuple[RoleRule, ...] = ()
    key_file: Path | None = None
    key_certificate_file: Path | None = None
    slo_url: str | None = None
    metadata_file: Path | None = None
    metadata_certificate_file: Path | None = None
    authn_contexts: tuple[str, ...] = ()
    encrypts: bool = True
    persistent_names: bool = False

    @property
    def entity_id(self) -> str:
        """Our name, which is where our metadata is."""
        return f"{self.public_url}{PATH}/{self.name}"

    @property
    def recipient(self) -> str:
        """Where it sends browsers back to."""
        return f"{self.entity_id}/acs"

    @property
    def sign_off(self) -> str:
        """Where it says that somebody left, and answers when we say so."""
        return f"{self.entity_id}/slo"


def read_saml_profile(kind: SamlKind) -> SamlProfile:
    """What ships about a product."""
    text = (_PROFILES / f"{kind}.yaml").read_text(encoding="utf-8")
    return SamlProfile.model_validate(yaml.safe_load(text))


def _kind(sso: SsoSettings) -> SamlKind:
    return "adfs" if sso.provider == "adfs" else "saml"


def lacking(sso: SsoSettings) -> list[str]:
    """The settings without which a provider of SAML means nothing."""
    needed = ["tenant", "public_url"]
    if sso.metadata_file is None:
        profile, needed = read_saml_profile(_kind(sso)), [*needed, "certificate_files"]
        for name in ("issuer", "sso_url"):
            template = getattr(profile, name)
            if template is None or getattr(sso, name) is not None:
                needed.append(name)
            else:
                needed.extend(part for _, part, _, _ in Formatter().parse(template) if part)
    found = [name for name in dict.fromkeys(needed) if not getattr(sso, name)]
    if sso.slo_url is not None and sso.key_file is None:
        found.append("key_file")
    if (sso.key_file is None) != (sso.key_certificate_file is None):
        found.append("key_certificate_file" if sso.key_file else "key_file")
    return list(dict.fromkeys(found))


def said_twice(sso: SsoSettings) -> list[str]:
    """What the configuration says although the provider's metadata is to say it."""
    if sso.metadata_file is None:
        return []
    return [name for name in _SAID if name != "issuer" and getattr(sso, name)]


def saml_provider_of(name: str, sso: SsoSettings) -> SamlProvider:
    """One provider whose settings lack nothing."""
    profile = read_saml_profile(_kind(sso))

    def said(key: Literal["issuer", "sso_url", "slo_url"]) -> str | None:
        own: str | None = getattr(sso, key)
        template: str | None = getattr(profile, key)
        if own is not None or template is None or sso.metadata_file is not None:
            return own
        return template.format(domain=sso.domain) if sso.domain else None

    # A profile knows where sessions end, but only a key of ours can ask for it.
    slo_url = said("slo_url") if sso.key_file is not None else None
    contexts = (profile.authn_contexts.get(each, each) for each in sso.authn_contexts)
    return SamlProvider(
        name=name,
        issuer=said("issuer") or "",
        tenant=sso.tenant or "",
        sso_url=said("sso_url") or "",
        certificate_files=tuple(Path(file) for file in sso.certificate_files),
        public_url=sso.public_url or "",
        roles=tuple(
            rule.model_copy(update={"claim": profile.claims.get(rule.claim, rule.claim)})
            for rule in sso.roles
        ),
        key_file=_path(sso.key_file),
        key_certificate_file=_path(sso.key_certificate_file),
        slo_url=slo_url,
        metadata_file=_path(sso.metadata_file),
        metadata_certificate_file=_path(sso.metadata_certificate_file),
        authn_contexts=tuple(contexts),
        encrypts=profile.encrypts,
        persistent_names=sso.persistent_names,
    )


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
