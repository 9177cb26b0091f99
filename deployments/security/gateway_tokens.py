"""Tokens that let a vendor's cloud call a few reading tools at /mcp for one answer, and nothing else.

A vendor that is to call tools itself has to be given something to show. It is given this: for one
caller, one customer, one conversation, the named tools, five minutes. It is no key: no other
route knows it. For whom it is nobody reads in it but the gateway: it is encrypted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from deployments.security.principal import Principal
from deployments.security.reach import ANY_CUSTOMER
from deployments.security.seals import Seals
from routing.clock import Clock

LIFE_S = 300.0
"""As long as the longest answer but one in a thousand; who gets hold of one has this long."""
TOOLS_MAX = 64
TOKEN_MAX = 8_192
"""Characters: 64 names of 64 characters in base64, and the rest."""

# Before the sealed part, with two dots as any access token has: ours are known by it.
_BEGINS = "supportmax-mcp.1."
# Clocks of one region's machines, set by the same servers.
_LEEWAY_S = 5.0
_PURPOSE = "hosted tools 2"
_NAME = "supportmax/mcp"


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token lets its bearer do: these tools, for this caller and customer."""

    principal: Principal
    customer: str | None
    conversation_id: str | None
    tools: frozenset[str]


class GatewayTokens:
    """Makes and reads them; `keys` are the gateway's, of which the first seals and all open."""

    def __init__(self, keys: Sequence[bytes], clock: Clock) -> None:
        # Not the keys themselves: what they seal is another thing, and must never open with these.
        self._seals = Seals(keys, _PURPOSE)
        self._clock = clock

    def mint(self, granted: Granted, permissions: frozenset[str]) -> str:
        """A token for `granted`, whose bearer may do what both it and the caller may."""
        principal, now = granted.principal, self._clock.now()
        if granted.customer is not None:
            # Whoever the token is about, and nobody else: it binds the customer.
            permissions |= {ANY_CUSTOMER}
        claims = {
            "exp": int(now + LIFE_S),
            "iat": int(now),
            "tenant": principal.tenant,
            "sub": principal.subject,
            "owner": principal.owner,
            "roles": sorted(principal.roles),
            "permissions": sorted(permissions & principal.permissions),
            "customer": granted.customer,
            "conversation": granted.conversation_id,
            "tools": sorted(granted.tools)[:TOOLS_MAX],
        }
        return _BEGINS + self._seals.seal(orjson.dumps(claims).decode(), _NAME)

    def read(self, token: str) -> Granted | None:
        """What the token grants; None where it is none of ours, or not now."""
        if len(token) > TOKEN_MAX or not token.startswith(_BEGINS):
            return None
        opened = self._seals.open(token.removeprefix(_BEGINS), _NAME)
        return None if opened is None else self._granted(orjson.loads(opened))

    def _granted(self, claims: dict[str, object]) -> Granted | None:
        now = self._clock.now()
        match claims:
            case {
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
        if not is_alive or ends_at - made_at > LIFE_S:
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
