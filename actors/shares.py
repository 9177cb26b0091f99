"""What part of every limit each replica may let in by itself: what the coordinator and they tell each other.

The parts that are lent never add up to more than the whole. One shrinks as soon as it is told to, and
what it gave up is lent to others once it has said so; or when it has been silent for `LEASE_S`, because by
then it has fallen back to `least` by its own clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

LEASE_S = 10.0
"""A replica that is not heard of for this long counts with its least part: twenty missed claims."""

HELD_S = LEASE_S * 0.8
"""From when it asked a replica holds its part so long: less than it is lent for, whatever an answer takes."""

ANSWER_S = 1.0
"""An answer that is later is not heard: much sooner than the fifth of a lease that lies between both."""

GONE_S = 60.0
"""A replica that is silent for this long is no more: Serve has stopped one that does not answer before."""


@dataclass(frozen=True, slots=True)
class ShareClaim:
    """What a replica of a `pool` of equal ones says, and asks for.

    It holds `held` of the whole, no more, and falls back to `least` of it where it hears nothing. `heard`
    is the number of the last answer that it went by; it heeds none that comes after its next claim.
    `over` are the requests of tenants that it has under way beyond its part. With `is_last` it is gone.
    """

    pool: str
    replica: str
    seq: int
    heard: int
    held: float
    least: float
    over: Mapping[str, int] = field(default_factory=dict)
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class ShareGrant:
    """It may hold `share` of the whole. `unused` of that nobody ever held, so all of it is there at once.

    `elsewhere` are requests of tenants that other replicas have under way beyond their parts; None
    where that is not known anew, and what was known holds on.
    """

    share: float
    elsewhere: Mapping[str, int] | None = None
    unused: float = 0.0


class ShareUnavailable(Exception):
    """Nobody says what part a replica has."""


class ShareStore(Protocol):
    """Who lends parts."""

    async def claim(self, claim: ShareClaim) -> ShareGrant:
        """Take a claim and answer it; raises ShareUnavailable where nobody does just now."""
        ...
