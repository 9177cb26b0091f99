"""Directories: who keeps a tenant's people and groups here by SCIM, and which roles groups give."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from config.security import ProviderName
from config.values import Section, Text
from routing.errors import ConfigError

if TYPE_CHECKING:
    from config.directories import LdapProvider
    from config.identity import Identities, IdentityProvider
    from config.saml import SamlProvider
    from config.settings import Settings

SubjectOf = Literal["externalId", "userName", "id"]
"""The attribute of a SCIM user that the identity provider's tokens have as their subject."""


class GroupRule(Section):
    """Who is in the group of this name has this role; the name is compared to the letter."""

    group: Text = Field(examples=["SupportMax Agents"])
    role: Text = Field(examples=["agent"])


class ScimSettings(Section):
    """The directory of one identity provider: its tenant's, of whom it may then not have another."""

    provider: ProviderName = Field(examples=["azure-ad"])
    subject: SubjectOf = Field(default="externalId", examples=["externalId"])
    # Whom the directory does not know does not come in, whatever a token says of groups.
    require_provisioned: bool = Field(default=True, examples=["true"])
    # 1,000: each is looked for among the groups of everybody who changes.
    roles: tuple[GroupRule, ...] = Field(
        default=(), max_length=1000, examples=["[{group: SupportMax Agents, role: agent}]"]
    )


@dataclass(frozen=True, slots=True)
class DirectoryRules:
    """What a tenant's directory means here, and where the provider reaches us, if that is said."""

    tenant: str
    provider: str
    subject: SubjectOf
    require_provisioned: bool
    roles: tuple[GroupRule, ...]
    public_url: str | None = None

    @property
    def folds(self) -> bool:
        """Whether two subjects that differ in their case are one person: names are compared so."""
        return self.subject == "userName"


def directories_of(settings: "Settings", identities: "Identities") -> tuple[DirectoryRules, ...]:
    """The directories of providers that are used; one whose provider is not complete is none.

    Raises:
        ConfigError: there is no such provider, or two are for the same tenant, so nobody could tell
            which a key is for; or a provider is not complete, and others would come in whom its
            directory is to keep out.
    """
    used: tuple[IdentityProvider | SamlProvider | LdapProvider, ...] = (
        *identities.providers,
        *identities.saml,
        *identities.directories,
    )
    by_name = {each.name: each for each in used}
    found: dict[str, DirectoryRules] = {}
    for number, each in enumerate(settings.scim):
        provider = by_name.get(each.provider)
        if provider is None and each.provider not in identities.missing:
            # Else a slip of the pen would let in whoever was put out.
            there = ", ".join(by_name) or "none, write one under sso_providers"
            message = f"there is no provider {each.provider}; there are: {there}"
            raise ConfigError("configuration", None, f"scim[{number}].provider", message)
        if provider is None:
            lacking = settings.sso_providers.get(each.provider, settings.sso)
            tenant = None if lacking is None else lacking.tenant
            others = [one.name for one in used if one.tenant == tenant]
            if each.require_provisioned and others:
                message = (
                    f"{each.provider} is not configured ({identities.missing[each.provider]}): without "
                    f"its directory everybody whom {', '.join(others)} knows would come in"
                )
                raise ConfigError("configuration", None, f"scim[{number}].provider", message)
            continue
        if provider.tenant in found:
            message = f"{provider.tenant} has a directory already; a tenant has one"
            raise ConfigError("configuration", None, f"scim[{number}]", message)
        found[provider.tenant] = DirectoryRules(
            provider.tenant,
            each.provider,
            each.subject,
            each.require_provisioned,
            each.roles,
            provider.public_url,
        )
    return tuple(found.values())
