"""Identity providers of SAML as they will be used."""

from dataclasses import dataclass
from pathlib import Path

from config.security import RoleRule, SsoSettings

PATH = "/auth/sso/saml"
"""Below it each provider has an address: our metadata there, and behind it where answers come to."""


@dataclass(frozen=True, slots=True)
class SamlProvider:
    """A provider of SAML, and who we are to it. `issuer` is its entity ID.

    Its certificates are pinned: what signs with another one is not it. With a key of our own we
    sign what we ask, and it may encrypt what it answers.
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

    @property
    def entity_id(self) -> str:
        """Our name, which is where our metadata is."""
        return f"{self.public_url}{PATH}/{self.name}"

    @property
    def recipient(self) -> str:
        """Where it sends browsers back to."""
        return f"{self.entity_id}/acs"


def lacking(sso: SsoSettings) -> list[str]:
    """The settings without which a provider of SAML means nothing."""
    found = [
        name
        for name in ("tenant", "issuer", "sso_url", "certificate_files", "public_url")
        if not getattr(sso, name)
    ]
    if (sso.key_file is None) != (sso.key_certificate_file is None):
        found.append("key_certificate_file" if sso.key_file else "key_file")
    return found


def saml_provider_of(name: str, sso: SsoSettings) -> SamlProvider:
    """One provider whose settings lack nothing."""
    return SamlProvider(
        name=name,
        issuer=sso.issuer or "",
        tenant=sso.tenant or "",
        sso_url=sso.sso_url or "",
        certificate_files=tuple(Path(file) for file in sso.certificate_files),
        public_url=sso.public_url or "",
        roles=sso.roles,
        key_file=None if sso.key_file is None else Path(sso.key_file),
        key_certificate_file=(
            None if sso.key_certificate_file is None else Path(sso.key_certificate_file)
        ),
    )
