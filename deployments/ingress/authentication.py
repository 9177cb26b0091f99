"""Where a caller's credentials are in an HTTP request.

This runs in the replica itself: replicas have ports of their own, past every proxy.
"""

import hmac
from collections.abc import Sequence
from typing import Protocol

from starlette.requests import Request

from deployments.ingress.auth_cookies import SESSION, read_cookie
from deployments.security.addresses import Address, Network
from deployments.security.client_address import client_address
from deployments.security.principal import Principal
from deployments.security.sessions import Session, Sessions
from routing.errors import AccessError

CSRF = "x-csrf-token"
"""The header in which our own pages show the token of GET /auth/user/permissions."""
# RFC 9110, 9.2.1: what changes nothing needs no proof of which page asked.
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Keys(Protocol):
    """Who holds an API key."""

    async def authenticate(self, secret: str, address: Address | None = None) -> Principal:
        """Raises AccessError."""
        ...


class Tokens(Protocol):
    """Who shows a JWT."""

    async def authenticate(self, text: str) -> Principal:
        """Raises AccessError or IdentityProviderUnavailable."""
        ...


class Authentication:
    """Turns a request's headers into its Principal: an API key, a JWT, or a browser's session."""

    def __init__(
        self,
        keys: Keys,
        tokens: Tokens | None = None,
        sessions: Sessions | None = None,
        origins: frozenset[str] = frozenset(),
        proxies: Sequence[Network] = (),
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._sessions = sessions
        self._origins = origins
        self._proxies = proxies

    async def __call__(self, request: Request) -> Principal:
        """Who is calling.

        Raises:
            AccessError: nobody known, or a page that is not ours sent somebody's cookie.
            IdentityProviderUnavailable: the keys of a token's issuer cannot be read.
        """
        secret = _shown(request)
        if self._tokens is not None and secret.count(".") == 2:  # no key of ours has a dot
            return await self._tokens.authenticate(secret)
        session = await self.session(request)
        if session is not None:
            return session.principal
        return await self._keys.authenticate(secret, self._address(request))

    async def session(self, request: Request) -> Session | None:
        """The session the request is made in; raises AccessError as above.

        None without a cookie, and where the request brings a credential of its own: a browser adds
        the cookie by itself, the other was meant.
        """
        secret = read_cookie(request, SESSION)
        if self._sessions is None or secret is None:
            return None
        if "authorization" in request.headers or "x-api-key" in request.headers:
            return None
        session = await self._sessions.authenticate(secret)
        if request.method not in _SAFE:
            self._must_be_ours(request, session)
        return session

    def _must_be_ours(self, request: Request, session: Session) -> None:
        """Return if one of our own pages sent this, and can read what only they can."""
        origin = request.headers.get("origin")
        if origin is None:
            ours = request.headers.get("sec-fetch-site") == "same-origin"
        else:
            ours = origin in self._origins
        shown = request.headers.get(CSRF, "")
        if not ours or not hmac.compare_digest(shown.encode(), session.csrf.encode()):
            message = f"A change by cookie comes from our own pages, with {CSRF}."
            raise AccessError("forbidden", message)

    def _address(self, request: Request) -> Address | None:
        if request.client is None:
            return None
        forwarded = request.headers.getlist("x-forwarded-for")
        return client_address(request.client.host, forwarded, self._proxies)


def _shown(request: Request) -> str:
    """The one credential in the headers, empty without; raises AccessError for several."""
    bearers = request.headers.getlist("authorization")
    keys = request.headers.getlist("x-api-key")
    if len(bearers) + len(keys) > 1:
        # Whichever a proxy in front looked at, it may have been the other one.
        raise AccessError("unauthenticated", "Send one credential, once.")
    if not bearers:
        return keys[0] if keys else ""
    scheme, _, token = bearers[0].partition(" ")
    if scheme.lower() != "bearer":
        raise AccessError("unauthenticated", "In Authorization, Bearer is the one scheme taken.")
    return token.strip()
