"""What a role may move alone: the money limits of the policy file, by name and role."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MoneyLimits:
    """Cents by limit and role. A role that is not named may move nothing alone."""

    cents: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def of(self, name: str, roles: Iterable[str]) -> int:
        """The largest that any of the roles has."""
        by_role = self.cents.get(name, {})
        return max((by_role.get(role, 0) for role in roles), default=0)
