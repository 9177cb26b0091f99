"""What one replica knows of one limit: what it has borrowed of it, and its own share of it. No I/O, no clock."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from actors.lease_store import GIVE_BACK_S, LEASE_S, Claim, LimitKey, Loan
from deployments.security.shares import Shares
from routing.gcra import Bucket, Rate

if TYPE_CHECKING:
    import asyncio

# A replica that dies with a lease loses that much of the limit until it lapses.
CHUNK_SHARE = 0.05
# One request, where a twentieth of the burst is less.
CHUNK_LEAST = 1.0
# A lease ends here before it ends in the store, by more than any answer of the store is late.
HELD_S = LEASE_S * 0.8
# So long "nothing left" is believed: others may give back what they hold.
EMPTY_S = 1.0
# And at least so long: a limit that is used up is asked for a hundred times a second, not at each refusal.
EMPTY_LEAST_S = 0.01
# Of a limit that does not come back a replica that has borrowed nothing goes on with so much while the
# store is away, which is what it would have borrowed: without it the customers of the day would be refused.
UNHEARD_SHARE = CHUNK_SHARE
# Less than one unit of a limit lets nothing in: replicas together would let in more than there is.
_UNIT = 1.0
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Demand:
    """`cost` units of the limit `rate` of a subject."""

    name: str
    key: LimitKey
    rate: Rate
    cost: float = 1.0

    needed: float = field(init=False)
    """What has to be there: what costs more than the whole burst waits for all of it."""

    chunk: float = field(init=False)
    """What is borrowed at once."""

    def __post_init__(self) -> None:
        # Worked out once: a demand is made for many requests.
        needed = min(self.cost, self.rate.burst)
        object.__setattr__(self, "needed", needed)
        object.__setattr__(self, "chunk", max(self.rate.burst * CHUNK_SHARE, CHUNK_LEAST, needed))


class Standing(NamedTuple):
    """The nearest limit and its room. `wait_s` is 0.0 if all was taken, else nothing was."""

    demand: Demand
    room: float
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Alone:
    """Since when a replica decides without the store, for the `number`th time; 0 where there never was one."""

    number: int = 0
    since: float = -math.inf


class Account:
    """`holder` names this account's one life towards the store.

    `stock` is what is borrowed, until `until`; less than nothing where more was used by force.
    `used` is all that was ever taken of what was borrowed, less what was given back, and `told`
    what the store knows of that. `loose` is what passed while there was no store. `room` and
    `debt` are what the store said at `heard_at`; it is not asked again before `ask_at`.
    `rate` is the whole limit's, and `local` is what passed of `own`, this replica's part of the rate while it is `alone`; `known` of
    the part's changes are in it.
    """

    __slots__ = (
        "alone", "ask_at", "asking", "debt", "heard_at", "holder", "known", "local", "loose", "own",
        "rate", "room", "seq", "stock", "told", "touched", "until", "used",
    )  # fmt: skip

    def __init__(self, holder: str, rate: Rate) -> None:
        self.holder = holder
        self.rate = rate
        self.alone: Alone | None = None
        self.local = Bucket()
        self.own = Rate(0.0, 0.0)
        self.known = 0
        self.stock = 0.0
        self.until = -math.inf
        self.used = 0.0
        self.told = 0.0
        self.loose = 0.0
        self.seq = 0
        self.room = 0.0
        self.debt = 0.0
        self.heard_at = -math.inf
        self.ask_at = -math.inf
        self.touched = 0.0
        self.asking: asyncio.Task[None] | None = None

    def stand(self, shares: Shares, alone: Alone) -> None:
        """Go by the own part of the limit, as it is by now: to be called before what `is_alone`."""
        rate, share = self.rate, shares.share
        if self.alone is not alone:
            self.alone = alone
            self._begin(shares, share, alone)
        if self.known != shares.count:
            for change in shares.since(self.known):
                new = rate.part(change.share)
                self.local.resize(self.own, new, change.unused * rate.burst, change.at)
                self.own = new
            self.known = shares.count

    def _begin(self, shares: Shares, share: float, alone: Alone) -> None:
        """What there is at first: what was borrowed. All else may be used up, and has to come back."""
        rate = self.rate
        room = self.stock if self.stock < 0.0 or self.until > alone.since else 0.0
        self.stock = min(self.stock, 0.0)
        if rate.per_s > 0.0:
            self.known, share = shares.before(alone.since)
        else:
            # Nothing comes back of it: what others took is told by nobody until the period is over.
            self.known = shares.count
            if alone.number == 0:
                room = rate.burst * share
            elif room == 0.0:
                left = rate.burst if self.heard_at == -math.inf else max(0.0, self.room)
                room = min(share * left, rate.burst * UNHEARD_SHARE)
        self.own, self.local = rate.part(share), Bucket()
        self.local.settle(self.own, max(0.0, self.own.burst - room), alone.since)

    def wait_s(self, demand: Demand, now: float) -> float:
        """Seconds until the own part covers it; infinity where that is too small for anything."""
        if self.own.burst < min(demand.cost, _UNIT) - _ROUNDING:
            return math.inf
        return self.local.wait_s(self.own, demand.cost, now)

    def load(self, now: float) -> float:
        """How much is lost where it is forgotten, as a part of the burst."""
        kept = abs(self.used - self.told) + max(0.0, self.stock)
        return max(kept / self.rate.burst, self.local.debt(self.own, now) / (self.own.burst or 1.0))

    def covers(self, demand: Demand, now: float, *, is_alone: bool) -> bool:
        """Whether it can be taken without asking anybody."""
        if is_alone:
            return self.wait_s(demand, now) == 0.0
        return now < self.until and self.stock >= demand.needed - _ROUNDING

    def refusal(self, demand: Demand, now: float, *, is_alone: bool) -> Standing | None:
        """Why it cannot be taken; None where the store may still lend it."""
        if is_alone:
            room = max(0.0, self.local.room(self.own, now))
            return Standing(demand, room, self.wait_s(demand, now))
        if now < self.ask_at:
            return Standing(demand, max(0.0, self.stock), self._wait_s(demand, now))
        return None

    def _wait_s(self, demand: Demand, now: float) -> float:
        """Seconds until the store may lend what is missing, by what it said."""
        missing = demand.needed - max(0.0, self.stock) - self.room
        if self.debt < missing - _ROUNDING:
            return GIVE_BACK_S  # others hold it, and may not need it
        per_s = demand.rate.per_s
        wait_s = missing / per_s - (now - self.heard_at) if per_s > 0 else math.inf
        return max(wait_s, EMPTY_LEAST_S)

    def spend(self, demand: Demand, now: float, *, is_alone: bool) -> float:
        """Take what is covered; the room that is left."""
        self.touched = now
        if is_alone:
            self.local.settle(self.own, demand.cost, now)
            self.loose += demand.cost
            return self.local.room(self.own, now)
        self.stock -= demand.cost
        self.used += demand.cost
        return max(0.0, self.stock) + max(0.0, self.room)

    def settle(self, demand: Demand, units: float, now: float, *, is_alone: bool) -> None:
        """Take `units` more by force, or give back where they are less than zero."""
        if is_alone:
            self.local.settle(self.own, units, now)
            self.loose += units
            return
        self.used += units
        # What is given back goes through the store: it may have been told that it was used.
        self.stock -= max(0.0, units)
        if units < 0:
            self.ask_at = -math.inf

    def is_low(self, demand: Demand, now: float) -> bool:
        """Whether half of a lease is gone, or the store's idea of what was used is far off."""
        if now < self.ask_at:
            return False
        return self.stock < demand.chunk / 2 or abs(self.used - self.told) > demand.chunk

    def claim(self, demand: Demand, wanted: float, now: float) -> Claim:
        """Tell what was used, to hold `wanted` afterwards; nothing gives back what is left."""
        if now >= self.until or wanted == 0.0:
            self.stock = min(self.stock, 0.0)
        # What passed while the store was away, as far as it has not come back since.
        self.used += min(self.loose, self.local.debt(self.own, now))
        self.loose = 0.0
        self.seq += 1
        # An overdraft is told with what was used, and is the store's from now on.
        self.stock = held = max(self.stock, 0.0)
        want = max(0.0, wanted - held)
        return Claim(
            demand.key, demand.rate, self.holder, self.seq, self.used, self.told, held, want
        )

    def apply(self, demand: Demand, claim: Claim, loan: Loan, asked_at: float, now: float) -> None:
        """The store's answer to a claim made at `asked_at`."""
        self.told = claim.used
        self.until = asked_at + HELD_S
        self.stock += loan.granted
        self.debt = loan.debt
        # Less than nothing where more was used than there is.
        self.room = loan.room - max(0.0, loan.debt - demand.rate.burst)
        self.heard_at = now
        self.ask_at = -math.inf
        if claim.want > 0.0 and self.stock < demand.needed - _ROUNDING:
            self.ask_at = now + min(self._wait_s(demand, now), EMPTY_S)
