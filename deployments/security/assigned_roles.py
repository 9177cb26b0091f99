"""Roles that administrators gave to people, as a replica knows them: read on when it is asked, a second apart."""

import asyncio
import logging
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from actors.database.errors import DatabaseUnavailable
from actors.database.role_assignments import Assignment
from deployments.security.naming import AS_SAID, Names
from routing.clock import Clock

_log = logging.getLogger(__name__)

# What is given or taken away holds everywhere after this, and the time in which the answer is read.
FRESH_S = 1.0
# A reading that takes longer is not waited for: nobody has more for it, only later.
WAIT_S = 0.5
# A database that fails over is back by then. Beyond it, what somebody was given may have been taken
# away long ago, and they have what their provider says.
STALE_S = 30.0


class Given(Protocol):
    """Where assignments are kept: `RoleAssignments`, seen from here."""

    async def all(self) -> Sequence[Assignment]:
        """Every tenant's."""
        ...


class AssignedRoles:
    """A `RoleSource`."""

    def __init__(
        self, given: Given, roles: Collection[str], clock: Clock, names: Names = AS_SAID
    ) -> None:
        """`roles` are those of the policy; one that is there no more gives nothing."""
        self._given = given
        self._names = names
        self._roles = frozenset(roles)
        self._clock = clock
        self._by_person: Mapping[tuple[str, str], frozenset[str]] = {}
        self._read_at = -math.inf
        self._flight: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Read on, if a second has passed since; all who ask at once wait for the same reading."""
        if self._age() < FRESH_S:
            return
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._read())
        await asyncio.wait({self._flight}, timeout=WAIT_S)

    def roles_of(self, tenant: str, subject: str) -> frozenset[str]:
        """What the tenant's person was given; nothing while that could not be read for too long."""
        if self._age() > STALE_S:
            return frozenset()
        return self._by_person.get((tenant, subject), frozenset())

    def knows(self, tenant: str, subject: str) -> bool:
        """Whether the tenant's person was given roles, or had some and has none since, for a day or longer.

        Raises:
            DatabaseUnavailable: that could not be read for too long.
        """
        if self._age() > STALE_S:
            raise DatabaseUnavailable("who was given roles cannot be read")
        return (tenant, subject) in self._by_person

    async def aclose(self) -> None:
        """Stop reading."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    async def _read(self) -> None:
        begun = self._clock.monotonic()
        try:
            found = await self._given.all()
        except Exception as error:  # noqa: BLE001  whatever it is, nothing was read
            _log.warning("assigned roles cannot be read: %s", type(error).__name__)
            return
        by_person: dict[tuple[str, str], frozenset[str]] = {}
        for each in found:
            # Two rows of one person are from before their names were written in one spelling.
            who = (each.tenant, self._names.of(each.tenant, each.subject))
            by_person[who] = by_person.get(who, frozenset()) | (each.roles & self._roles)
        self._by_person = by_person
        self._read_at = begun

    def _age(self) -> float:
        return self._clock.monotonic() - self._read_at
