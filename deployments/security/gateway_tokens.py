"""Tokens that let a vendor's cloud call a few reading tools at /mcp for one answer, and nothing else.

A vendor that is to call tools itself has to be given something to show. It is given this: for one
caller, one customer, one conversation, the named tools, five minutes. It is no key: no other
route knows it.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from joserfc.jws import JWSRegistry

from deployments.security.principal import Principal
from deployments.security.reach import ANY_CUSTOMER
from routing.clock import Clock

LIFE_S = 300.0
"""As long as the longest answer but one in a thousand; who gets hold of one has this long."""
TOOLS_MAX = 64
TOKEN_MAX = 8_192
"""Characters: 64 names of 64 characters in base64, and the rest."""

_TYPE = "supportmax-mcp+jwt"
_AUDIENCE = "supportmax/mcp"
_ALGORITHM = "HS256"
# Clocks of one region's machines, set by the same servers.
_LEEWAY_S = 5.0
_LABEL = b"supportmax hosted tools 1"


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token lets its bearer do: these tools, for this caller and customer."""

    principal: Principal
    customer: str | None
    conversation_id: str | None
    tools: frozenset[str]


class GatewayTokens:
    """Makes and reads them; `keys` are the gateway's, of which the first signs and all are believed."""

    def __init__(self, keys: Sequence[bytes], clock: Clock) -> None:
        # Not the keys themselves: what they seal is another thing, and must never open with these.
        self._keys = [
            OctKey.import_key(hmac.new(key, _LABEL, hashlib.sha256).digest()) for key in keys
        ]
        self._clock = clock
        self._registry = JWSRegistry(algorithms=[_ALGORITHM])

    def mint(self, granted: Granted, permissions: frozenset[str]) -> str:
        """A token for `granted`, whose bearer may do what both it and the caller may."""
        principal, now = granted.principal, self._clock.now()
        if granted.customer is not None:
            # Whoever the token is about, and nobody else: it binds the customer.
            permissions |= {ANY_CUSTOMER}
        claims = {
            "aud": _AUDIENCE,
            "exp": int(now + LIFE_S),
            "iat": int(now),
            "jti": secrets.token_hex(8),
            "tenant": principal.tenant,
            "sub": principal.subject,
            "owner": principal.owner,
            "roles": sorted(principal.roles),
            "permissions": sorted(permissions & principal.permissions),
            "customer": granted.customer,
            "conversation": granted.conversation_id,
            "tools": sorted(granted.tools)[:TOOLS_MAX],
        }
        header = {"alg": _ALGORITHM, "typ": _TYPE}
        return jwt.encode(header, claims, self._keys[0], registry=self._registry)

    def read(self, token: str) -> Granted | None:
        """What the token grants; None where it is none of ours, or not now."""
        if len(token) > TOKEN_MAX or token.count(".") != 2:
            return None
        for key in self._keys:
            try:
                found = jwt.decode(token, key, registry=self._registry)
            except (JoseError, ValueError):
                continue
            if found.header.get("typ") != _TYPE:
                return None
            return self._granted(found.claims)
        return None

    def _granted(self, claims: dict[str, object]) -> Granted | None:
        now = self._clock.now()
        match claims:
            case {
                "aud": str(audience),
                "exp": int(ends_at),
                "iat": int(made_at),
                "tenant": str(tenant),
                "sub": str(subject),
                "owner": str() | None as owner,
                "roles": list(roles),
                "permissions": list(permissions),
                "customer": str() | None as customer,
                "conversation": str() | None as conversation,
                "tools": list(tools),
            }:
                pass
            case _:
                return None
        is_alive = made_at - _LEEWAY_S <= now < ends_at
        if audience != _AUDIENCE or not is_alive or ends_at - made_at > LIFE_S:
            return None
        principal = Principal(
            tenant,
            subject,
            frozenset(str(role) for role in roles),
            frozenset(str(permission) for permission in permissions),
            # Seconds are whole in a token: what was made in this one was made at its beginning.
            as_of=float(made_at),
            owner=owner,
        )
        return Granted(principal, customer, conversation, frozenset(str(tool) for tool in tools))
