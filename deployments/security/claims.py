"""What a token says, checked against what its issuer may say: pure, after the signature."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from config.identity import IdentityProvider
from deployments.security.errors import TokenRefused

# Clocks of machines that keep time at all differ by less.
LEEWAY_S = 60.0
# Access tokens live an hour, of Auth0 a day; one for a year is a password nobody can change.
LIFETIME_MAX_S = 24 * 3600.0
# Identifiers of people and programs are 20 to 100 characters.
_NAME_MAX = 255
_AUDIENCES_MAX = 16
# What only ID tokens and logout tokens carry: a token meant to tell an application who signed on,
# or off, is no leave to call this API. And `cnf`: who shows such a token has to prove more than that.
_NOT_OF_ACCESS = ("nonce", "at_hash", "c_hash", "s_hash", "events", "sub_jwk", "cnf")
# What vendors call the program a token was given to: RFC 9068, OpenID Connect, Entra 1.0, Okta.
_CLIENT_CLAIMS = ("client_id", "azp", "appid", "cid")
# What they write into a token that a program got for itself: Entra, Auth0.
_OF_A_PROGRAM = (("idtyp", "app"), ("gty", "client-credentials"))
# Keycloak gives a client's own account this name and an id like a person's.
_SERVICE_ACCOUNT = "service-account-"


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a token was made and when it ends, in seconds since the epoch."""

    issued_at: float
    expires_at: float


def check_issuer(claims: Mapping[str, object], provider: IdentityProvider) -> None:
    """Return if the token is this provider's and has the values its configuration demands.

    Raises:
        TokenRefused: not so.
    """
    if claims.get("iss") != provider.issuer:
        raise TokenRefused("issuer")
    for name, value in provider.required.items():
        # No list of which one is the value: that would be somebody else's as well.
        if claims.get(name) != value:
            raise TokenRefused("required claim")


def check_access(claims: Mapping[str, object], provider: IdentityProvider) -> None:
    """Return if the token is leave to call this API, and not another kind of token.

    Raises:
        TokenRefused: not so.
    """
    if any(name in claims for name in _NOT_OF_ACCESS):
        raise TokenRefused("not an access token")
    if not provider.audiences.intersection(audiences_of(claims)):
        raise TokenRefused("audience")
    client = claims.get(provider.client_claim)
    if not isinstance(client, str) or not client:
        raise TokenRefused("not an access token")
    if provider.clients and client not in provider.clients:
        raise TokenRefused("client")


def audiences_of(claims: Mapping[str, object]) -> tuple[str, ...]:
    """For whom a token is.

    Raises:
        TokenRefused: that cannot be told.
    """
    said = claims.get("aud")
    every = [said] if isinstance(said, str) else said
    if not isinstance(every, list) or not 0 < len(every) <= _AUDIENCES_MAX:
        raise TokenRefused("audience")
    named = tuple(one for one in every if isinstance(one, str) and one)
    if len(named) != len(every):
        raise TokenRefused("audience")
    return named


def check_times(claims: Mapping[str, object], now: float) -> Lifetime:
    """When the token began and ends.

    Raises:
        TokenRefused: it has ended or not begun, or says neither, or lives too long.
    """
    expires_at, issued_at = _time(claims, "exp"), _time(claims, "iat")
    if expires_at is None or issued_at is None:
        raise TokenRefused("times")
    if now >= expires_at + LEEWAY_S:
        raise TokenRefused("expired")
    if issued_at > now + LEEWAY_S:
        raise TokenRefused("not yet valid")
    begins_at = _time(claims, "nbf")
    if begins_at is not None and begins_at > now + LEEWAY_S:
        raise TokenRefused("not yet valid")
    if not 0 <= expires_at - issued_at <= LIFETIME_MAX_S:
        raise TokenRefused("lifetime")
    return Lifetime(issued_at, expires_at)


def signed_on_at(claims: Mapping[str, object], now: float) -> float | None:
    """When the person last proved who they are (`auth_time`), if the token says it.

    Raises:
        TokenRefused: what it says is no time, or is to come.
    """
    said_at = _time(claims, "auth_time")
    if said_at is not None and said_at > now + LEEWAY_S:
        raise TokenRefused("not yet valid")
    return said_at


def subject_of(claims: Mapping[str, object], provider: IdentityProvider) -> str:
    """Whom the token is about, named apart from the subjects of every other provider.

    Raises:
        TokenRefused: nobody.
    """
    said = claims.get(provider.subject_claim)
    if not isinstance(said, str) or not 0 < len(said) <= _NAME_MAX:
        raise TokenRefused("subject")
    if not said.isprintable() or said != said.strip():
        raise TokenRefused("subject")
    return f"{provider.name}:{said}"


def is_program(claims: Mapping[str, object], provider: IdentityProvider) -> bool:
    """Whether an access token was given to a program for itself, and nobody signed on for it.

    RFC 9068, 2.2: `sub` is then the client. Entra has its object's id in `sub` and `oid` both, which of
    a person differ, and is asked for `idtyp`; Auth0 says `gty`. A program that is taken for a person is
    the worse mistake, so one sign is enough.
    """
    said = claims.get("sub")
    clients = (claims.get(name) for name in (provider.client_claim, *_CLIENT_CLAIMS))
    # Azure AD B2C has it so of people too; only where people are their `oid` is `sub` another word.
    is_object = provider.subject_claim == "oid" and said == claims.get("oid")
    if isinstance(said, str) and (said in clients or is_object):
        return True
    if any(claims.get(name) == value for name, value in _OF_A_PROGRAM):
        return True
    called = claims.get("preferred_username")
    return isinstance(called, str) and called.startswith(_SERVICE_ACCOUNT)


def _time(claims: Mapping[str, object], name: str) -> float | None:
    """A time, if the token has it; raises TokenRefused where it is none."""
    if name not in claims:
        return None
    said = claims[name]
    # True is an int to Python.
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise TokenRefused("times")
    try:
        seconds = float(said)
    except OverflowError:
        raise TokenRefused("times") from None
    if not math.isfinite(seconds) or seconds < 0:
        raise TokenRefused("times")
    return seconds
