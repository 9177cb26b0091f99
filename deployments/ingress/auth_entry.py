"""The ways in, composed: API keys, access tokens and sessions, the same in every replica."""

import httpx2

from actors.database.accounts import Accounts
from actors.database.engine import Database
from actors.database.sessions import SessionRow, SessionStore
from actors.database.sign_ons import SignOns
from config.identity import identities_of
from config.settings import Settings
from deployments.boot import Boot
from deployments.ingress.auth_keys import KeyRoutes
from deployments.ingress.auth_sso import SsoRoutes
from deployments.ingress.authentication import Authentication
from deployments.ingress.routes import Operation
from deployments.security.api_keys import ApiKeys
from deployments.security.attempts import Attempts
from deployments.security.bearer_tokens import BearerTokens, Entitlements, Vouching
from deployments.security.client_address import networks_of
from deployments.security.discovery import Directory, policy_for
from deployments.security.outbound import outbound_client, outbound_transport
from deployments.security.pepper import read_pepper
from deployments.security.principal import Principal
from deployments.security.rbac import roles_of
from deployments.security.saml.sign_on import SamlSignOn
from deployments.security.sessions import Sessions
from deployments.security.sign_on import SignOn
from deployments.security.tokens import TokenVerifier
from deployments.security.trail import Trail
from routing.clock import Clock


class AuthEntry:
    """Who may come in, and how. `authentication` is for every route, `operations` are its own.

    `permissions` are all there are.
    """

    def __init__(
        self,
        boot: Boot,
        settings: Settings,
        database: Database,
        clock: Clock,
        trail: Trail,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Compose.

        Raises:
            ConfigError: a provider would accept what it must not, or the pepper cannot be read.
        """
        roles = roles_of(settings.rbac)
        self.permissions = roles.permissions
        identities = identities_of(settings)
        providers = identities.providers
        policy = policy_for(providers)
        shared = outbound_transport(policy) if transport is None else transport
        self._http = outbound_client(policy, transport=shared)
        self._directory = Directory(providers, self._http, clock)
        entitlements = Entitlements((*providers, *identities.saml), roles.grants)
        by_name: dict[str, Vouching] = {each.name: each for each in providers if each.signs_on}
        by_name.update({each.name: each for each in identities.saml})

        def principal_of(row: SessionRow) -> Principal | None:
            provider = by_name.get(row.provider)
            if provider is None:
                return None
            return entitlements.principal(provider, row.subject, row.roles)

        store = SessionStore(database)
        sessions = Sessions(store, principal_of, clock, trail)
        accounts = Accounts(database, read_pepper(boot.key_pepper))
        attempts = Attempts(SignOns(database), clock)
        saml = SamlSignOn(identities.saml, entitlements, attempts, sessions, clock, trail)
        sign_on = SignOn(
            providers,
            self._directory,
            shared,
            entitlements,
            attempts,
            sessions,
            store,
            clock,
            trail,
        )
        verifier = TokenVerifier(providers, self._directory, clock)
        self.authentication = Authentication(
            ApiKeys(accounts, roles.grants, clock),
            BearerTokens(verifier, entitlements),
            sessions,
            sign_on.origins | saml.origins,
            networks_of(settings.server.trusted_proxies),
        )
        self._routes = (
            SsoRoutes(sign_on, saml, self.authentication),
            KeyRoutes(accounts, roles.grants, roles.limits, clock),
        )

    def operations(self) -> list[Operation]:
        """The rows of sign-on and of keys."""
        sso, keys = self._routes
        return [*sso.operations(), *keys.operations()]

    async def aclose(self) -> None:
        """Close what is open to providers."""
        await self._directory.aclose()
        await self._http.aclose()
