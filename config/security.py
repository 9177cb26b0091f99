"""Settings of sign-on and of roles; the policies themselves are files of their own."""

from typing import Literal

from pydantic import Field

from config.values import Credential, Section, Text


class SsoSettings(Section):
    """The identity provider people sign on with."""

    provider: Literal["azure_ad", "okta", "auth0", "saml"] = Field(examples=["azure_ad"])
    tenant_id: Text | None = Field(default=None, examples=["${AZURE_TENANT_ID}"])
    client_id: Text | None = Field(default=None, examples=["${AZURE_CLIENT_ID}"])
    client_secret: Credential | None = Field(default=None, examples=["${AZURE_CLIENT_SECRET}"])


class PolicyFile(Section):
    """One file of roles and permissions, relative to the directory of the service."""

    policy_file: Text = Field(examples=["config/policies/rbac.yaml"])


class RbacSettings(Section):
    """Which roles exist, and which files say what they may do."""

    enabled: bool = Field(default=True, examples=["true"])
    roles: tuple[Text, ...] = Field(default=("admin",), examples=["[admin, agent, customer]"])
    policies: tuple[PolicyFile, ...] = Field(
        default=(), examples=["[{policy_file: config/policies/rbac.yaml}]"]
    )
