"""Limits: how much whoever calls may ask for in a while, from where, and how much at once."""

from typing import Annotated

from pydantic import Field

from config.values import Cidr, Section, Text, Whole

# As many of the ingress, and of the MCP gateway, there may be. One that hears nothing of the others has the
# part of every limit that it had among so many: more replicas would make it smaller.
REPLICAS_MAX = 4
_MOST = 1_000_000_000
_Networks = Annotated[tuple[Cidr, ...], Field(max_length=10_000)]


class RateSettings(Section):
    """So many a minute, evenly; `burst` at once after a quiet while: a minute's, and 4 at least, if not said."""

    per_minute: Whole = Field(ge=1, le=_MOST, examples=[600])
    burst: Whole | None = Field(default=None, ge=REPLICAS_MAX, le=_MOST, examples=[100])


class ClassRates(Section):
    """Requests of each rate class, which `/openapi.json` says of every route; `mcp` is that of `/mcp`."""

    chat: RateSettings | None = Field(default=None, examples=["{per_minute: 600, burst: 100}"])
    read: RateSettings | None = Field(default=None, examples=["{per_minute: 6000}"])
    admin: RateSettings | None = Field(default=None, examples=["{per_minute: 600}"])
    health: RateSettings | None = Field(default=None, examples=["{per_minute: 6000}"])
    mcp: RateSettings | None = Field(default=None, examples=["{per_minute: 6000}"])


class RequestRates(Section):
    """Requests of a tenant altogether, of each signed-on person, and of each API key."""

    tenant: ClassRates = ClassRates()
    user: ClassRates = ClassRates()
    key: ClassRates = ClassRates()


class TokenRate(Section):
    """Tokens read and written by models: a minute, and from midnight to midnight, UTC."""

    per_minute: Whole | None = Field(default=None, ge=REPLICAS_MAX, le=_MOST, examples=[200_000])
    per_day: Whole | None = Field(default=None, ge=REPLICAS_MAX, le=10**12, examples=[20_000_000])


class TokenRates(Section):
    """Tokens of a tenant altogether, of each customer (`user_id`), and of each API key."""

    tenant: TokenRate = TokenRate()
    user: TokenRate = TokenRate()
    key: TokenRate = TokenRate()


class AddressRates(Section):
    """Requests of one client address, where nobody says who they are, and `failures` to say it.

    An IPv6 address counts with all of its /64, which is what one subscriber has.
    """

    read: RateSettings = RateSettings(per_minute=6_000)
    # A sign-on takes two, and a company behind one address begins work within minutes: 600 people
    # a minute, and twice as many at once. Guesses are counted elsewhere, by name and by `failures`.
    admin: RateSettings = RateSettings(per_minute=1_200, burst=2_400)
    health: RateSettings = RateSettings(per_minute=60_000)
    # Twenty guesses a second at a key of 256 bits; a script with an old key in it notices sooner.
    failures: RateSettings = RateSettings(per_minute=1_200, burst=2_400)


class TenantLimits(Section):
    """What is otherwise for one tenant; what is not said is as for all."""

    networks: _Networks | None = Field(default=None, min_length=1, examples=["[203.0.113.0/24]"])
    in_flight: Whole | None = Field(default=None, ge=REPLICAS_MAX, le=1_000_000, examples=[100])
    requests: RequestRates = RequestRates()
    tokens: TokenRates = TokenRates()


class LimitSettings(Section):
    """Who is refused with 429, and from where nobody is served at all.

    `networks` are the only addresses that are served; without it all are. `in_flight` is how many
    requests of one tenant are worked on at once.
    """

    networks: _Networks | None = Field(default=None, min_length=1, examples=["[10.0.0.0/8]"])
    # Half of what four replicas work on at once: one tenant leaves the other half to others.
    in_flight: Whole = Field(default=4_000, ge=REPLICAS_MAX, le=1_000_000, examples=[4_000])
    requests: RequestRates = RequestRates()
    addresses: AddressRates = AddressRates()
    tokens: TokenRates = TokenRates()
    tenants: dict[Text, TenantLimits] = Field(
        default_factory=dict, max_length=10_000, examples=["{northwind: {in_flight: 100}}"]
    )
