"""API keys: from the text a caller sends to a Principal, in constant time and mostly without I/O."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from actors.database.accounts import Accounts, ApiKey
from actors.subjects import API_KEY
from deployments.security.addresses import Address, Network
from deployments.security.client_address import networks_of, within
from deployments.security.errors import TurnedAway
from deployments.security.key_makers import KeyMakers
from deployments.security.naming import AS_SAID, Names
from deployments.security.principal import Principal
from routing.clock import Clock
from routing.errors import AccessError

# A revoked key dies within this many seconds in every replica.
CACHE_S = 5.0
# Keys in use at once in one replica; more are looked up again.
CACHE_MAX = 10_000
# A key of ours has 64 characters; what is longer is not one and is not hashed.
_LENGTH_MAX = 256
# The same words for a missing, a wrong, an expired and a revoked key, and for one that is used
# from elsewhere.
_WORDS = (
    "Say who is calling: an API key (Authorization: Bearer smk_… or X-API-Key), an identity provider's "
    "access token (Authorization: Bearer …), or a session (the cookie of a sign-on)."
)


@dataclass(frozen=True, slots=True)
class _Kept:
    until: float
    ends_at: float | None
    principal: Principal
    networks: tuple[Network, ...] | None
    claimed: frozenset[str] | None
    has_known_maker: bool


class ApiKeys:
    """Verifies keys, and remembers for a moment those that were good.

    The cache is keyed by the hash of the whole secret, so a hit is a proof of it, and a
    wrong secret can neither hit nor evict a right one.
    """

    def __init__(
        self,
        accounts: Accounts,
        grants: Mapping[str, frozenset[str]],
        clock: Clock,
        makers: KeyMakers | None = None,
        names: Names = AS_SAID,
    ) -> None:
        """Without `makers` a key is held to nothing but what it was given."""
        self._makers = makers
        self._names = names
        self._accounts = accounts
        self._grants = grants
        self._clock = clock
        self._good: dict[bytes, _Kept] = {}

    async def authenticate(self, secret: str, address: Address | None = None) -> Principal:
        """Who holds `secret` and calls from `address`.

        Raises:
            AccessError: nobody does.
            TurnedAway: no longer, or not from there.
        """
        if not secret or len(secret) > _LENGTH_MAX:
            raise AccessError("unauthenticated", _WORDS)
        digest = hashlib.sha256(secret.encode()).digest()
        kept = self._good.get(digest)
        if kept is None or self._clock.monotonic() >= kept.until:
            kept = await self._look_up(secret, digest)
        if kept.ends_at is not None and self._clock.now() >= kept.ends_at:
            raise TurnedAway(_WORDS, kept.principal, "key_expired")
        if kept.networks is not None and (address is None or not within(address, kept.networks)):
            raise TurnedAway(_WORDS, kept.principal, "key_network")
        if self._makers is None:
            return kept.principal
        if kept.has_known_maker and not self._makers.know(kept.principal, kept.claimed):
            # They are erased at this moment, and their keys with them: not one that was less is whole again.
            kept = await self._look_up(secret, digest)
        return self._makers.held(kept.principal, kept.claimed)

    async def _look_up(self, secret: str, digest: bytes) -> _Kept:
        # Before the question: what is revoked while it is asked ends with this answer's time.
        until = self._clock.monotonic() + CACHE_S
        key = await self._accounts.proven(secret)
        if key is None:
            self._good.pop(digest, None)
            raise AccessError("unauthenticated", _WORDS)
        permissions = frozenset[str]().union(*(self._grants.get(role, ()) for role in key.roles))
        if key.scopes is not None:
            permissions &= key.scopes
        made_by = _owner(key)
        principal = Principal(
            key.tenant,
            f"{API_KEY}{key.key_id}",
            key.roles,
            permissions,
            as_of=key.created_at,
            owner=None if made_by is None else self._names.of(key.tenant, made_by),
        )
        if not key.is_live(self._clock.now()):
            self._good.pop(digest, None)
            why = "key_expired" if key.revoked_at is None else "key_revoked"
            raise TurnedAway(_WORDS, principal, why)
        claimed, is_known = None, False
        if self._makers is not None and principal.owner is not None:
            claimed = await self._makers.claimed(key.tenant, principal.owner)
            if claimed is None and made_by is not None and made_by != principal.owner:
                # Sign-ons from before names were kept in one spelling are under the one of the key.
                claimed = await self._makers.claimed(key.tenant, made_by)
            is_known = self._makers.know(principal, claimed)
        networks = None if key.networks is None else networks_of(key.networks)
        if len(self._good) >= CACHE_MAX:
            self._good.clear()
        kept = _Kept(until, key.expires_at, principal, networks, claimed, is_known)
        self._good[digest] = kept
        return kept


def _owner(key: ApiKey) -> str | None:
    """Who made it; of keys that replaced one another on the machine itself, the first."""
    if key.created_by is not None:
        return key.created_by
    return None if key.family in {None, key.key_id} else f"{API_KEY}{key.family}"
