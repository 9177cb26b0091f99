"""Upstreams made of what the configuration or an administrator says of them."""

from dataclasses import dataclass, replace
from pathlib import Path

from actors.database.federation import SHARED
from config.gateway import McpSettings
from config.upstreams import (
    Authority,
    Federated,
    HeaderCredential,
    OutboundSettings,
    PersonalCredential,
)
from config.upstreams import Upstream as UpstreamSettings
from deployments.mcp_gateway.upstreams.credentials import (
    Credentials,
    Nothing,
    Personal,
    SecretFile,
)
from deployments.mcp_gateway.upstreams.health import UNDER_WAY_MAX
from deployments.mcp_gateway.upstreams.links import HttpLink, Link, StdioLink
from deployments.mcp_gateway.upstreams.offer import Rule, Terms
from deployments.mcp_gateway.upstreams.tokens import AuthorizationServer, Target, Tokens
from deployments.security.addresses import Private
from deployments.security.outbound import OutboundPolicy, outbound_client
from routing.clock import Clock

# A call's answer on an HTTP road: 64 KiB reach the caller, and the rest of a page is not read.
ANSWER_MAX = 4 * 1024 * 1024
# Longer than the longest timeout there may be; each call's own ends sooner.
ANSWER_S = 330.0
# A session of an older server holds a stream open beside its call; a few more say goodbye or list.
CONNECTIONS_MAX = 2 * UNDER_WAY_MAX + 20
# A token with all its claims is a few KB.
TOKEN_ANSWER_MAX = 64 * 1024
TOKEN_ANSWER_S = 10.0


def policy_of(outbound: OutboundSettings) -> OutboundPolicy:
    """What may be asked of upstreams."""
    return OutboundPolicy(
        Private.of(outbound.allow_private),
        frozenset(outbound.ports),
        answer_bytes=ANSWER_MAX,
        answer_s=ANSWER_S,
        connections=CONNECTIONS_MAX,
    )


class Authorities:
    """The authorization servers of the configuration, and who may ask which."""

    def __init__(self, settings: McpSettings, clock: Clock) -> None:
        outbound = policy_of(settings.outbound)
        policy = OutboundPolicy(
            outbound.private, outbound.ports,
            answer_bytes=TOKEN_ANSWER_MAX, answer_s=TOKEN_ANSWER_S,
        )  # fmt: skip
        self._http = outbound_client(policy)
        self._settings = settings.authorities
        self._tokens = {
            name: Tokens(_server(said), self._http, clock)
            for name, said in settings.authorities.items()
        }

    def for_tenant(self, name: str, tenant: str) -> bool:
        """Whether an administrator of the tenant may name it for a server of their own.

        Entra's on-behalf-of is the operator's alone: it has no `resource`, so its tokens are good
        for whatever the client is registered for, and not at one address only.
        """
        said = self._settings.get(name)
        if said is None or said.kind != "token_exchange":
            return False
        return not said.tenants or tenant in said.tenants

    def tokens(self, name: str) -> Tokens | None:
        """Those of one of them; None where it is not configured."""
        return self._tokens.get(name)

    async def aclose(self) -> None:
        """Ask nobody any more."""
        for tokens in self._tokens.values():
            await tokens.aclose()
        await self._http.aclose()


@dataclass(frozen=True, slots=True)
class Made:
    """An upstream's terms and the way to it."""

    terms: Terms
    link: Link


def from_configuration(
    name: str, said: UpstreamSettings, authorities: Authorities, policy: OutboundPolicy
) -> Made | None:
    """A server of the configuration; None where the authority it needs is not configured."""
    terms = terms_of(name, SHARED, said)
    if said.url is None:
        return Made(terms, StdioLink(said.command))
    credentials: Credentials = Nothing()
    match said.credential:
        case PersonalCredential() as personal:
            tokens = authorities.tokens(personal.authority)
            if tokens is None:
                return None
            target = Target(personal.resource or said.url, personal.audience, personal.scope)
            credentials = Personal(tokens, target)
            terms = replace(terms, is_personal=True)
        case HeaderCredential() as shared:
            credentials = SecretFile(Path(shared.file), shared.header, shared.prefix)
        case None:
            pass
    return Made(terms, HttpLink(said.url, credentials, policy))


def from_administrator(
    name: str,
    tenant: str,
    said: Federated,
    where: tuple[str, str | None],
    authorities: Authorities,
    policy: OutboundPolicy,
) -> Made | None:
    """A server of one tenant; `where` is its address and the authority it needs.

    Its tokens are good at its own address and nowhere else: whoever names an address cannot have
    tokens made for another.
    """
    url, authority = where
    credentials: Credentials = Nothing()
    if authority is not None:
        tokens = authorities.tokens(authority)
        if tokens is None or not authorities.for_tenant(authority, tenant):
            return None
        credentials = Personal(tokens, Target(url))
    terms = replace(terms_of(name, tenant, said), is_personal=authority is not None)
    return Made(terms, HttpLink(url, credentials, policy))


def terms_of(name: str, owner: str, said: Federated) -> Terms:
    """What the server and its tools may do."""
    rules = {
        tool: Rule(rule.side_effect, rule.approval, rule.permission)
        for tool, rule in said.tools.items()
    }
    return Terms(
        name,
        owner,
        said.permission,
        said.timeout_s,
        said.trust_on_first_use,
        said.elicitation == "relay",
        rules,
        reveals=frozenset(said.reveal),
    )


def _server(said: Authority) -> AuthorizationServer:
    secret = said.client_secret.get_secret_value()
    return AuthorizationServer(said.kind, said.token_url, said.client_id, secret)
