"""Single logout by SAML: a session ends here and at the provider, whichever of the two begins."""

import asyncio
import hmac
import re
from collections.abc import Mapping
from hashlib import sha256

import orjson

from actors.database.logouts import Logout
from actors.database.sessions import SessionStore
from deployments.security.attempts import LOGOUT_HELD_S, fresh
from deployments.security.errors import TokenRefused
from deployments.security.principal import Principal
from deployments.security.saml.document import one
from deployments.security.saml.files import Known
from deployments.security.saml.messages import (
    SUCCESS,
    logout_request,
    logout_response,
    redirect_to,
)
from deployments.security.saml.names import NameId
from deployments.security.saml.received import (
    MESSAGE_LIFE_S,
    Received,
    by_form,
    by_redirect,
    leaving_in,
)
from deployments.security.saml.response import Asserted
from deployments.security.sessions import Sessions
from deployments.security.trail import Trail
from routing.clock import Clock
from routing.errors import AccessError

_ASKED = re.compile(r"(_[A-Za-z0-9_-]{43})\.([0-9]{1,12})\.([0-9a-f]{64})")
# Bindings 3.4.3 allows 80 bytes; some take more.
_RELAY_STATE_MAX = 1024


def hint_of(found: Asserted) -> str:
    """What a session keeps, sealed under its secret, to be able to end at the provider too."""
    name = {"name": found.name, "qualifiers": dict(found.name_id.qualifiers)}
    return orjson.dumps({**name, "session": found.session}).decode()


class SamlSignOff:
    """Ends sessions of every provider of SAML that has an address for it. `key` marks our requests."""

    def __init__(
        self,
        known: Mapping[str, Known],
        sessions: Sessions,
        store: SessionStore,
        key: bytes,
        clock: Clock,
        trail: Trail,
    ) -> None:
        self._known = known
        self._sessions = sessions
        self._store = store
        self._key = key
        self._clock = clock
        self._trail = trail

    async def sign_off(self, secret: str, name: str) -> str | None:
        """End the session here, and say where the provider ends its own, if it can."""
        kept = await self._sessions.end(secret)
        known = self._known.get(name)
        if known is None or known.provider.slo_url is None or not kept:
            return None
        hint, now = orjson.loads(kept), self._clock.now()
        called = NameId(hint["name"], hint["qualifiers"])
        request_id = self._marked(name, now)
        asked = logout_request(known.provider, request_id, called, hint["session"], now)
        return redirect_to(known, known.provider.slo_url, "SAMLRequest", asked, None)

    async def told_by_redirect(self, name: str, query: str) -> str:
        """What a provider says in an address; where the browser goes next.

        Raises:
            TokenRefused: nobody who may say so said it, or it was said before.
            AccessError: there is no such provider.
        """
        known = self._ending(name)
        now = self._clock.now()
        received = await asyncio.to_thread(by_redirect, query, known, now)
        return await self._told(known, received, now)

    async def told_by_form(self, name: str, form: dict[str, str]) -> str:
        """The same in a form; where the browser goes next; raises as `told_by_redirect`."""
        known = self._ending(name)
        now = self._clock.now()
        received = await asyncio.to_thread(by_form, form, known, now)
        return await self._told(known, received, now)

    def _ending(self, name: str) -> Known:
        known = self._known.get(name)
        if known is None or known.slo_answers is None:
            raise AccessError("not_found", "There is no such provider, or it ends no sessions.")
        return known

    async def _told(self, known: Known, received: Received, now: float) -> str:
        if not received.is_request:
            self._answered(known, received, now)
            return "/"
        state = received.relay_state
        if state is not None and len(state) > _RELAY_STATE_MAX:
            raise TokenRefused("parameters")
        request_id = await self._leave(known, received, now)
        where = known.slo_answers or ""
        answer = logout_response(known.provider, where, f"_{fresh()}", request_id, now)
        return redirect_to(known, where, "SAMLResponse", answer, state)

    async def _leave(self, known: Known, received: Received, now: float) -> str:
        """End what the provider's request names; the request's ID."""
        provider = known.provider
        leaving = leaving_in(received, known, now)
        said = f"{provider.name}:{leaving.name.text}"
        logout = Logout(
            provider.name,
            leaving.request_id,
            now + 2 * MESSAGE_LIFE_S,
            provider.tenant,
            self._sessions.named(provider.tenant, said),
            None,
            leaving.at,
            now + LOGOUT_HELD_S,
            of_subject=leaving.sessions,
            as_said=said,
        )
        ended = await self._store.end_by_provider(logout, now)
        if ended is None:
            raise TokenRefused("used before")
        self._sessions.forget()
        for row in ended:
            who = Principal(row.tenant, row.subject, row.roles)
            self._trail.signed_off(who, row.provider, reason="by_provider")
        return leaving.request_id

    def _answered(self, known: Known, received: Received, now: float) -> None:
        """Return if the provider did what a request of ours asked, which ended the session here before."""
        asked = _ASKED.fullmatch(received.root.get("InResponseTo") or "")
        if asked is None:
            raise TokenRefused("another request")
        mark = self._mark(known.provider.name, asked[1], asked[2])
        if not hmac.compare_digest(mark, asked[3]) or now >= int(asked[2]):
            raise TokenRefused("another request")
        if one(received.root, "p:Status/p:StatusCode").get("Value") != SUCCESS:
            raise TokenRefused("the provider did not end its own session")

    def _marked(self, name: str, now: float) -> str:
        """An ID that we know again in an answer, without keeping it."""
        request_id, until = f"_{fresh()}", str(int(now + 2 * MESSAGE_LIFE_S))
        return f"{request_id}.{until}.{self._mark(name, request_id, until)}"

    def _mark(self, *parts: str) -> str:
        return hmac.new(self._key, "\0".join(parts).encode(), sha256).hexdigest()
