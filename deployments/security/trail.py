"""What goes on record of a deed, and under which names.

Nothing a caller wrote is recorded as it is. A name of our own making stays (`apr_0f…`, the id of
a key); any other is replaced by a pseudonym, the same each time, under which it can be sought by
whoever knows it: an e-mail address in the place of an id is not in the log, and is found.
"""

import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from actors.audit import AuditRecord, AuditUnavailable, Outcome
from actors.subjects import API_KEY, MACHINE, PROGRAM
from deployments.security.principal import Principal
from routing.clock import Clock

STRANGERS_PER_MINUTE = 300
"""Records of callers nobody knows: more are counted, and the count recorded, so that none fills the disk."""
TURNED_AWAY_PER_MINUTE = 300
"""The same of each tenant's people and keys that are not let in: whoever stole a key may knock without end."""
TENANTS_MAX = 1_000
"""Tenants of which those are counted apart in one process, 200 bytes each; further ones are strangers."""
_MINUTE_S = 60.0
_STRANGERS = ""

request_id: ContextVar[str] = ContextVar("audit_request_id", default="")
"""The id of the request under way: what one request does is recorded under it."""

# Made by us at random, and too long to be a number anybody has.
_MINTED = re.compile(
    r"(?:dec|ans|conv|apr|ref|inc|rst|pch|run|fact|call|resp)_[0-9a-f]{24,64}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
# What an authenticated principal is called: a key's id, or an identity provider's id of somebody.
_SUBJECT = re.compile(
    rf"{API_KEY}[0-9a-z]{{1,32}}|{MACHINE}[0-9]{{1,10}}"
    rf"|(?:{PROGRAM})?[a-z0-9-]{{1,32}}:[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}"
)
# What one of a deed's words may look like to stand as it is.
_WORD = re.compile(r"[A-Za-z0-9_.:/+-]{1,160}")
# A key with all 64 scopes it may have comes to 1,500 characters, and a line has 8,192.
_WORDS_MAX = 2_000
# Stable words of ours.
_CODE = re.compile(r"[A-Za-z0-9_.:/{}*+ -]{0,160}")


class Log(Protocol):
    """Where records go: `actors.audit.AuditLog`."""

    def note(self, record: AuditRecord) -> None:
        """Soon, or counted as lost."""
        ...

    async def commit(self, record: AuditRecord) -> None:
        """On disk, or AuditUnavailable."""
        ...

    @property
    def is_failing(self) -> bool:
        """Whether nothing could be written the last time."""
        ...


class Pseudonyms(Protocol):
    """What stands for a name: `actors.audit.AuditKeys`."""

    def pseudonym(self, name: str) -> str:
        """The one that is written."""
        ...

    def pseudonyms(self, name: str) -> tuple[str, ...]:
        """All that may have been written."""
        ...


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did, or was kept from. `action`, `permission` and `reason` are words of ours.

    So are `words`, which follow the reason: what exactly was granted, set or made.
    """

    action: str
    outcome: Outcome
    object: str = ""
    permission: str = ""
    reason: str = ""
    status: int = 0
    words: tuple[str, ...] = ()


class Trail:
    """Puts deeds on record, for one process."""

    def __init__(self, log: Log, names: Pseudonyms, clock: Clock) -> None:
        self._log = log
        self._names = names
        self._clock = clock
        self._counted: dict[str, _Minute] = {}

    def note(self, principal: Principal, deed: Deed) -> None:
        """Put it on record soon; what the deed is does not wait for it."""
        if _is_stranger(principal) and not self._has_room(_STRANGERS):
            return
        self._log.note(self._record(principal, deed))

    def turned_away(self, principal: Principal, deed: Deed) -> None:
        """Put on record that somebody known was not let in; beyond a bound, only how many times more."""
        if _is_stranger(principal):
            self.note(principal, deed)
        elif self._has_room(principal.tenant):
            self._log.note(self._record(principal, deed))

    async def commit(self, principal: Principal, deed: Deed) -> None:
        """Put it on record, and return when that is on disk.

        Raises:
            AuditUnavailable: it is not; the deed must not be done.
        """
        if _is_stranger(principal) and not self._has_room(_STRANGERS):
            # Of a stranger this is an attempt: who is let in by it is recorded by their own name.
            if self._log.is_failing:
                raise AuditUnavailable("nothing could be written the last time")
            return
        await self._log.commit(self._record(principal, deed))

    async def signed_on(self, principal: Principal, provider: str) -> None:
        """Somebody signs on; to be called before they are given a session.

        Raises:
            AuditUnavailable: they must not be.
        """
        await self.commit(principal, Deed("auth.sign_on", "done", provider, reason="signed_on"))

    def sign_on_refused(self, tenant: str, provider: str, reason: str) -> None:
        """Nobody was let in, or nobody known; `reason` is a stable code."""
        self.note(Principal(tenant, ""), Deed("auth.sign_on", "denied", provider, reason=reason))

    def signed_off(self, principal: Principal, provider: str, reason: str = "signed_off") -> None:
        """A session ended, by whatever."""
        self.note(principal, Deed("auth.sign_off", "done", provider, reason=reason))

    def sought(self, name: str) -> tuple[str, ...]:
        """Under which names `name` may be in the log."""
        return (name, *self._names.pseudonyms(name))

    def _record(self, principal: Principal, deed: Deed) -> AuditRecord:
        return AuditRecord(
            int(self._clock.now() * 1000),
            principal.tenant,
            self._code(deed.action),
            deed.outcome,
            self._named(principal.subject, _SUBJECT),
            _credential(principal),
            self._object(deed),
            self._code(deed.permission),
            self._reason(deed),
            request_id.get(),
            deed.status,
        )

    def _object(self, deed: Deed) -> str:
        # A provider is named by the configuration, like a tenant.
        known = _CODE if deed.action.startswith("auth.") else _MINTED
        return self._named(deed.object, known)

    def _reason(self, deed: Deed) -> str:
        if not deed.words:
            return self._code(deed.reason)
        told, left = [self._code(deed.reason)] if deed.reason else [], _WORDS_MAX
        for place, word in enumerate(deed.words):
            told.append(self._named(word, _WORD))
            left -= len(told[-1]) + 1
            if left < 0:
                told[-1] = f"more:{len(deed.words) - place}"
                break
        return " ".join(told)

    def _code(self, text: str) -> str:
        return self._named(text, _CODE)

    def _named(self, text: str, known: re.Pattern[str]) -> str:
        if not text or known.fullmatch(text):
            return text
        return self._names.pseudonym(text)

    def _has_room(self, tenant: str) -> bool:
        """Whether one more record of a stranger, or of a tenant's turned away, stands on its own this minute."""
        if tenant not in self._counted and len(self._counted) >= TENANTS_MAX:
            tenant = _STRANGERS
        counted = self._counted.setdefault(tenant, _Minute())
        is_nobody = tenant == _STRANGERS
        most = STRANGERS_PER_MINUTE if is_nobody else TURNED_AWAY_PER_MINUTE
        now = self._clock.monotonic()
        if now >= counted.begun_at + _MINUTE_S:
            more, counted.begun_at, counted.records = counted.records - most, now, 0
            if more > 0:
                at_ms = int(self._clock.now() * 1000)
                action = "audit.strangers" if is_nobody else "audit.turned_away"
                self._log.note(AuditRecord(at_ms, tenant, action, "stated", count=more))
        counted.records += 1
        return counted.records <= most


@dataclass(slots=True)
class _Minute:
    """What was to be recorded in the minute since."""

    begun_at: float = float("-inf")
    records: int = 0


def _is_stranger(principal: Principal) -> bool:
    """Whether nobody vouched for the caller; a refused sign-on has the tenant that was knocked at."""
    return not principal.subject or not principal.tenant


def _credential(principal: Principal) -> str:
    """What kind of thing vouched for the caller."""
    if _is_stranger(principal):
        return "none"
    if principal.subject.startswith(MACHINE):
        return "machine"
    return "api_key" if principal.subject.startswith(API_KEY) else "identity_provider"
