"""Who is calling: every request has exactly one, and its tenant comes from nowhere else."""

from dataclasses import dataclass, field

from routing.errors import AccessError

API_KEY = "key:"
"""What the subject of an API key begins with; its id follows."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller with what it may do.

    `tenant` is the first part of every key under which anything of theirs is kept.
    """

    tenant: str
    subject: str
    roles: frozenset[str] = field(default_factory=frozenset)
    permissions: frozenset[str] = field(default_factory=frozenset)

    def may(self, permission: str) -> bool:
        """Whether `permission` was granted; nothing is by default."""
        return permission in self.permissions

    def must(self, permission: str) -> None:
        """Raise AccessError unless `permission` was granted."""
        if not self.may(permission):
            raise AccessError("forbidden", f"This needs the permission {permission}.")
