"""Whether somebody still stands: what their identity provider keeps here of them, as each replica knows it.

Sessions and keys end in the database with their person. This is for everything that is no row: a JWT
lives an hour, a token of the gateway five minutes, a replica remembers sessions and keys for a few
seconds. Every replica holds the people of the directories, reads on when it is asked and a second
has passed, and refuses them all when it could not for too long.
"""

import asyncio
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from actors.database.directory_changes import Changed, Known
from actors.database.errors import DatabaseUnavailable
from actors.subjects import API_KEY
from config.scim import DirectoryRules
from deployments.security.errors import TurnedAway
from deployments.security.naming import key_of
from deployments.security.principal import Principal
from routing.clock import Clock
from routing.errors import ConfigError

_log = logging.getLogger(__name__)

# Who is put out is refused everywhere after this, and the time in which the answer is read.
FRESH_S = 1.0
# A reading that takes longer is not waited for: what was read before holds as long as the next says.
WAIT_S = 2.0
# Longer than a database takes to fail over, shorter than anybody put out could do much.
STALE_S = 30.0


class Changes(Protocol):
    """Where the directory is: `actors.database.directory_changes.DirectoryChanges`."""

    async def since(
        self, seen: Mapping[str, int], groups: Mapping[str, frozenset[str]]
    ) -> list[Changed]:
        """What changed of the tenants since."""
        ...


@dataclass(slots=True)
class _Tenant:
    """What is known of one tenant's people."""

    rules: DirectoryRules
    roles: Mapping[str, frozenset[str]]
    change: int = 0
    people: dict[str, Known] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)

    def learn(self, changed: Changed) -> None:
        """Know what changed: whose access ended is known no more, unless they are said to be there."""
        for subject, at in changed.ends:
            self.ends[subject] = at
            self.people.pop(subject, None)
        for person in changed.people:
            self.people[person.subject] = person
        self.change = changed.change


class Standing:
    """The people of all directories, in one replica."""

    def __init__(
        self,
        directories: Iterable[DirectoryRules],
        grants: Mapping[str, frozenset[str]],
        changes: Changes,
        clock: Clock,
    ) -> None:
        """Read the rules.

        Raises:
            ConfigError: one gives a role that the policy does not know.
        """
        self._tenants = {each.tenant: _Tenant(each, _roles(each, grants)) for each in directories}
        self._groups = {name: frozenset(each.roles) for name, each in self._tenants.items()}
        self._changes = changes
        self._clock = clock
        self._read_at = -math.inf
        self._has_news = False
        self._flight: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Read on, if a second has passed since; all who ask at once wait for the same reading.

        What cannot be read is told to whom it concerns, by `must_stand`.
        """
        if not self._tenants or (self._age() < FRESH_S and not self._has_news):
            return
        if self._flight is None or self._flight.done():
            self._flight = asyncio.create_task(self._read())
        await asyncio.wait({self._flight}, timeout=WAIT_S)

    def news(self) -> None:
        """Something was changed by this replica: who asks next reads on, whenever that is."""
        self._has_news = True

    def must_stand(self, principal: Principal) -> None:
        """Return if the caller is nobody's who was put out, and is known where that is asked.

        A key asks only whether the person who made it was put out: a program goes on while the
        directory is away, and before its maker is known to it. Where the directory says who is known,
        nobody is whom another provider vouches for: it cannot put them out.

        Raises:
            TurnedAway: they were put out, or are not known.
            DatabaseUnavailable: who was put out could not be read for too long.
        """
        tenant = self._tenants.get(principal.tenant)
        if tenant is None:
            return
        is_key = principal.subject.startswith(API_KEY)
        who = key_of(tenant.rules, principal.owner or "" if is_key else principal.subject)
        if who is None:
            if tenant.rules.require_provisioned and not is_key:
                raise _not_active(principal)
            return
        if not is_key and self._age() > STALE_S:
            raise DatabaseUnavailable("who was put out cannot be read")
        person, ended_at = tenant.people.get(who), tenant.ends.get(who)
        if person is None:
            must_be_known = tenant.rules.require_provisioned and not is_key
            is_in = ended_at is None and not must_be_known
        else:
            is_in = person.active and _is_after(principal.as_of, ended_at)
        if not is_in:
            raise _not_active(principal)

    def roles_of(self, tenant: str, subject: str) -> frozenset[str]:
        """The roles that the groups of somebody give them; none while that could not be read."""
        known = self._tenants.get(tenant)
        who = None if known is None else key_of(known.rules, subject)
        if known is None or who is None or self._age() > STALE_S:
            return frozenset()
        person = known.people.get(who)
        if person is None or not person.active:
            return frozenset()
        return frozenset[str]().union(*(known.roles.get(group, ()) for group in person.groups))

    def knows(self, tenant: str, subject: str) -> bool:
        """Whether the directory has somebody.

        Raises:
            DatabaseUnavailable: that could not be read for too long.
        """
        known = self._tenants.get(tenant)
        who = None if known is None else key_of(known.rules, subject)
        if known is None or who is None:
            return False
        if self._age() > STALE_S:
            raise DatabaseUnavailable("who is in the directory cannot be read")
        return who in known.people

    async def aclose(self) -> None:
        """Stop reading."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    async def _read(self) -> None:
        begun, self._has_news = self._clock.monotonic(), False
        seen = {name: each.change for name, each in self._tenants.items()}
        try:
            found = await self._changes.since(seen, self._groups)
        except Exception as error:  # noqa: BLE001  whatever it is, nothing was read
            _log.warning("the directory cannot be read: %s", type(error).__name__)
            return
        for changed in found:
            self._tenants[changed.tenant].learn(changed)
        self._read_at = begun

    def _age(self) -> float:
        return self._clock.monotonic() - self._read_at


def _not_active(principal: Principal) -> TurnedAway:
    return TurnedAway("Whoever this is for is not active here.", principal, "not_active")


def _roles(
    rules: DirectoryRules, grants: Mapping[str, frozenset[str]]
) -> Mapping[str, frozenset[str]]:
    """Roles by the name of the group that gives them."""
    by_group: dict[str, set[str]] = {}
    for rule in rules.roles:
        if rule.role not in grants:
            message = f"{rules.provider}: the policy grants nothing to {rule.role}"
            raise ConfigError("configuration", None, "scim.roles", message)
        by_group.setdefault(rule.group, set()).add(rule.role)
    return {group: frozenset(roles) for group, roles in by_group.items()}


def _is_after(as_of: float | None, ended_at: float | None) -> bool:
    """Whether something was made after its holder was last put out; tokens count whole seconds."""
    if ended_at is None:
        return True
    return as_of is not None and as_of >= math.floor(ended_at)
