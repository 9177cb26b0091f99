"""What the database keeps of an API key: a hash that is of no use without a file it does not hold."""

import hashlib
import hmac
from collections.abc import Sequence

_KEYED = "hmac"
# Enough to tell a handful of peppers apart, and nothing of what they are.
_NAME_LENGTH = 8


class KeyHash:
    """HMAC-SHA256 under a pepper.

    Several peppers while one is replaced: the first hashes, all are tried by name. Keys made
    before there was a pepper are plain SHA-256 of 256 random bits and stay good: they have no
    dictionary to try.
    """

    def __init__(self, peppers: Sequence[bytes] = ()) -> None:
        self._peppers = {_name(pepper): pepper for pepper in peppers}
        self._first = _name(peppers[0]) if peppers else None

    def of(self, secret: str) -> str:
        """What is kept of `secret`, the whole `smk_…` text."""
        if self._first is None:
            return hashlib.sha256(secret.encode()).hexdigest()
        return f"{_KEYED}:{self._first}:{self._keyed(self._first, secret)}"

    def matches(self, kept: str, secret: str) -> bool:
        """Whether `kept` is of `secret`; takes the same time either way."""
        kind, _, rest = kept.partition(":")
        if kind != _KEYED:
            return hmac.compare_digest(kept, hashlib.sha256(secret.encode()).hexdigest())
        name, _, digest = rest.partition(":")
        if name not in self._peppers:
            return False
        return hmac.compare_digest(digest, self._keyed(name, secret))

    def _keyed(self, name: str, secret: str) -> str:
        return hmac.new(self._peppers[name], secret.encode(), hashlib.sha256).hexdigest()


def _name(pepper: bytes) -> str:
    return hashlib.sha256(b"name of a pepper:" + pepper).hexdigest()[:_NAME_LENGTH]
