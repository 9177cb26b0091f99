"""Which region a tenant's budgets are at home in: the one that lends them to all who spend."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BudgetHomes:
    """Each tenant has one home for its budgets, whichever regions serve it.

    `homes` has the regions of tenants that are named, `roaming` those of them that other
    regions may serve; `others` is the home of everybody else's budgets. Regions that say
    different things here lend the same money twice or refuse each other; see
    docs/decisions/0012-leases-to-regions.md.
    """

    here: str = ""
    others: str = ""
    homes: Mapping[str, str] = field(default_factory=dict)
    roaming: frozenset[str] = frozenset()

    def away(self, tenant: str) -> str | None:
        """The other region that owns the tenant's budgets; None where it is this one."""
        home = self.homes.get(tenant, self.others)
        return None if home == self.here else home

    def may_lend(self, tenant: str) -> bool:
        """Whether its budgets are at home here and another region may serve it."""
        is_roaming = tenant not in self.homes or tenant in self.roaming
        return is_roaming and self.away(tenant) is None

    def guests(self, home: str) -> tuple[str, ...]:
        """The named tenants of another region that this one may have to serve."""
        return tuple(t for t, at in self.homes.items() if at == home and t in self.roaming)

    @property
    def lenders(self) -> tuple[str, ...]:
        """The regions whose budgets this one may spend."""
        regions = {self.others, *(self.homes[tenant] for tenant in self.roaming)}
        return tuple(sorted(regions - {self.here}))
