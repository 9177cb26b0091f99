"""An attempt to sign on: kept here, bound to one browser by a cookie, and used once."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from actors.database.sign_ons import SignOnRow, SignOns
from routing.clock import Clock
from routing.errors import AccessError, RequestError

# Long enough to look for a phone with the second factor.
ATTEMPT_S = 600.0
_BYTES = 32
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_NEXT_MAX = 1000


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and the secret that it keeps until it is back.

    `posts_back` if the provider sends the browser back with a form: such requests from elsewhere
    bring only cookies that say so.
    """

    redirect: str
    browser: str = field(repr=False)
    posts_back: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """A session's secret, and where the browser wanted to go."""

    session: str = field(repr=False)
    next: str


class Attempts:
    """Attempts of every browser."""

    def __init__(self, rows: SignOns, clock: Clock) -> None:
        self._rows = rows
        self._clock = clock

    async def begin(
        self, provider: str, wanted: str, browser: str | None, nonce: str, verifier: str
    ) -> tuple[str, str]:
        """The state of a new attempt, and the browser's secret; one browser keeps one for all.

        Raises:
            RequestError: `wanted` is no path of ours.
        """
        after = _inside(wanted)
        if browser is None or _SECRET.fullmatch(browser) is None:
            browser = fresh()
        state, now = fresh(), self._clock.now()
        row = SignOnRow(
            state_hash=_hash(state),
            browser_hash=_hash(browser),
            provider=provider,
            nonce=nonce,
            verifier=verifier,
            next=after,
            expires_at=now + ATTEMPT_S,
        )
        await self._rows.begin(row, now)
        return state, browser

    async def take(self, state: str, browser: str | None) -> SignOnRow:
        """The attempt of that state, once.

        Raises:
            AccessError: there is none, or another browser began it.
        """
        if _SECRET.fullmatch(state) is None or browser is None:
            raise again("this browser began none")
        row = await self._rows.take(_hash(state), self._clock.now())
        if row is None:
            raise again("it is too old, or was used before")
        if not hmac.compare_digest(row.browser_hash, _hash(browser)):
            raise again("another browser began it")
        return row


def fresh() -> str:
    """A secret nobody has seen."""
    return secrets.token_urlsafe(_BYTES)


def again(why: str) -> AccessError:
    """What somebody is told whose attempt came to nothing."""
    return AccessError("unauthenticated", f"Begin to sign on again: {why}.")


def _inside(path: str) -> str:
    """A path of ours, raises RequestError for what a browser might take for another place."""
    plain = path.isascii() and path.isprintable() and " " not in path and "\\" not in path
    if not plain or not path.startswith("/") or path.startswith("//") or len(path) > _NEXT_MAX:
        raise RequestError("invalid_next", "`next` is a path here, like /tickets.")
    return path


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
