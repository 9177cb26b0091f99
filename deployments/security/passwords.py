"""Signing on with a password, where a directory knows people and nothing federates it.

An answer says nothing of why not, and comes no sooner for a name that nobody has. A password is in the
memory of one request, and in nothing that is written down.
"""

import asyncio
import hmac
import logging
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from ipaddress import IPv6Address, ip_network
from threading import BoundedSemaphore

from actors.database.password_tries import PasswordTries, Tally
from config.directories import LdapProvider
from deployments.security.addresses import Address
from deployments.security.attempts import Finished, inside
from deployments.security.bearer_tokens import Entitlements
from deployments.security.errors import IdentityProviderUnavailable, TokenRefused
from deployments.security.password_directory import DirectoryAway, PasswordDirectory, Visit
from deployments.security.sessions import Sessions
from deployments.security.trail import Trail
from routing.clock import Clock
from routing.errors import AccessError, ConfigError, RequestError

_log = logging.getLogger(__name__)

# One sign-on with everything it asks; a person waits that long, and a directory at rest needs 0.2 s.
DEADLINE_S = 5.0
# Connections of one replica to directories. Behind them as many people wait as get through in time.
AT_ONCE = 8
_WAITING_MAX = 64
# From one address, whoever they say they are: an office's worth of slips of the finger.
TRIES_PER_ADDRESS = 60
# A refusal comes at a multiple of this: what the directory took for it cannot be told from outside.
PACE_S = 0.25
# Longer than any directory allows; Active Directory's principal names have 1,024 at the very most.
NAME_MAX = 256
PASSWORD_MAX = 1024
# Of IPv6 everybody has this many addresses to themselves.
_OWN_PREFIX = 64


@dataclass(frozen=True, slots=True)
class _Proved:
    """Somebody whose password it was."""

    account: str
    groups: list[str]


class PasswordSignOn:
    """Every directory's sign-on. `key` hashes the names under which tries are counted."""

    def __init__(
        self,
        providers: Sequence[LdapProvider],
        directories: Mapping[str, PasswordDirectory],
        entitlements: Entitlements,
        sessions: Sessions,
        tries: PasswordTries,
        key: bytes,
        clock: Clock,
        trail: Trail,
    ) -> None:
        self._providers = {each.name: each for each in providers}
        self._directories = directories
        self._entitlements = entitlements
        self._sessions = sessions
        self._tries = tries
        self._key = key
        self._clock = clock
        self._trail = trail
        self._threads = ThreadPoolExecutor(AT_ONCE, "directory")
        self._room = BoundedSemaphore(AT_ONCE + _WAITING_MAX)

    @property
    def names(self) -> frozenset[str]:
        """The directories there are."""
        return frozenset(self._providers)

    async def sign_on(
        self,
        name: str,
        username: str,
        password: str,
        wanted: str | None,
        address: Address | None,
        previous: str | None,
    ) -> Finished:
        """A new session, in place of the one there was.

        Raises:
            RequestError: no such directory, or `wanted` leads elsewhere.
            AccessError: not this name with this password, or too many tries.
            IdentityProviderUnavailable: the directory cannot be asked.
        """
        provider = self._providers.get(name)
        if provider is None:
            there = ", ".join(self._providers) or "none"
            raise RequestError("unknown_provider", f"Directories to sign on to: {there}.")
        after, begun = inside(wanted or "/"), self._clock.monotonic()
        proved = await self._proved(provider, username, password, address)
        if proved is None:
            self._trail.sign_on_refused(provider.tenant, name, "password")
            await asyncio.sleep(PACE_S - (self._clock.monotonic() - begun) % PACE_S)
            detail = "That is not the name and the password of somebody who may sign on."
            raise AccessError("unauthenticated", detail)
        try:
            roles = self._entitlements.roles_in(provider, {"groups": proved.groups})
        except TokenRefused as error:
            raise AccessError("unauthenticated", f"Refused: {error.reason}.") from error
        subject = f"{name}:{proved.account}"
        secret = await self._sessions.open(
            provider.tenant,
            subject,
            name,
            roles,
            None,
            "",
            # They typed it just now: a directory needs to say no more.
            signed_on_at=self._clock.now(),
            vouched_at=None,
        )
        if previous:
            await self._sessions.end(previous)
        return Finished(secret, after)

    def close(self) -> None:
        """Ask no directory any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _proved(
        self, provider: LdapProvider, username: str, password: str, address: Address | None
    ) -> _Proved | None:
        """Whose password it is; None if nobody's."""
        if not _may_be_sent(username, password):
            return None
        by_name = self._tally(provider, "name", _folded(username))
        by_address = Tally(
            self._hashed(provider, "address", _network_of(address)),
            TRIES_PER_ADDRESS,
            provider.window_s,
            since_last=False,
        )
        wait_s = await self._tries.count(provider.name, (by_name, by_address), self._clock.now())
        if wait_s is not None:
            detail = "There were too many tries; come back later."
            raise AccessError("rate_limited", detail, wait_s)
        visit = self._directories[provider.name].visit()
        try:
            proved = await self._visited(provider, visit, username, password)
        except DirectoryAway as away:
            if not visit.was_tried:
                await self._tries.take_back(provider.name, (by_name.who, by_address.who))
            # Why is for who runs this; a stranger learns that it is so.
            _log.warning("%s cannot be asked: %s", provider.name, away.detail)
            detail = f"{provider.name} cannot be asked just now"
            raise IdentityProviderUnavailable(provider.name, detail) from away
        if proved is not None:
            by_account = self._tally(provider, "account", proved.account)
            await self._tries.forget(provider.name, (by_name.who, by_account.who))
            await self._tries.take_back(provider.name, (by_address.who,))
        return proved

    async def _visited(
        self, provider: LdapProvider, visit: Visit, username: str, password: str
    ) -> _Proved | None:
        """What comes of asking, in a thread of its own and within DEADLINE_S."""
        if not self._room.acquire(blocking=False):
            raise DirectoryAway("too many people at once")
        loop = asyncio.get_running_loop()

        def may_try(account: str) -> bool:
            counting = self._count_account(provider, account)
            return asyncio.run_coroutine_threadsafe(counting, loop).result(DEADLINE_S)

        work = partial(_visit, visit, username, password, may_try, self._clock)
        future = self._threads.submit(work)
        future.add_done_callback(lambda _: self._room.release())
        try:
            async with asyncio.timeout(DEADLINE_S):
                return await asyncio.wrap_future(future)
        except TimeoutError as error:
            raise DirectoryAway("it took too long") from error
        except ConfigError as error:
            raise DirectoryAway("a file of the configuration is not there") from error
        finally:
            visit.abort()

    async def _count_account(self, provider: LdapProvider, account: str) -> bool:
        """Whether the account may be tried once more, by whichever of its names."""
        tally = self._tally(provider, "account", account)
        return await self._tries.count(provider.name, (tally,), self._clock.now()) is None

    def _tally(self, provider: LdapProvider, kind: str, name: str) -> Tally:
        who = self._hashed(provider, kind, name)
        return Tally(who, provider.tries, provider.window_s, since_last=True)

    def _hashed(self, provider: LdapProvider, kind: str, name: str) -> str:
        text = f"{provider.tenant}\x00{provider.name}\x00{kind}\x00{name}"
        return hmac.new(self._key, text.encode(), sha256).hexdigest()


def _visit(
    visit: Visit, username: str, password: str, may_try: Callable[[str], bool], clock: Clock
) -> _Proved | None:
    """The same steps whether there is such a person or not, as far as the password."""
    try:
        found = visit.find(username)
        # Under a name nobody has, the same is counted and the same is asked.
        allowed = may_try(f"nobody:{_folded(username)}" if found is None else found.account)
        right = visit.proves(found if allowed else None, password)
        if found is None or not allowed or not right or not visit.is_open(found, clock.now()):
            return None
        return _Proved(found.account, visit.groups(found))
    finally:
        visit.close()


def _may_be_sent(username: str, password: str) -> bool:
    """Whether a directory could take the two for what they are: an empty password opens every door.

    Some end a text at a NUL, and an empty one is left.
    """
    return (
        0 < len(username) <= NAME_MAX
        and username.isprintable()
        and username == username.strip()
        and 0 < len(password) <= PASSWORD_MAX
        and "\0" not in password
    )


def _folded(username: str) -> str:
    """One name for all the spellings that a directory may take for the same."""
    decomposed = unicodedata.normalize("NFKD", username.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _network_of(address: Address | None) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _OWN_PREFIX), strict=False))
    return "unknown" if address is None else str(address)
