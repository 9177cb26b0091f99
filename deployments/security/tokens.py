"""JWT access tokens: from the text a caller sends to what is true of them.

The issuer in the token only chooses which provider's rules it is held against; everything it
must satisfy is the configuration's.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from actors.subjects import PROGRAM
from config.identity import IdentityProvider
from deployments.security.claims import (
    check_access,
    check_issuer,
    check_times,
    is_program,
    signed_on_at,
    subject_of,
)
from deployments.security.compact import TOKEN_MAX, Compact, take_apart
from deployments.security.discovery import Directory
from deployments.security.errors import TokenRefused
from deployments.security.signing_keys import SigningKeys
from routing.clock import Clock

# Tokens in use at once in one replica; one takes about 2 KB.
CACHE_MAX = 10_000
# A signature is checked again after this; keys that were withdrawn and subjects that were shut
# out end sooner, by themselves.
CACHE_S = 60.0


@dataclass(frozen=True, slots=True)
class Verified:
    """A token that is true, whose it is, when it was made and ends, and when its holder signed on."""

    provider: IdentityProvider
    subject: str
    claims: Mapping[str, object]
    issued_at: float
    expires_at: float
    signed_on_at: float | None


@dataclass(frozen=True, slots=True)
class _Kept:
    verified: Verified
    until: float
    keys: SigningKeys


class TokenVerifier:
    """Verifies access tokens, and remembers for a while those that were good.

    The memory is keyed by the hash of the whole token, and what is in it counts only while the
    keys are the ones it was checked with.
    """

    def __init__(
        self, providers: Iterable[IdentityProvider], directory: Directory, clock: Clock
    ) -> None:
        # Without an audience a provider's access tokens are for others.
        self._by_issuer = {each.issuer: each for each in providers if each.audiences}
        self._directory = directory
        self._clock = clock
        self._good: OrderedDict[bytes, _Kept] = OrderedDict()

    async def verify(self, text: str) -> Verified:
        """What is true of the token's holder.

        Raises:
            TokenRefused: it is no access token for this API, or no longer.
            IdentityProviderUnavailable: its issuer's keys cannot be read.
        """
        if len(text) > TOKEN_MAX or not text.isascii():
            raise TokenRefused("too long" if text.isascii() else "malformed")
        digest = hashlib.sha256(text.encode()).digest()
        if (kept := self._remembered(digest)) is not None:
            return kept
        token = take_apart(text)
        issuer = token.claims.get("iss")
        provider = self._by_issuer.get(issuer) if isinstance(issuer, str) else None
        if provider is None:
            raise TokenRefused("issuer")
        if token.type not in provider.token_types:
            raise TokenRefused("type")
        keys = await signed_by(token, provider, self._directory)
        now = self._clock.now()
        check_issuer(token.claims, provider)
        check_access(token.claims, provider)
        life = check_times(token.claims, now)
        subject = subject_of(token.claims, provider)
        if is_program(token.claims, provider):
            subject = f"{PROGRAM}{subject}"
        at = signed_on_at(token.claims, now)
        verified = Verified(provider, subject, token.claims, life.issued_at, life.expires_at, at)
        # The leeway is for clocks that differ, not for tokens that are over: none is remembered longer.
        self._good[digest] = _Kept(verified, min(now + CACHE_S, life.expires_at), keys)
        while len(self._good) > CACHE_MAX:
            self._good.popitem(last=False)
        return verified

    def _remembered(self, digest: bytes) -> Verified | None:
        kept = self._good.get(digest)
        if kept is None:
            return None
        fresh = self._directory.keys(kept.verified.provider).fresh()
        if self._clock.now() < kept.until and fresh is kept.keys:
            return kept.verified
        del self._good[digest]
        return None


async def signed_by(
    token: Compact, provider: IdentityProvider, directory: Directory
) -> SigningKeys:
    """The provider's keys, one of which signed the token.

    Raises:
        TokenRefused: none did.
        IdentityProviderUnavailable: they cannot be read.
    """
    if token.algorithm not in provider.algorithms:
        raise TokenRefused("algorithm")
    renewed = directory.keys(provider)
    keys = await renewed.get()
    if not keys.has(token):
        keys = await renewed.again()
    keys.must_have_signed(token, provider.algorithms)
    return keys
