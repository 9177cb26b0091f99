"""Settings of sign-on and of roles; the policies themselves are files of their own."""

from typing import Annotated, Literal

from pydantic import Field

from config.values import Credential, Section, Text, WebAddress

# Signatures by a key only the issuer has. HS256 is not among them: whoever checks it could sign.
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
ProviderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class RoleRule(Section):
    """Who has a claim of this value has this role; nobody has one otherwise."""

    claim: Text = Field(examples=["groups"])
    equals: Text = Field(examples=["SupportMax-Agents"])
    role: Text = Field(examples=["agent"])


class SsoSettings(Section):
    """An identity provider people sign on with, and whose tokens programs show."""

    provider: Literal["azure_ad", "okta", "auth0", "oidc", "saml"] = Field(examples=["azure_ad"])
    tenant_id: Text | None = Field(default=None, examples=["${AZURE_TENANT_ID}"])
    client_id: Text | None = Field(default=None, examples=["${AZURE_CLIENT_ID}"])
    client_secret: Credential | None = Field(default=None, examples=["${AZURE_CLIENT_SECRET}"])
    # Okta's and Auth0's: the host of one's own organisation.
    domain: Text | None = Field(default=None, examples=["northwind.okta.com"])
    # Compared to the letter, so a trailing slash stays.
    issuer: Text | None = Field(default=None, examples=["https://login.example.com/"])
    # Whose people these are. Nothing in a token ever says it.
    tenant: Text | None = Field(default=None, examples=["northwind"])
    # Where browsers reach SupportMax; without it programs may show tokens, and nobody signs on.
    public_url: WebAddress | None = Field(default=None, examples=["https://support.example.com"])
    audiences: tuple[Text, ...] = Field(default=(), max_length=16, examples=["[api://supportmax]"])
    clients: tuple[Text, ...] = Field(default=(), max_length=256, examples=["[a-client-id]"])
    required: dict[str, Text] = Field(default_factory=dict, examples=["{org_id: org_0123}"])
    algorithms: tuple[Algorithm, ...] = Field(default=(), examples=["[RS256]"])
    token_types: tuple[str, ...] = Field(default=(), examples=["[at+jwt]"])
    subject_claim: Text | None = Field(default=None, examples=["sub"])
    # SAML's: where browsers are sent, and what the provider signs with, as PEM; two while it changes.
    sso_url: WebAddress | None = Field(default=None, examples=["https://login.example.com/sso"])
    certificate_files: tuple[Text, ...] = Field(
        default=(), max_length=8, examples=["[/etc/supportmax/idp.pem]"]
    )
    key_file: Text | None = Field(default=None, examples=["/etc/supportmax/saml.key"])
    key_certificate_file: Text | None = Field(default=None, examples=["/etc/supportmax/saml.pem"])
    limit_by_scope: bool = Field(default=False, examples=["true"])
    # 1,000: each is compared with each value of a token once in its life.
    roles: tuple[RoleRule, ...] = Field(
        default=(),
        max_length=1000,
        examples=["[{claim: groups, equals: SupportMax-Agents, role: agent}]"],
    )


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
