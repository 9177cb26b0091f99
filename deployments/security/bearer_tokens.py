"""JWT access tokens as credentials: the same Principal an API key gives, with the roles of the claims."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from config.security import RoleRule
from deployments.security.errors import TokenRefused
from deployments.security.naming import AS_SAID, Names
from deployments.security.principal import Principal
from deployments.security.token_roles import RoleRules, scopes_in
from deployments.security.tokens import TokenVerifier
from routing.errors import AccessError, ConfigError


class Vouching(Protocol):
    """A provider, as far as what it says of people goes; of tokens, of SAML, or a directory."""

    @property
    def name(self) -> str:
        """By which the configuration knows it; there is one of each."""
        ...

    @property
    def tenant(self) -> str:
        """Whose people it speaks of."""
        ...

    @property
    def roles(self) -> tuple[RoleRule, ...]:
        """What its words mean here."""
        ...


class RoleSource(Protocol):
    """Who gives a person roles beside what a provider claims of them."""

    def roles_of(self, tenant: str, subject: str) -> frozenset[str]:
        """The roles the tenant's person has from here: at once, from what was read last.

        A source whose last reading is too old to be believed gives none.
        """
        ...


class Entitlements:
    """What somebody may do, by the claims a provider makes of them and the roles `sources` add."""

    def __init__(
        self,
        providers: Iterable[Vouching],
        grants: Mapping[str, frozenset[str]],
        sources: Sequence[RoleSource] = (),
        names: Names = AS_SAID,
    ) -> None:
        """Read the rules.

        Raises:
            ConfigError: one gives a role that the policy does not know.
        """
        self._grants = grants
        self._sources = tuple(sources)
        self._names = names
        self._rules: dict[str, RoleRules] = {}
        for provider in providers:
            for rule in provider.roles:
                if rule.role not in grants:
                    message = f"{provider.name}: the policy grants nothing to {rule.role}"
                    raise ConfigError("configuration", None, "sso.roles", message)
            self._rules[provider.name] = RoleRules(provider.roles)

    def roles_in(self, provider: Vouching, claims: Mapping[str, object]) -> frozenset[str]:
        """The roles the provider's rules give; TokenRefused if there are more groups than anybody has."""
        return self._rules[provider.name].roles_in(claims)

    def principal(self, provider: Vouching, subject: str, roles: frozenset[str]) -> Principal:
        """Somebody of the provider's own tenant, with these roles and those that are theirs just now."""
        tenant = provider.tenant
        subject = self._names.of(tenant, subject)
        roles = roles.union(*(source.roles_of(tenant, subject) for source in self._sources))
        granted = frozenset[str]().union(*(self._grants.get(role, ()) for role in roles))
        return Principal(tenant, subject, roles, granted)


class BearerTokens:
    """Turns access tokens into principals."""

    def __init__(self, verifier: TokenVerifier, entitlements: Entitlements) -> None:
        self._verifier = verifier
        self._entitlements = entitlements

    async def authenticate(self, text: str) -> Principal:
        """Who shows the token.

        Raises:
            AccessError: it opens nothing; the words say which of its parts is wrong.
            IdentityProviderUnavailable: its issuer's keys cannot be read.
        """
        try:
            verified = await self._verifier.verify(text)
            provider = verified.provider
            roles = self._entitlements.roles_in(provider, verified.claims)
            principal = replace(
                self._entitlements.principal(provider, verified.subject, roles),
                as_of=verified.issued_at,
                signed_on_at=verified.signed_on_at,
            )
            if not provider.limit_by_scope:
                return principal
            scopes = scopes_in(verified.claims)
        except TokenRefused as error:
            raise AccessError(
                "unauthenticated", f"The access token is refused: {error.reason}."
            ) from error
        return replace(principal, permissions=principal.permissions & scopes)
