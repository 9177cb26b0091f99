"""Settings of regions: which this one is, who its peers are, and where each tenant is at home."""

from typing import Annotated, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from config.values import Credential, Number, Section, WebAddress
from routing.budget_home import BudgetHomes
from routing.loan import LEASE_LEAST_S, LEASE_MOST_S

RegionName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]


class Peer(Section):
    """Another region's SupportMax; `api_key` is a key that it gave out, with the role region."""

    url: WebAddress = Field(examples=["https://eu.support.example.com"])
    api_key: Credential = Field(examples=["${SUPPORTMAX_EU_KEY}"])


class TenantHome(Section):
    """The region that serves a tenant; with `failover` others do so while it is down."""

    home: RegionName = Field(examples=["us"])
    failover: bool = Field(default=False, examples=["false"])


class BudgetLeases(Section):
    """How budgets are shared among regions; `home` must be the same in all of them.

    `home` owns the budgets of tenants that are not named, by default the first region of all
    in the order of the alphabet. A region that cannot reach a budget's home goes on with what
    it holds for `lease_s` at most, and then refuses.
    """

    home: RegionName | None = Field(default=None, examples=["us"])
    # Four hours: somebody has looked at an outage by then, and may let a region go on by hand.
    lease_s: Number = Field(default=14_400, ge=LEASE_LEAST_S, le=LEASE_MOST_S, examples=[14_400])


class RegionSettings(Section):
    """This region and the others. A tenant that is not named is served wherever it asks."""

    name: RegionName = Field(examples=["us"])
    # 16: more than any company serves customers from; each is asked every few seconds.
    peers: dict[RegionName, Peer] = Field(default_factory=dict, max_length=16)
    tenants: dict[str, TenantHome] = Field(default_factory=dict, max_length=10_000)
    budgets: BudgetLeases = BudgetLeases()

    @model_validator(mode="after")
    def _every_home_is_there(self) -> "RegionSettings":
        if self.name in self.peers:
            raise ValueError(f"peers names {self.name}, which is this region; leave it out there")
        there = {self.name, *self.peers}
        for tenant, at in self.tenants.items():
            if at.home not in there:
                raise ValueError(
                    f"the home of {tenant} is {at.home}, which is neither this region nor a "
                    f"peer; there are: {', '.join(sorted(there))}"
                )
        home = self.budgets.home
        if home is not None and home not in there:
            raise ValueError(
                f"budgets.home is {home}, which is neither this region nor a peer; there are: "
                f"{', '.join(sorted(there))}"
            )
        return self

    @property
    def budget_homes(self) -> BudgetHomes:
        """Who owns whose budgets."""
        return BudgetHomes(
            here=self.name,
            others=self.budgets.home or min((self.name, *self.peers)),
            homes={tenant: at.home for tenant, at in self.tenants.items()},
            roaming=frozenset(tenant for tenant, at in self.tenants.items() if at.failover),
        )
