"""Daily budgets: what may be spent, and how that is lent so that no order of events overspends.

The owner of a budget keeps a Book for each of its days; whoever spends holds a lease of part
of it. All a holder says is cumulative (asked for, spent, returned), so that a message which is
lost, repeated or overtaken changes nothing. What is lent stays lent until its holder gives it
back: of one that is never heard of again it counts as spent, so a book can only err on the
safe side. Money is whole pico-dollars.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum
from typing import NamedTuple

DAY_S = 86_400

LEASE_TTL_S = 60.0
"""A holder silent for this long is taken for dead: sixty missed reports."""

FORGET_S = 600.0
"""A lease silent for this long is folded into what is spent: its holder's clock would have to
stand still for ten minutes, and then its money counts as spent, which is safe."""

FORGOTTEN_SEQ = 2**62
"""The number of a lease that was given up for lost: no claim's is higher, so none opens it again."""

_PICO = 12


class Scope(StrEnum):
    """Whose spending is added up."""

    TENANT = "tenant"
    USER = "user"
    KEY = "key"
    CONVERSATION = "conversation"


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent from midnight to midnight, UTC.

    `tenant` None means every tenant has one of its own, `subject` None every user, key or
    conversation. A configured budget cannot be changed through the API.
    """

    id: str
    scope: Scope
    limit_pico: int
    tenant: str | None = None
    subject: str | None = None
    is_configured: bool = False


class Key(NamedTuple):
    """One subject's budget on one day, which is counted in days since the epoch."""

    tenant: str
    budget: str
    scope: Scope
    subject: str
    day: int

    @property
    def resets_at(self) -> float:
        """The end of its day, in seconds since the epoch."""
        return float((self.day + 1) * DAY_S)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a holder says of its lease: it grew to `want`, of which so much is spent and returned.

    All three only ever grow; `seq` grows with every claim, and tells a late one.
    """

    key: Key
    lease: str
    seq: int
    want: int
    spent: int = 0
    returned: int = 0


class Beyond(StrEnum):
    """Why a region lends no more of another region's budget."""

    ASKED = "asked"
    """The home is being asked for more: ask again in a moment."""

    SPENT = "spent"
    """The home was asked and has no more to lend."""

    SILENT = "silent"
    """The home cannot be asked."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The owner's answer to a claim: what the lease has grown to, and what is `free` beside it.

    `is_closed` says that the lease was given up for lost and is counted as spent; `beyond` is
    said where a budget is at home in another region and less was lent than was wanted, or that
    region is silent; `free` counts what it has left, too, unless it is.
    """

    key: Key
    lease: str
    seq: int
    granted: int
    free: int
    is_closed: bool = False
    beyond: Beyond | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """What one holder has of a book; `heard_at` is when it last said anything.

    `region` is the holder where it is another region, and `runs_out_at` when that must lend
    no more of it, by this region's clock.
    """

    granted: int = 0
    spent: int = 0
    returned: int = 0
    seq: int = 0
    heard_at: float = 0.0
    region: str = ""
    runs_out_at: float | None = None

    @property
    def is_forgotten(self) -> bool:
        """Whether it was given up for lost, and what it had is settled."""
        return self.seq >= FORGOTTEN_SEQ

    @property
    def committed(self) -> int:
        """What nobody else may have of it: a bill over its bound counts as it is."""
        return max(self.granted - self.returned, self.spent)

    def spent_at(self, now: float) -> int:
        """What is spent of it as far as is known: all of it, once its holder is taken for dead."""
        return self.committed if self.is_lapsed(now) else self.spent

    def is_lapsed(self, now: float, after_s: float = LEASE_TTL_S) -> bool:
        """Whether its holder is silent for too long: a region, until its lease has run out."""
        if self.runs_out_at is not None:
            return now > self.runs_out_at
        return now - self.heard_at > after_s


@dataclass(slots=True)
class Book:
    """One key's: `settled` is what is spent beyond recall, `leases` are by the holders' names.

    Whatever is claimed, settled + leases <= limit, as long as the limit is not lowered and no
    holder spends more than its lease.
    """

    limit: int
    settled: int = 0
    leases: dict[str, Lease] = field(default_factory=dict)

    @property
    def committed(self) -> int:
        """What is spent or lent."""
        return self.settled + sum(lease.committed for lease in self.leases.values())

    @property
    def spent(self) -> int:
        """What is known to be spent."""
        return self.settled + sum(lease.spent for lease in self.leases.values())

    @property
    def free(self) -> int:
        """What can still be lent."""
        return max(self.limit - self.committed, 0)

    def spent_at(self, now: float) -> int:
        """What is spent, leases of the dead included."""
        return self.settled + sum(lease.spent_at(now) for lease in self.leases.values())

    def claim(
        self,
        claim: Claim,
        now: float,
        *,
        lends: bool = True,
        region: str = "",
        runs_out_at: float | None = None,
    ) -> Standing:
        """Take a holder's word and lend it what it wants, as far as there is that much.

        A claim that another has overtaken still tells what was spent, and gets nothing more.
        `region` and `runs_out_at` are said of a lease to another region.
        """
        lease = self.leases.get(claim.lease)
        is_unknown = lease is None and (claim.spent or claim.returned)
        if is_unknown or (lease is not None and lease.is_forgotten):
            # Its lease was folded long ago, as spent: nothing it says makes that less.
            known = claim.spent + claim.returned
            return Standing(claim.key, claim.lease, claim.seq, known, self.free, is_closed=True)
        if lease is None:
            lease = Lease(region=region)
        is_newest = claim.seq > lease.seq
        lease = replace(
            lease,
            spent=max(lease.spent, claim.spent),
            returned=max(lease.returned, min(claim.returned, lease.granted)),
            seq=max(lease.seq, claim.seq),
            heard_at=max(lease.heard_at, now),
            runs_out_at=runs_out_at if is_newest else lease.runs_out_at,
        )
        self.leases[claim.lease] = lease
        if is_newest and lends and claim.want > lease.granted:
            more = min(claim.want - lease.granted, self.free)
            lease = self.leases[claim.lease] = replace(lease, granted=lease.granted + more)
        return Standing(claim.key, claim.lease, claim.seq, lease.granted, self.free)

    def fold(self, now: float) -> None:
        """Settle leases that nobody has said anything of for long: what is out is spent.

        Their names stay, lest a late claim open them again. Those of regions are not touched: a
        region's journal outlives its being away, and whenever it is heard again it can prove
        what it did not spend.
        """
        for name, lease in self.leases.items():
            is_kept = lease.region or lease.is_forgotten
            if not is_kept and lease.is_lapsed(now, FORGET_S):
                self.settled += lease.committed
                self.leases[name] = Lease(seq=FORGOTTEN_SEQ, heard_at=lease.heard_at)


@dataclass(frozen=True, slots=True)
class Payer:
    """Who a request is charged to; None is unknown, and no budget of that scope concerns it."""

    tenant: str
    key: str | None = None
    user: str | None = None
    conversation: str | None = None

    def subject(self, scope: Scope) -> str | None:
        """Its name within the scope."""
        match scope:
            case Scope.TENANT:
                return self.tenant
            case Scope.USER:
                return self.user
            case Scope.KEY:
                return self.key
            case Scope.CONVERSATION:
                return self.conversation


class Budgets:
    """The budgets there are, found by whom they concern."""

    def __init__(self, budgets: Iterable[Budget] = ()) -> None:
        self._by_subject: dict[tuple[str | None, Scope, str | None], list[Budget]] = {}
        for budget in budgets:
            place = (budget.tenant, budget.scope, budget.subject)
            self._by_subject.setdefault(place, []).append(budget)

    def concerning(self, payer: Payer, day: int) -> dict[Key, int]:
        """The keys a request of `payer` is charged to on `day`, each with its limit.

        Every budget that fits counts, not only the narrowest: a user's own does not free him
        from his tenant's.
        """
        found: dict[Key, int] = {}
        if not self._by_subject:
            return found
        for scope in Scope:
            subject = payer.subject(scope)
            if subject is None:
                continue
            for tenant in (None, payer.tenant):
                for named in (None, subject):
                    for budget in self._by_subject.get((tenant, scope, named), ()):
                        key = Key(payer.tenant, budget.id, scope, subject, day)
                        found[key] = budget.limit_pico
        return found

    def named(self, tenant: str, day: int) -> dict[Key, int]:
        """The tenant's keys on `day` whose subjects are known before anybody asks, with their limits."""
        found: dict[Key, int] = {}
        for (of, scope, subject), budgets in self._by_subject.items():
            whose = tenant if scope is Scope.TENANT else subject
            if of in {None, tenant} and whose is not None:
                for budget in budgets:
                    found[Key(tenant, budget.id, scope, whose, day)] = budget.limit_pico
        return found


def day_at(now: float) -> int:
    """The day of a second since the epoch."""
    return int(now // DAY_S)


def to_pico(usd: Decimal) -> int:
    """Whole pico-dollars, rounded up: a promise is never rounded down."""
    return int(usd.scaleb(_PICO).to_integral_value(ROUND_CEILING))


def to_usd(pico: int) -> Decimal:
    """The same in USD, exactly."""
    return Decimal(pico).scaleb(-_PICO)
