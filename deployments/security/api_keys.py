"""API keys: from the text a caller sends to a Principal, in constant time and mostly without I/O."""

import hashlib
from collections.abc import Mapping

from actors.database.accounts import Accounts
from deployments.security.principal import API_KEY, Principal
from routing.clock import Clock
from routing.errors import AccessError

# A revoked key dies within this many seconds in every replica.
CACHE_S = 5.0
# Keys in use at once in one replica; more are looked up again.
CACHE_MAX = 10_000
# A key of ours has 64 characters; what is longer is not one and is not hashed.
_LENGTH_MAX = 256


class ApiKeys:
    """Verifies keys, and remembers for a moment those that were good.

    The cache is keyed by the hash of the whole secret, so a hit is a proof of it, and a
    wrong secret can neither hit nor evict a right one.
    """

    def __init__(
        self, accounts: Accounts, grants: Mapping[str, frozenset[str]], clock: Clock
    ) -> None:
        self._accounts = accounts
        self._grants = grants
        self._clock = clock
        self._good: dict[bytes, tuple[float, Principal]] = {}

    async def authenticate(self, secret: str) -> Principal:
        """Who holds `secret`.

        Raises:
            AccessError: nobody does, or no longer.
        """
        if not secret or len(secret) > _LENGTH_MAX:
            raise _unknown()
        digest = hashlib.sha256(secret.encode()).digest()
        now = self._clock.monotonic()
        kept = self._good.get(digest)
        if kept is not None and now < kept[0]:
            return kept[1]
        key = await self._accounts.verify(secret, self._clock.now())
        if key is None:
            self._good.pop(digest, None)
            raise _unknown()
        permissions = frozenset[str]().union(*(self._grants.get(role, ()) for role in key.roles))
        principal = Principal(key.tenant, f"{API_KEY}{key.key_id}", key.roles, permissions)
        if len(self._good) >= CACHE_MAX:
            self._good.clear()
        self._good[digest] = (now + CACHE_S, principal)
        return principal


def _unknown() -> AccessError:
    # The same words for a missing, a wrong, an expired and a revoked key.
    return AccessError(
        "unauthenticated", "Send a valid API key: Authorization: Bearer smk_… or X-API-Key."
    )
