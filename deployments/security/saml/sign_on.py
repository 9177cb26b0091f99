"""Signing on by SAML: what we ask, and what comes of the answer, in two steps.

The provider's answer is a form that another site sends here, and brings no cookie that says which
session this browser had. So the answer is judged where it comes in, and the session is opened one hop
later, by a request of this browser that brings all of its cookies.
"""

import asyncio
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deployments.security.attempts import ENTRY_S, Attempts, Begun, Finished, Keepsake, again, fresh
from deployments.security.bearer_tokens import Entitlements
from deployments.security.errors import TokenRefused
from deployments.security.saml.files import Known
from deployments.security.saml.messages import authn_request, redirect_to
from deployments.security.saml.response import read_response
from deployments.security.saml.sign_off import hint_of
from deployments.security.seals import Seals
from deployments.security.sessions import Sessions
from deployments.security.trail import Trail
from routing.clock import Clock
from routing.errors import AccessError

# Browsers keep 4,096 characters of a cookie with its name and what is said of it.
_COOKIE_MAX = 3900
ENTRY = "__Host-supportmax-entry-"
"""What the cookie of somebody who may come in begins with."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """The provider's answer is good. `kept` goes to the browser, which shows it one hop later."""

    state: str = field(repr=False)
    kept: Keepsake


class _Entry(BaseModel):
    """Somebody of whom the provider said that it is they, until they fetch their session."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    state: Annotated[str, Field(repr=False)]
    attempt_ends_at: float
    provider: str
    subject: str
    roles: list[str]
    session: str | None
    hint: str
    ends_at: float | None
    signed_on_at: float | None
    vouched_at: float
    next: str
    expires_at: float


class SamlSignOn:
    """Every provider of SAML."""

    def __init__(
        self,
        known: Mapping[str, Known],
        entitlements: Entitlements,
        attempts: Attempts,
        seals: Seals,
        sessions: Sessions,
        clock: Clock,
        trail: Trail,
        *,
        asks_anew: bool = False,
    ) -> None:
        """With `asks_anew` providers let nobody through whom they have not asked just now."""
        self._known = known
        self._entitlements = entitlements
        self._attempts = attempts
        self._seals = seals
        self._sessions = sessions
        self._clock = clock
        self._trail = trail
        self._asks_anew = asks_anew

    @property
    def names(self) -> frozenset[str]:
        """The providers there are."""
        return frozenset(self._known)

    def begin(self, name: str, wanted: str | None, held: Mapping[str, str]) -> Begun:
        """Begin an attempt with a provider there is, beside those whose cookies the browser holds.

        Raises:
            RequestError: `wanted` leads elsewhere.
            IdentityProviderUnavailable: what the provider said of itself is over.
        """
        known, now = self._known[name], self._clock.now()
        # Its ID is what the answer has to name; an XML ID does not begin with a figure.
        request_id = f"_{fresh()}"
        known.expects(request_id, now)
        state, kept = self._attempts.begin(name, wanted or "/", held, request_id, "")
        asked = authn_request(known.provider, request_id, now, asks_anew=self._asks_anew)
        where = redirect_to(known, known.provider.sso_url, "SAMLRequest", asked, state)
        return Begun(where, kept, posts_back=True)

    async def admit(self, name: str, answer: str, state: str, held: Mapping[str, str]) -> Admitted:
        """Judge the provider's answer. Nobody is let in yet, and the attempt is not used up.

        Raises:
            AccessError: somebody else's attempt, a used one, or not what the provider signed.
            IdentityProviderUnavailable: what the provider said of itself is over.
        """
        attempt = await self._attempts.open(state, held)
        known = self._known.get(name)
        if known is None or attempt.provider != name:
            raise again("it came back by another provider's address")
        provider, now = known.provider, self._clock.now()
        try:
            # In a thread: signatures and a quarter of a megabyte of XML are not for the event loop.
            found = await asyncio.to_thread(
                read_response, answer, known.expects(attempt.nonce, now), now
            )
            roles = self._entitlements.roles_in(provider, found.attributes)
        except TokenRefused as error:
            raise self._refused(name, error) from error
        entry = _Entry(
            state=attempt.state,
            attempt_ends_at=attempt.expires_at,
            provider=name,
            subject=f"{name}:{found.name}",
            roles=sorted(roles),
            session=found.session,
            hint=hint_of(found) if provider.slo_url else "",
            ends_at=found.ends_at,
            signed_on_at=found.at,
            # To the second: a logout may be dated by whole ones, and not the assertion.
            vouched_at=math.floor(found.issued_at),
            next=attempt.next,
            expires_at=now + ENTRY_S,
        )
        own = _own(self._attempts.name_of(attempt.state))
        sealed = self._seals.seal(entry.model_dump_json(), own)
        if len(own) + len(sealed) > _COOKIE_MAX:
            raise self._refused(name, TokenRefused("too long"))
        return Admitted(attempt.state, Keepsake(own, sealed))

    async def enter(
        self, name: str, state: str, held: Mapping[str, str], previous: str | None
    ) -> Finished:
        """A new session for whom the provider's answer was good, in place of the one there was.

        Raises:
            AccessError: it was good for no attempt of this browser, or somebody was let in already,
                or the provider has signed them off since.
        """
        cookie = _own(self._attempts.name_of(state))
        entry = self._read(cookie, held.get(cookie, ""))
        known = self._known.get(name)
        if known is None or entry is None or entry.provider != name:
            raise again("this browser began none, or not lately")
        if not hmac.compare_digest(entry.state.encode(), state.encode()):
            raise again("this browser began none, or not lately")
        # An answer may come at the last moment of an attempt, and is fetched up to ENTRY_S later.
        await self._attempts.use_up(entry.state, entry.attempt_ends_at + ENTRY_S)
        secret = await self._sessions.open(
            known.provider.tenant,
            entry.subject,
            name,
            frozenset(entry.roles),
            entry.session,
            entry.hint,
            entry.ends_at,
            entry.signed_on_at,
            vouched_at=entry.vouched_at,
        )
        if previous:
            await self._sessions.end(previous)
        return Finished(secret, entry.next, (cookie, self._attempts.name_of(entry.state)))

    def _read(self, name: str, value: str) -> _Entry | None:
        text = self._seals.open(value, name)
        if text is None:
            return None
        try:
            entry = _Entry.model_validate_json(text)
        except ValidationError:
            return None
        return entry if self._clock.now() < entry.expires_at else None

    def _refused(self, name: str, error: TokenRefused) -> AccessError:
        self._trail.sign_on_refused(self._known[name].provider.tenant, name, error.reason)
        return AccessError("unauthenticated", f"What {name} says is refused: {error.reason}.")


def _own(attempt: str) -> str:
    """The cookie of who may come in, by the cookie of the attempt it was by."""
    return ENTRY + attempt.rpartition("-")[2]
