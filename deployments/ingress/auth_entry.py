"""The ways in, composed: API keys, access tokens and sessions, the same in every replica."""

import httpx2

from actors.database.accounts import Accounts
from actors.database.directory_changes import DirectoryChanges
from actors.database.engine import Database
from actors.database.role_assignments import RoleAssignments
from actors.database.sessions import SessionRow, SessionStore
from config.identity import identities_of
from config.scim import directories_of
from config.settings import Settings
from deployments.boot import Boot
from deployments.haproxy import secret_of
from deployments.ingress.auth_keys import KeyRoutes
from deployments.ingress.auth_sign_on import SignOnDesk
from deployments.ingress.authentication import Authentication
from deployments.ingress.roles import RoleRoutes
from deployments.ingress.routes import Operation
from deployments.ingress.scim import ScimDesk
from deployments.security.api_keys import ApiKeys
from deployments.security.assigned_roles import AssignedRoles
from deployments.security.bearer_tokens import BearerTokens, Entitlements, Vouching
from deployments.security.client_address import networks_of
from deployments.security.constraints import shortest_s
from deployments.security.discovery import Directory, policy_for
from deployments.security.key_makers import KeyMakers
from deployments.security.naming import Names
from deployments.security.outbound import outbound_client, outbound_transport
from deployments.security.peer import Peer
from deployments.security.pepper import read_pepper, read_peppers
from deployments.security.principal import Principal
from deployments.security.rbac import constrained, roles_of
from deployments.security.sessions import Sessions
from deployments.security.standing import Standing
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
        self.directories = directories_of(settings, identities)
        self._standing = standing = Standing(
            self.directories, roles.grants, DirectoryChanges(database), clock
        )
        given, names = RoleAssignments(database), Names(self.directories)
        self._assigned = AssignedRoles(given, roles.grants, clock, names)
        vouching: tuple[Vouching, ...] = (*providers, *identities.saml, *identities.directories)
        sources = (standing, self._assigned)
        entitlements = Entitlements(vouching, roles.grants, sources, names)
        by_name: dict[str, Vouching] = {each.name: each for each in providers if each.signs_on}
        by_name.update({each.name: each for each in identities.saml})
        by_name.update({each.name: each for each in identities.directories})

        def principal_of(row: SessionRow) -> Principal | None:
            provider = by_name.get(row.provider)
            if provider is None:
                return None
            return entitlements.principal(provider, row.subject, row.roles)

        store = SessionStore(database)
        makers = KeyMakers(vouching, roles.grants, roles.limits, sources, store)
        sessions = Sessions(store, principal_of, clock, trail, standing, names)
        accounts = Accounts(database, read_pepper(boot.key_pepper))
        self._desk = desk = SignOnDesk(
            identities,
            self._directory,
            shared,
            entitlements,
            sessions,
            database,
            read_peppers(boot.key_pepper),
            clock,
            trail,
            shortest_s(roles.constraints),
        )
        verifier = TokenVerifier(providers, self._directory, clock)
        self.authentication = Authentication(
            ApiKeys(accounts, roles.grants, clock, makers, names),
            BearerTokens(verifier, entitlements),
            sessions,
            desk.origins,
            networks_of(settings.server.trusted_proxies),
            standing,
            Peer(secret_of(boot.home)),
            self._assigned,
            constrained(roles.constraints, clock),
        )
        self._scim = ScimDesk(self.directories, database, trail, clock, standing.news)
        self._roles = RoleRoutes(roles, given, clock, names)
        self._keys = KeyRoutes(accounts, roles.grants, roles.limits, clock)

    def operations(self) -> list[Operation]:
        """The rows of sign-on, of keys, of roles and of directories."""
        return [
            *self._desk.operations(self.authentication),
            *self._keys.operations(),
            *self._roles.operations(),
            *self._scim.operations(),
        ]

    async def aclose(self) -> None:
        """Close what is open to providers."""
        self._desk.close()
        await self._standing.aclose()
        await self._assigned.aclose()
        await self._directory.aclose()
        await self._http.aclose()
