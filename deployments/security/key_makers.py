"""What a key may do of what it was given: never more than the person who made it may do now.

A key outlives the day on which it was made, and so would every power its maker had on that day.
What they have now is what their directory's groups and administrators here give them, and what
their provider said when they last signed on.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from actors.subjects import API_KEY, PROGRAM
from deployments.security.bearer_tokens import RoleSource, Vouching
from deployments.security.money_limits import MoneyLimits
from deployments.security.principal import Principal

# Combinations of roles that were compared; a tenant's keys and people have a handful.
MEETS_MAX = 1_000


class KnownRoles(RoleSource, Protocol):
    """A source that can also say of whom it knows at all."""

    def knows(self, tenant: str, subject: str) -> bool:
        """Whether what it gives somebody, be it nothing, is what they have; raises DatabaseUnavailable."""
        ...


class SignOns(Protocol):
    """Who signed on with which roles: `SessionStore`."""

    async def last_roles(self, tenant: str, subject: str) -> frozenset[str] | None:
        """The roles a provider's word gave somebody when they last signed on; None if that is not kept."""
        ...


@dataclass(frozen=True, slots=True)
class Powers:
    """Roles, for what they move, and the permissions that are left of them."""

    roles: frozenset[str]
    permissions: frozenset[str]


class KeyMakers:
    """Holds keys to what their makers may do."""

    def __init__(
        self,
        providers: Iterable[Vouching],
        grants: Mapping[str, frozenset[str]],
        limits: MoneyLimits,
        sources: Sequence[KnownRoles],
        sign_ons: SignOns,
    ) -> None:
        """`sources` give roles beside what providers claim."""
        self._claimable = {
            (each.tenant, each.name): frozenset(rule.role for rule in each.roles)
            for each in providers
        }
        self._grants = grants
        self._limits = limits
        self._sources = tuple(sources)
        self._sign_ons = sign_ons
        self._meets: dict[tuple[frozenset[str], frozenset[str]], Powers | None] = {}

    async def claimed(self, tenant: str, maker: str) -> frozenset[str] | None:
        """What a provider's word gave the maker of a key when they last signed on; None if unknown."""
        return await self._sign_ons.last_roles(tenant, maker)

    def know(self, key: Principal, claimed: frozenset[str] | None) -> bool:
        """Whether anything here says what the maker of a key may do; raises DatabaseUnavailable."""
        maker = key.owner
        if maker is None or maker.startswith(API_KEY):
            return False
        here = [source.knows(key.tenant, maker) for source in self._sources]
        return claimed is not None or any(here)

    def held(self, key: Principal, claimed: frozenset[str] | None) -> Principal:
        """The key with at most what its maker may do at this moment.

        A maker whom nothing here knows, neither a directory nor an administrator nor a sign-on, holds
        it to nothing. Of one who never signed on here the provider's claims are not known: they count
        as all that its rules can give.

        Raises:
            DatabaseUnavailable: what the maker was given could not be read for too long.
        """
        maker = key.owner
        if maker is None or not self.know(key, claimed):
            return key
        if claimed is None:
            name = maker.removeprefix(PROGRAM).partition(":")[0]
            claimed = self._claimable.get((key.tenant, name), frozenset())
        has = claimed.union(*(source.roles_of(key.tenant, maker) for source in self._sources))
        both = (key.roles, has)
        if both not in self._meets:
            if len(self._meets) >= MEETS_MAX:
                self._meets.clear()
            self._meets[both] = self._meet(*both)
        powers = self._meets[both]
        if powers is None:
            return key
        return replace(key, roles=powers.roles, permissions=key.permissions & powers.permissions)

    def _meet(self, given: frozenset[str], has: frozenset[str]) -> Powers | None:
        """What is left of the key's roles; None if all of it is."""
        if all(self._covers(has, role) for role in given):
            return None
        both = (given, has)
        roles = (role for role in given | has if all(self._covers(each, role) for each in both))
        return Powers(frozenset(roles), self._granted(has))

    def _covers(self, roles: frozenset[str], role: str) -> bool:
        """Whether whoever has `roles` can do and move all that the one role can."""
        if not self._grants.get(role, frozenset()) <= self._granted(roles):
            return False
        limits = self._limits
        return all(limits.of(name, (role,)) <= limits.of(name, roles) for name in limits.cents)

    def _granted(self, roles: frozenset[str]) -> frozenset[str]:
        return frozenset[str]().union(*(self._grants.get(role, ()) for role in roles))
