"""Who is calling: every request has exactly one, and its tenant comes from nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from actors.subjects import is_person
from deployments.security.constraints import WORDS, Withheld
from routing.errors import AccessError


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller with what it may do.

    `tenant` is the first part of every key under which anything of theirs is kept. `as_of` is when
    that was made which vouches for them: a token, a session, a key (seconds since the epoch).
    `owner` is the subject of the person who made the key, if it is one and a person did.
    `signed_on_at` is when that person last proved who they are, where that is known.
    `withheld` are permissions that the roles have and a constraint keeps back, and why.
    """

    tenant: str
    subject: str
    roles: frozenset[str] = field(default_factory=frozenset)
    permissions: frozenset[str] = field(default_factory=frozenset)
    as_of: float | None = field(default=None, compare=False)
    owner: str | None = field(default=None, compare=False)
    signed_on_at: float | None = field(default=None, compare=False)
    withheld: Mapping[str, Withheld] = field(default_factory=dict, compare=False)

    @property
    def person(self) -> str:
        """Who is behind it: for a key its maker, where that is known, else the subject."""
        return self.owner or self.subject

    @property
    def is_somebody(self) -> bool:
        """Whether a person is known to be behind it; a key made on the machine for nobody has none."""
        return is_person(self.person)

    def may(self, permission: str) -> bool:
        """Whether `permission` was granted; nothing is by default."""
        return permission in self.permissions

    def must(self, permission: str) -> None:
        """Raise AccessError unless `permission` was granted."""
        if not self.may(permission):
            why = self.withheld.get(permission)
            reason = "" if why is None else f", which your roles have; {WORDS[why]}"
            raise AccessError("forbidden", f"This needs the permission {permission}{reason}.")
