"""Settings of regions: which this one is, who its peers are, and where each tenant is at home."""

from typing import Annotated, TypeAlias

from pydantic import Field, StringConstraints, model_validator

from config.values import Credential, Section, WebAddress

RegionName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]


class Peer(Section):
    """Another region's SupportMax; `api_key` is a key that it gave out, with the role service."""

    url: WebAddress = Field(examples=["https://eu.support.example.com"])
    api_key: Credential = Field(examples=["${SUPPORTMAX_EU_KEY}"])


class TenantHome(Section):
    """The region that serves a tenant; with `failover` others do so while it is down."""

    home: RegionName = Field(examples=["us"])
    failover: bool = Field(default=False, examples=["false"])


class RegionSettings(Section):
    """This region and the others. A tenant that is not named is served wherever it asks."""

    name: RegionName = Field(examples=["us"])
    # 16: more than any company serves customers from; each is asked every few seconds.
    peers: dict[RegionName, Peer] = Field(default_factory=dict, max_length=16)
    tenants: dict[str, TenantHome] = Field(default_factory=dict, max_length=10_000)

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
        return self
