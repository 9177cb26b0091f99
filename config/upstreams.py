"""Settings of MCP servers that others run, and of what may be asked outside."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from config.privacy import KINDS, Kind
from config.values import Credential, Number, Section, Text, WebAddress, Whole

OWN_SERVERS = ("knowledge", "tools", "memory")
"""Names of our own servers: no other may have them."""

LocalTool = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


def _no_name_of_ours(name: str) -> str:
    if name in OWN_SERVERS:
        raise ValueError(f"{name} is a server of SupportMax; give this one another name")
    return name


UpstreamName = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$"), AfterValidator(_no_name_of_ours)
]
"""A name without underscores: `name__tool` can then be read in one way only."""


class OutboundSettings(Section):
    """What may be asked outside at an address that somebody else chose.

    Everything on the public internet, over https on one of `ports`. `allow_private` names hosts
    and networks of one's own that may be asked too, by http as well.
    """

    allow_private: tuple[Text, ...] = Field(
        default=(), max_length=100, examples=["[crm.internal, 10.20.0.0/16]"]
    )
    ports: tuple[Annotated[Whole, Field(ge=1, le=65_535)], ...] = Field(
        default=(443,), min_length=1, max_length=20, examples=["[443, 8443]"]
    )


class Authority(Section):
    """An authorization server that gives tokens for upstreams in a caller's name.

    `token_exchange` is RFC 8693, `on_behalf_of` is Microsoft Entra's. Without `tenants` it is for
    every tenant.
    """

    kind: Literal["token_exchange", "on_behalf_of"] = Field(examples=["token_exchange"])
    token_url: WebAddress = Field(examples=["https://login.example.com/oauth2/token"])
    client_id: Text = Field(examples=["supportmax"])
    client_secret: Credential = Field(examples=["${UPSTREAM_CLIENT_SECRET}"])
    tenants: tuple[Text, ...] = Field(default=(), max_length=1000, examples=["[northwind]"])


class PersonalCredential(Section):
    """A token for each caller, from an authority. The caller's own token goes to nobody else.

    `resource` is the upstream's address where it is left out.
    """

    authority: Text = Field(examples=["corporate"])
    resource: WebAddress | None = Field(default=None, examples=["https://mcp.example.com/mcp"])
    audience: Text | None = Field(default=None, examples=["crm"])
    scope: Text | None = Field(default=None, examples=["crm.read"])


class HeaderCredential(Section):
    """One credential for every caller, read from a file that may be replaced in place."""

    header: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,63}$")] = Field(
        default="Authorization", examples=["Authorization"]
    )
    prefix: str = Field(default="Bearer ", max_length=32, examples=["'Bearer '"])
    file: Text = Field(examples=["/run/secrets/crm"])


class ToolRule(Section):
    """What one tool of an upstream may do, in our words; what the upstream says of it counts for nothing.

    `approval` lets a human decide about every call.
    """

    side_effect: Literal["read", "write", "money", "egress"] = Field(
        default="write", examples=["read"]
    )
    approval: bool = Field(default=True, examples=["false"])
    permission: Text | None = Field(default=None, examples=["customers:change"])


class Federated(Section):
    """What the configuration and an administrator may both say of an upstream.

    With `trust_on_first_use` the tools it has at first are taken as they are; otherwise each waits
    for an administrator. `elicitation: relay` lets it ask the human in front of the client, under
    its name.
    """

    permission: Text = Field(default="mcp:tools", examples=["mcp:tools"])
    timeout_s: Number = Field(default=20.0, ge=0.1, le=300, examples=[20])
    trust_on_first_use: bool = Field(default=False, examples=["false"])
    elicitation: Literal["deny", "relay"] = Field(default="deny", examples=["deny"])
    # Kinds of personal data that answers may tell it in calls; of all others it gets tokens.
    reveal: tuple[Kind, ...] = Field(default=(), max_length=len(KINDS), examples=["[email]"])
    tools: dict[LocalTool, ToolRule] = Field(
        default_factory=dict,
        max_length=200,
        examples=["{search: {side_effect: read, approval: false}}"],
    )


class Upstream(Federated):
    """An MCP server that others run. Without `tenants` every tenant has it.

    `url` is asked by streamable HTTP. `command` is run here and spoken with over its stdin and
    stdout; that is for development.
    """

    url: WebAddress | None = Field(default=None, examples=["https://mcp.example.com/mcp"])
    command: tuple[Text, ...] = Field(default=(), max_length=50, examples=["[node, server.js]"])
    tenants: tuple[Text, ...] = Field(default=(), max_length=1000, examples=["[northwind]"])
    # The two kinds share no key, so what is written says which it is.
    credential: PersonalCredential | HeaderCredential | None = Field(
        default=None, examples=["{file: /run/secrets/crm}"]
    )

    @model_validator(mode="after")
    def _one_road(self) -> "Upstream":
        if (self.url is None) == (not self.command):
            raise ValueError("write url, or command, and not both")
        if self.command and self.credential is not None:
            raise ValueError("a command needs no credential; it has this machine's user")
        return self


class AddedServer(Federated):
    """An MCP server that an administrator adds for their own tenant.

    It has no credential of its own in it: `authority` names an authorization server of the
    configuration, whose tokens are then good at this address alone.
    """

    url: WebAddress = Field(max_length=2_000, examples=["https://mcp.example.com/mcp"])
    authority: Text | None = Field(default=None, examples=["corporate"])
