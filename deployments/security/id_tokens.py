"""The two tokens a provider sends to an application: who signed on, and who is to be signed off."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from config.identity import IdentityProvider
from deployments.security.claims import (
    audiences_of,
    check_issuer,
    check_times,
    signed_on_at,
    subject_of,
)
from deployments.security.compact import Compact, take_apart
from deployments.security.discovery import Directory
from deployments.security.errors import TokenRefused
from deployments.security.tokens import signed_by

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
# Core 3.1.3.6: half of the hash that the signature uses.
_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
_NAME_MAX = 255
# A logout token is shown at once; its specification advises two minutes.
LOGOUT_LIFE_S = 300.0


@dataclass(frozen=True, slots=True)
class SignedOn:
    """Somebody of whom a provider just said that it is they.

    `at` is when they last proved it, in seconds since the epoch, if the provider says so.
    """

    subject: str
    claims: Mapping[str, object]
    session: str | None
    at: float | None


@dataclass(frozen=True, slots=True)
class SignOff:
    """Whose sessions a provider ends: one of them by its name, or all of a subject's."""

    token_id: str
    subject: str | None
    session: str | None


async def read_id_token(
    text: str,
    provider: IdentityProvider,
    directory: Directory,
    nonce: str,
    access_token: str | None,
    now: float,
) -> SignedOn:
    """Who signed on.

    Raises:
        TokenRefused: the token is not for us, not for this attempt, or no ID token.
        IdentityProviderUnavailable: the provider's keys cannot be read.
    """
    token = take_apart(text)
    if token.type not in {"", "jwt"} or "events" in token.claims:
        raise TokenRefused("not an ID token")
    await signed_by(token, provider, directory)
    _check_recipient(token, provider)
    said = token.claims.get("nonce")
    if not isinstance(said, str) or not hmac.compare_digest(said.encode(), nonce.encode()):
        raise TokenRefused("nonce")
    check_times(token.claims, now)
    _check_access_hash(token, access_token)
    subject = subject_of(token.claims, provider)
    at = signed_on_at(token.claims, now)
    return SignedOn(subject, token.claims, _name(token.claims, "sid"), at)


async def read_logout_token(
    text: str, provider: IdentityProvider, directory: Directory, now: float
) -> SignOff:
    """Whom the provider signs off (OpenID Connect Back-Channel Logout 1.0, section 2.6).

    Raises:
        TokenRefused: it is no logout token of theirs for us.
        IdentityProviderUnavailable: the provider's keys cannot be read.
    """
    token = take_apart(text)
    # The specification recommends the type and providers leave it out; the event is the proof.
    if token.type not in {"logout+jwt", "jwt", ""} or "nonce" in token.claims:
        raise TokenRefused("not a logout token")
    await signed_by(token, provider, directory)
    _check_recipient(token, provider)
    events = token.claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise TokenRefused("not a logout token")
    issued_at = token.claims.get("iat")
    if not isinstance(issued_at, int) or isinstance(issued_at, bool):
        raise TokenRefused("times")
    ends_at = issued_at + LOGOUT_LIFE_S
    check_times({"exp": ends_at, **token.claims}, now)
    if now >= ends_at:
        raise TokenRefused("expired")
    token_id, session = _name(token.claims, "jti"), _name(token.claims, "sid")
    subject = subject_of(token.claims, provider) if provider.subject_claim in token.claims else None
    if token_id is None or (subject is None and session is None):
        raise TokenRefused("not a logout token")
    return SignOff(token_id, subject, session)


def _check_recipient(token: Compact, provider: IdentityProvider) -> None:
    check_issuer(token.claims, provider)
    audiences = audiences_of(token.claims)
    party = token.claims.get("azp")
    if not provider.client_id or provider.client_id not in audiences:
        raise TokenRefused("audience")
    if party is not None and party != provider.client_id:
        raise TokenRefused("audience")
    if party is None and len(audiences) > 1:
        raise TokenRefused("audience")


def _check_access_hash(token: Compact, access_token: str | None) -> None:
    said = token.claims.get("at_hash")
    if said is None:
        return
    if not isinstance(said, str) or access_token is None:
        raise TokenRefused("at_hash")
    digest = _HASHES[token.algorithm[-3:]](access_token.encode()).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not hmac.compare_digest(half, said.encode()):
        raise TokenRefused("at_hash")


def _name(claims: Mapping[str, object], name: str) -> str | None:
    said = claims.get(name)
    return said if isinstance(said, str) and 0 < len(said) <= _NAME_MAX else None
