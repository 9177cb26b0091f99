"""A vendor's token in exchange for this process's own identity: how a replica needs no key.

The platform it runs on vouches for it (Kubernetes with a projected file, a cloud with its
metadata server), and the vendor's SDK turns that into a token of the vendor's.
"""

import asyncio
import logging
import math
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx2

from deployments.platforms.errors import MAX_DETAIL
from deployments.platforms.head import LIFE_S
from routing.errors import ErrorKind, PlatformError

_log = logging.getLogger(__name__)

# 10 s: the patience of OpenAI's SDK with one read of its exchange. An answer that needs
# longer than the exchange alone may take has no time left for the model.
EXCHANGE_S = 10.0
# Renewed five minutes before its end, or at half of a shorter life: an identity endpoint may
# be away that long, and nobody who asks for an answer notices.
AHEAD_S = 300.0
# After a failure nobody asks again for so long: exchanges are throttled, requests are many.
PAUSE_S = 5.0
# The calls that were under way with a refused token all come back with the same 401: one new
# token a minute mends what a new token can mend.
RENEW_S = 60.0

# What of an error's words may hold a piece of a token, and how many characters make a piece:
# SDKs cut what vendors say, and vendors repeat what they were sent.
_WORD = re.compile(r"\S{16,}")
_PIECE = 16

# Printable ASCII without white space: it travels in a header.
_SENDABLE = re.compile(r"[!-~]+")

# What SDKs let through of the network, of TLS and of an answer that is not what it should be.
_FAULTS = (httpx2.HTTPError, OSError, RuntimeError, ValueError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Grant:
    """What an exchange came to: a bearer token, and for how many seconds it opens the door."""

    token: str = field(repr=False)
    lives_s: float


class Subject:
    """Says who this process is, read anew each time, since such tokens are replaced in place.

    `last` is the latest one, to keep it out of messages.
    """

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read
        self.last = ""

    def __call__(self) -> str:
        """The token of this process; raises what the SDK raises when there is none."""
        self.last = self._read()
        return self.last


class ExchangedToken:
    """The vendor's token for this process, renewed before its end while nobody waits for it.

    `exchange` asks the vendor, and never twice at once; `fault` is the base of what the
    vendor's SDK raises when it fails. `last` is the latest token, to keep it out of messages.
    """

    def __init__(
        self,
        platform: str,
        subject: Subject,
        exchange: Callable[[], Awaitable[Grant]],
        fault: type[Exception],
    ) -> None:
        self._platform = platform
        self._subject = subject
        self._exchange = exchange
        self._faults = (fault, *_FAULTS)
        self._task: asyncio.Task[None] | None = None
        self._good_until = -math.inf
        self._ask_from = -math.inf
        self._renewed_at = -math.inf
        self._failure = ""
        self.last = ""

    async def get(self) -> str:
        """The token to send now.

        Raises:
            PlatformError: This process has no identity, or the vendor gives it no token.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._ask_from and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._renew())
        if now < self._good_until:
            return self.last
        if self._task is not None and not self._task.done():
            await self._wait(self._task)
        if self._failure:
            raise PlatformError(self._platform, ErrorKind.CREDENTIALS, self._failure)
        return self.last

    def forget(self) -> None:
        """Exchange anew next time, but at most every `RENEW_S`: the token was refused."""
        now = asyncio.get_running_loop().time()
        if now - self._renewed_at >= RENEW_S:
            self._renewed_at = now
            self._good_until = self._ask_from = -math.inf

    async def aclose(self) -> None:
        """Wait for no exchange any more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _wait(self, task: "asyncio.Task[None]") -> None:
        try:
            async with asyncio.timeout(EXCHANGE_S):
                # Others wait for the same one: who leaves must not take it along.
                await asyncio.shield(task)
        except TimeoutError:
            said = f"the token exchange took longer than {EXCHANGE_S:g} s"
            raise PlatformError(self._platform, ErrorKind.CREDENTIALS, said) from None

    async def _renew(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            grant = _checked(await self._exchange())
        except self._faults as error:
            # The words alone: the exception holds the request, and in it the subject token.
            self._failure = self._readable(error)
            self._ask_from = loop.time() + PAUSE_S
            if began < self._good_until:
                said = "%s gives no new token, the present one still holds: %s"
                _log.warning(said, self._platform, self._failure)
            return
        self._failure = ""
        self.last = grant.token
        # A head that is written with it is sent for `LIFE_S`.
        self._good_until = began + grant.lives_s - min(LIFE_S, grant.lives_s / 2)
        self._ask_from = began + grant.lives_s - min(AHEAD_S, grant.lives_s / 2)

    def _readable(self, error: Exception) -> str:
        """What went wrong, on one line and without any piece of a token."""
        said = " ".join(f"{type(error).__name__}: {error}"[: 4 * MAX_DETAIL].split())
        secrets = self._subject.last, self.last

        def hidden(found: re.Match[str]) -> str:
            word = found[0]
            pieces = (word[at : at + _PIECE] for at in range(len(word) - _PIECE + 1))
            is_secret = any(piece in secret for piece in pieces for secret in secrets)
            return "<credential>" if is_secret else word

        return _WORD.sub(hidden, said)[:MAX_DETAIL]


def _checked(grant: Grant) -> Grant:
    """The grant, if its token can travel in a header and its life is one."""
    token: object = grant.token  # an SDK believes what a vendor calls a token
    if not isinstance(token, str) or not _SENDABLE.fullmatch(token):
        raise ValueError("the exchange answered with something that is no token")
    if not 0 < grant.lives_s < math.inf:
        raise ValueError("the exchange does not say how long its token lives")
    return grant
