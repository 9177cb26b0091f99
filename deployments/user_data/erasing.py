"""A person erased from everywhere this region reaches, with counts as proof in the audit log."""

import hashlib
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from actors.database.directory_rows import name_key
from actors.database.idempotency import LEASE_S
from actors.database.people import Person
from actors.database.person_erasure import ErasureRow, PersonErasure
from actors.memory.erasure import Erased
from actors.subjects import API_KEY, MACHINE
from deployments.security.principal import Principal
from deployments.security.trail import Deed, Trail, request_id
from routing.clock import Clock
from routing.errors import AccessError
from routing.message import JsonObject

SETTLE_S = LEASE_S
"""Five times the longest a request may take: nothing that was under way is so any more."""
ERASED, SETTLED = "users.erased", "users.settled"
"""The actions under which the audit log has the counts, and the end."""
_REASON_MAX = 150


class MemoryErasing(Protocol):
    """What removes memory wherever it is: `actors.memory.Erasure`."""

    async def erase(self, tenant: str, user_id: str) -> Erased:
        """Remove it."""
        ...


@dataclass(frozen=True, slots=True)
class Report:
    """What an erasure came to. `is_complete` False: the store of windows was away, and is asked again."""

    row: ErasureRow
    is_complete: bool
    settled_at: float | None = field(default=None)

    @property
    def body(self) -> JsonObject:
        """The counts, as they are told and as they are on record."""
        kept = {name: dict(told) for name, told in sorted(self.row.kept.items())}
        return {"erased": dict(sorted(self.row.erased.items())), "kept": kept}

    @property
    def digest(self) -> str:
        """What the audit record names the counts by: SHA-256 of their JSON."""
        text = orjson.dumps(self.body, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(text).hexdigest()


class Erasing:
    """Erases people, and finishes what somebody began and did not finish."""

    def __init__(
        self, rows: PersonErasure, memory: MemoryErasing, trail: Trail, clock: Clock
    ) -> None:
        self._rows = rows
        self._memory = memory
        self._trail = trail
        self._clock = clock

    def person(self, tenant: str, user_id: str) -> Person:
        """The person with the pseudonym that the audit log has for them."""
        return Person(tenant, user_id, self._pseudonyms(user_id)[0])

    async def erase(self, principal: Principal, user_id: str) -> Report | None:
        """Erase the caller's tenant's person; None where nothing is known of such a one.

        The same again tells the same counts. That it is to be done is on record already.

        Raises:
            AccessError: `forbidden`: it is the caller, the person behind their key, or no person.
            ConflictError: `legal_hold`.
            AuditUnavailable: rows are gone and the counts are not on record yet; they will be,
                by whoever asks again or goes on with it.
            DatabaseBusy, DatabaseUnavailable: ask again, or wait until it is gone on with.
        """
        _must_be_somebody_else(principal, user_id)
        person, now = self.person(principal.tenant, user_id), self._clock.now()
        begun = await self._rows.begin(person, self._pseudonyms(user_id), request_id.get(), now)
        if begun is None:
            return None
        if begun.state == "settled":
            return Report(begun, is_complete=True)
        return await self._finish(principal, person, begun)

    async def go_on(self, actor: Principal, limit: int) -> int:
        """Finish what stopped in the middle and settle what ended long enough ago; how many.

        `actor` is who does it, as the audit log has it; the tenant is each person's own.
        """
        rows = await self._rows.open(self._clock.now() - SETTLE_S, limit)
        for row in rows:
            if row.user_id is None:
                continue
            who = Principal(row.tenant, actor.subject)
            person = Person(row.tenant, row.user_id, row.person)
            report = await self._finish(who, person, row)
            if row.state == "settling" and report.is_complete:
                await self._rows.settle(row.tenant, row.person)
                await self._trail.commit(who, Deed(SETTLED, "done", row.user_id))
        return len(rows)

    async def _finish(self, principal: Principal, person: Person, row: ErasureRow) -> Report:
        await self._rows.run(person, row)
        # What is in a window went out of the database first: nothing puts it back.
        forgotten = await self._memory.erase(person.tenant, person.user_id)
        if forgotten.windows is None:
            return Report(row, is_complete=False)
        counted = await self._rows.counted(person.tenant, row.person, forgotten.windows)
        proved_by = row.request
        if row.state != "settling" or counted.erased != row.erased:
            # First the proof: what ends without one is never asked for it again.
            await self._prove(principal, person, Report(counted, is_complete=True))
            proved_by = request_id.get()
        done = await self._rows.end(person.tenant, row.person, proved_by, self._clock.now())
        settled_at = None if done.ended_at is None else done.ended_at + SETTLE_S
        return Report(done, is_complete=True, settled_at=settled_at)

    async def _prove(self, principal: Principal, person: Person, report: Report) -> None:
        """The counts on record, in as many records as they need."""
        counts = [f"{name}:{count}" for name, count in sorted(report.row.erased.items())]
        said = [*textwrap.wrap(" ".join(counts), _REASON_MAX), f"sha256:{report.digest}"]
        for reason in said:
            await self._trail.commit(
                principal, Deed(ERASED, "done", person.user_id, "users:erase", reason)
            )

    def _pseudonyms(self, user_id: str) -> Sequence[str]:
        return self._trail.sought(user_id)[1:]


def _must_be_somebody_else(principal: Principal, user_id: str) -> None:
    """Who did what is not for them to take away: it says what they may not approve and not repeat."""
    # Rows of before may have them in another spelling than they are called by now.
    if name_key(user_id) in {name_key(principal.subject), name_key(principal.person)}:
        message = "Nobody erases themselves, by a key of theirs either; another administrator can."
        raise AccessError("forbidden", message)
    if user_id.startswith((API_KEY, MACHINE)):
        message = "A key or an account of a machine is no person; a key is revoked instead."
        raise AccessError("forbidden", message)
