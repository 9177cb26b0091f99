"""What stands for people and conversations towards a vendor: keyed hashes, which say nothing else.

The key is derived from the tenant's own secret. Without it nobody can tell whose a hash is by
trying names, and ids that are counted or are addresses would be found in seconds.
"""

import hmac

from deployments.privacy.sealer import TenantKeys

# One for each use: who has both never learns that two of them are of one person.
_USER = "vendor user"
_THREAD = "vendor conversation"
# 128 bits: no two people of a tenant share one, and every vendor takes as many characters.
_DIGITS = 32


class Pseudonyms:
    """Names people and conversations for vendors: the same in every replica and after every start."""

    def __init__(self, keys: TenantKeys) -> None:
        self._keys = keys

    async def safety_id(self, tenant: str, user_id: str | None) -> str | None:
        """What stands for the end user towards a vendor; nothing is asked where there is none.

        Raises:
            KeysUnavailable: the tenant's key cannot be had just now.
        """
        if user_id is None:
            return None
        await self._keys.ready(tenant)
        return _hashed(self._keys.derive(tenant, _USER), user_id).hex()[:_DIGITS]

    async def thread_key(self, tenant: str, user_id: str | None, conversation_id: str) -> str:
        """What stands for a conversation towards a platform that remembers it; raises likewise."""
        await self._keys.ready(tenant)
        whose = _hashed(self._keys.derive(tenant, _THREAD), user_id or "")
        return _hashed(whose, conversation_id).hex()[:_DIGITS]


def _hashed(key: bytes, name: str) -> bytes:
    # A name may hold anything that JSON can say, a lone surrogate too.
    return hmac.digest(key, name.encode("utf-8", "surrogatepass"), "sha256")
