"""Settings of sign-on and of roles; the policies themselves are files of their own."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from config.values import Credential, Host, Section, Text, WebAddress

# Signatures by a key only the issuer has. HS256 is not among them: whoever checks it could sign.
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
# With these in its place Microsoft lets in the people of every company.
_EVERYBODY = frozenset({"common", "organizations", "consumers"})


def _one_company(tenant_id: str) -> str:
    if tenant_id.lower() in _EVERYBODY:
        raise ValueError(f"{tenant_id} is everybody; write your own directory (tenant) ID")
    return tenant_id


EntraTenant = Annotated[Text, AfterValidator(_one_company)]
ProviderName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class RoleRule(Section):
    """Who has a claim of this value has this role; nobody has one otherwise."""

    claim: Text = Field(examples=["groups"])
    equals: Text = Field(examples=["SupportMax-Agents"])
    role: Text = Field(examples=["agent"])


class DirectorySettings(Section):
    """A directory of people: Active Directory, or another one that speaks LDAP."""

    url: Text = Field(examples=["ldaps://dc1.example.com"])
    ca_file: Text = Field(examples=["/etc/supportmax/directory-ca.pem"])
    bind_dn: Text = Field(examples=["CN=SupportMax,OU=Services,DC=example,DC=com"])
    password_file: Text = Field(examples=["/etc/supportmax/directory.password"])
    # Everybody and every group that counts is below it.
    base_dn: Text = Field(examples=["DC=example,DC=com"])
    kind: Literal["active_directory", "ldap"] = Field(
        default="active_directory", examples=["active_directory"]
    )
    # Below the directory's own lockout, or a stranger could lock people out of everything.
    tries: int = Field(default=4, ge=1, le=50, examples=["4"])
    # At least as long as the directory remembers a wrong password.
    window_minutes: int = Field(default=30, ge=1, le=1440, examples=["30"])


class SsoSettings(Section):
    """An identity provider people sign on with, and whose tokens programs show."""

    provider: Literal["azure_ad", "okta", "auth0", "oidc", "saml", "adfs", "ldap"] = Field(
        examples=["azure_ad"]
    )
    tenant_id: EntraTenant | None = Field(default=None, examples=["${AZURE_TENANT_ID}"])
    client_id: Text | None = Field(default=None, examples=["${AZURE_CLIENT_ID}"])
    client_secret: Credential | None = Field(default=None, examples=["${AZURE_CLIENT_SECRET}"])
    # Okta's, Auth0's and AD FS's: the host of one's own organisation.
    domain: Host | None = Field(default=None, examples=["northwind.okta.com"])
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
    # Where it ends sessions, which takes a key of ours.
    slo_url: WebAddress | None = Field(default=None, examples=["https://login.example.com/slo"])
    # Or all four in the provider's own words; with a certificate, only as its holder signed them.
    metadata_file: Text | None = Field(default=None, examples=["/etc/supportmax/idp.xml"])
    metadata_certificate_file: Text | None = Field(
        default=None, examples=["/etc/supportmax/federation.pem"]
    )
    # How people must have shown who they are, one of these: by URI, or a name from the profile.
    authn_contexts: tuple[Text, ...] = Field(default=(), max_length=16, examples=["[mfa]"])
    # To ask for names by which a person is known again, and to take no others: for a provider that
    # gives names for one session unless it is asked.
    persistent_names: bool = Field(default=False, examples=["true"])
    key_file: Text | None = Field(default=None, examples=["/etc/supportmax/saml.key"])
    key_certificate_file: Text | None = Field(default=None, examples=["/etc/supportmax/saml.pem"])
    directory: DirectorySettings | None = Field(default=None)
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
