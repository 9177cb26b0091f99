"""A data key, wrapped by a provider and looked at: what comes back is what went in, or it is not used.

`wrapped` is a fingerprint of the key and the provider's own text. A key that a provider damaged,
or gave back as another one, would otherwise seal texts that nobody can open again.
"""

import hashlib
import hmac

from actors.sealing.errors import ProviderRefused, ProviderUnavailable
from actors.sealing.provider import KeyContext, KeyProvider, Providers
from actors.sealing.store import StoredKey

KEY_BYTES = 32
# 128 bits of a MAC under the key itself say nothing of a random key of 256.
_MARK_DIGITS = 32


async def wrap_key(provider: KeyProvider, key: bytes, context: KeyContext) -> str:
    """The key as it is kept, once the provider has shown that it can unwrap it.

    Raises:
        ProviderRefused: it does not wrap, or does not unwrap, for us.
        ProviderUnavailable: it did not answer.
    """
    blob = await provider.wrap(key, context)
    if not hmac.compare_digest(await provider.unwrap(blob, context), key):
        raise ProviderUnavailable(provider.name, "what it wrapped comes back as something else")
    return f"{_mark(key)}.{blob}"


async def unwrap_key(providers: Providers, row: StoredKey) -> bytes:
    """The key that is kept in the row; raises as `wrap_key` does."""
    provider = providers.by_name.get(row.provider)
    if provider is None:
        message = "it wrapped a key, and is not set up any more"
        raise ProviderRefused(row.provider, message)
    mark, _, blob = row.wrapped.partition(".")
    key = await provider.unwrap(blob, row.context)
    if len(key) != KEY_BYTES or not hmac.compare_digest(mark, _mark(key)):
        raise ProviderRefused(row.provider, "what it unwrapped is not the key that was wrapped")
    return key


def _mark(key: bytes) -> str:
    return hmac.new(key, b"supportmax data key", hashlib.sha256).hexdigest()[:_MARK_DIGITS]
