"""Where a caller's credentials are in an HTTP request.

This runs in the replica itself: replicas have ports of their own, past every proxy.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from starlette.requests import Request

from deployments.ingress.auth_cookies import SESSION, read_cookie
from deployments.security.addresses import Address, Network
from deployments.security.assigned_roles import AssignedRoles
from deployments.security.client_address import client_address
from deployments.security.peer import Peer
from deployments.security.principal import Principal
from deployments.security.sessions import Session, Sessions
from deployments.security.standing import Standing
from routing.errors import AccessError

Constrained = Callable[[Principal, Address | None], Principal]
"""A caller from an address, without what a constraint keeps from them just now."""

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
        standing: Standing | None = None,
        peer: Peer | None = None,
        assigned: AssignedRoles | None = None,
        constrained: Constrained | None = None,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._sessions = sessions
        self._origins = origins
        self._proxies = proxies
        self._standing = standing
        self._assigned = assigned
        self._constrained = constrained
        self._peer = Peer() if peer is None else peer

    async def __call__(self, request: Request) -> Principal:
        """Who is calling.

        Raises:
            AccessError: nobody known or nobody any more, or a page that is not ours sent
                somebody's cookie.
            IdentityProviderUnavailable: the keys of a token's issuer cannot be read.
            DatabaseUnavailable: who was put out cannot be read.
        """
        secret = _shown(request)
        if self._tokens is not None and secret.count(".") == 2:  # no key of ours has a dot
            await self._read_on()
            known = self._standing_still(await self._tokens.authenticate(secret))
            return self._held_back(known, request)
        session = await self.session(request)
        if session is not None:
            return session.principal
        await self._read_on()
        known = self._standing_still(await self._keys.authenticate(secret, self.address(request)))
        return self._held_back(known, request)

    async def must_stand(self, principal: Principal) -> None:
        """Return if the directory has not put a caller out who was let in by something else.

        Raises:
            AccessError: it has.
            DatabaseUnavailable: that cannot be read.
        """
        await self._read_on()
        self._standing_still(principal)

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
        # Before who they are: what they may do comes from there too.
        await self._read_on()
        session = await self._sessions.authenticate(secret)
        standing = self._standing_still(session.principal)
        known = replace(standing, signed_on_at=session.row.signed_on_at)
        session = replace(session, principal=self._held_back(known, request))
        if request.method not in _SAFE:
            self._must_be_ours(request, session)
        return session

    async def _read_on(self) -> None:
        if self._standing is not None:
            await self._standing.refresh()
        if self._assigned is not None:
            await self._assigned.refresh()

    def _held_back(self, principal: Principal, request: Request) -> Principal:
        """The caller, without what a constraint keeps from them just now."""
        if self._constrained is None:
            return principal
        return self._constrained(principal, self.address(request))

    def _standing_still(self, principal: Principal) -> Principal:
        """The caller, unless the directory put them out."""
        if self._standing is not None:
            self._standing.must_stand(principal)
        return principal

    def is_ours(self, request: Request) -> bool:
        """Whether a page of ours sent this, as far as a browser says so."""
        origin = request.headers.get("origin")
        if origin is None:
            return request.headers.get("sec-fetch-site") == "same-origin"
        return origin in self._origins

    def _must_be_ours(self, request: Request, session: Session) -> None:
        """Return if one of our own pages sent this, and can read what only they can."""
        shown = request.headers.get(CSRF, "")
        if not self.is_ours(request) or not hmac.compare_digest(
            shown.encode(), session.csrf.encode()
        ):
            message = f"A change by cookie comes from our own pages, with {CSRF}."
            raise AccessError("forbidden", message)

    def address(self, request: Request) -> Address | None:
        """Where the caller is, as far as proxies of ours say so."""
        peer = self._peer.of(request)
        if peer is None:
            return None
        return client_address(peer, request.headers.getlist("x-forwarded-for"), self._proxies)


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
