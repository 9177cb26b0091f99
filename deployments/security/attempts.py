"""An attempt to sign on: sealed into a cookie of the browser that began it, and of use once.

Nothing of it is kept here until somebody is let in by it: strangers may begin as many as they like.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from actors.database.sign_ons import SignOns
from deployments.security.claims import LEEWAY_S
from deployments.security.seals import Seals
from routing.clock import Clock
from routing.errors import AccessError, RequestError

# Long enough to look for a phone with the second factor.
ATTEMPT_S = 600.0
# The browser is on its way already; a minute is for a phone in a tunnel.
ENTRY_S = 60.0
"""How much later the session may be fetched, where a provider's form brings its word (SAML)."""
# What a provider said before a logout answers an attempt from before, so that is over by then; the
# machines' clocks differ.
LOGOUT_HELD_S = ATTEMPT_S + ENTRY_S + LEEWAY_S
"""For how long after a provider's logout its word from before could open a session."""
# One cookie a tab. With the longest `next` one has 2 KB, and proxies take 8 KB of headers.
TABS_MAX = 4
_BYTES = 32
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
NEXT_MAX = 1000
"""Characters of the path that somebody wants to go to afterwards."""
_INSIDE = re.compile(r"/(?!/|%2f|%5c)", re.IGNORECASE)
# Of the hash of the state, in the cookie's name; the whole one is inside.
_NAME_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Keepsake:
    """What a browser is to keep: a cookie, and which of its others it may throw away."""

    name: str
    value: str = field(repr=False)
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and what it keeps until it is back.

    `posts_back` if the provider sends the browser back with a form: such requests from elsewhere
    bring only cookies that say so.
    """

    redirect: str
    kept: Keepsake
    posts_back: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """A session's secret, where the browser wanted to go, and the cookies that are of no use now."""

    session: str = field(repr=False)
    next: str
    spent: tuple[str, ...] = ()


class Attempt(BaseModel):
    """One attempt, as it is in its cookie. `expires_at` is in seconds since the epoch."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    state: Annotated[str, Field(repr=False)]
    provider: str
    nonce: Annotated[str, Field(repr=False)]
    verifier: Annotated[str, Field(repr=False)]
    next: str
    expires_at: float

    @property
    def begun_at(self) -> float:
        """When its browser was sent to the provider, in seconds since the epoch."""
        return self.expires_at - ATTEMPT_S


class Attempts:
    """Attempts of every browser. `prefix` is what the names of their cookies begin with."""

    def __init__(self, rows: SignOns, seals: Seals, clock: Clock, prefix: str) -> None:
        self._rows = rows
        self._seals = seals
        self._clock = clock
        self._prefix = prefix

    def begin(
        self, provider: str, wanted: str, held: Mapping[str, str], nonce: str, verifier: str
    ) -> tuple[str, Keepsake]:
        """The state of a new attempt, and the cookie for it beside those that the browser holds.

        Raises:
            RequestError: `wanted` is no path of ours.
        """
        attempt = Attempt(
            state=fresh(),
            provider=provider,
            nonce=nonce,
            verifier=verifier,
            next=inside(wanted),
            expires_at=self._clock.now() + ATTEMPT_S,
        )
        name = self.name_of(attempt.state)
        sealed = self._seals.seal(attempt.model_dump_json(), name)
        return attempt.state, Keepsake(name, sealed, self._superfluous(held))

    async def open(self, state: str, held: Mapping[str, str]) -> Attempt:
        """The attempt of that state, which this browser began.

        Raises:
            AccessError: it holds no such attempt, or somebody was let in by it already.
        """
        name = self.name_of(state)
        attempt = self._read(name, held.get(name, ""))
        if _SECRET.fullmatch(state) is None or attempt is None:
            raise again("this browser began none, or not lately")
        if not hmac.compare_digest(attempt.state.encode(), state.encode()):
            raise again("this browser began none, or not lately")
        if await self._rows.is_finished(hashed(attempt.state)):
            raise again("it was used before")
        return attempt

    async def use_up(self, state: str, ends_at: float) -> None:
        """Use an attempt up, right before somebody is let in by it.

        `ends_at` is when it would be too old, or later: until then it is remembered.

        Raises:
            AccessError: somebody was let in by it before.
        """
        if not await self._rows.finish(hashed(state), ends_at, self._clock.now()):
            raise again("it was used before")

    def name_of(self, state: str) -> str:
        """What the cookie of a state is called."""
        return f"{self._prefix}{hashed(state)[:_NAME_LENGTH]}"

    def _superfluous(self, held: Mapping[str, str]) -> tuple[str, ...]:
        """Cookies that are too old or not ours, and the oldest of too many."""
        ends = dict[str, float]()
        for name, value in held.items():
            if (attempt := self._read(name, value)) is not None:
                ends[name] = attempt.expires_at
        newest = sorted(ends, key=lambda name: ends[name], reverse=True)[: TABS_MAX - 1]
        return tuple(name for name in held if name not in newest)

    def _read(self, name: str, value: str) -> Attempt | None:
        text = self._seals.open(value, name)
        if text is None:
            return None
        try:
            attempt = Attempt.model_validate_json(text)
        except ValidationError:
            return None
        return attempt if self._clock.now() < attempt.expires_at else None


def fresh() -> str:
    """A secret nobody has seen."""
    return secrets.token_urlsafe(_BYTES)


def again(why: str) -> AccessError:
    """What somebody is told whose attempt came to nothing."""
    return AccessError("unauthenticated", f"Begin to sign on again: {why}.")


def inside(path: str) -> str:
    """A path of ours, raises RequestError for what a browser might take for another place."""
    plain = path.isascii() and path.isprintable() and " " not in path and "\\" not in path
    # Some proxies undo what is written as %2f or %5c; behind the first slash it is a second one.
    if not plain or len(path) > NEXT_MAX or _INSIDE.match(path) is None:
        raise RequestError("invalid_next", "`next` is a path here, like /tickets.")
    return path


def hashed(secret: str) -> str:
    """What is kept or shown of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()
