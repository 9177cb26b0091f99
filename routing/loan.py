"""What one region holds of a budget that is at home in another, and what it says to the home.

A region is a holder like a process: its claims are cumulative and numbered, so that one which
is lost, repeated or overtaken leases nothing twice. Two things differ. What it holds is kept
in its journal before it is told, because a region comes back; so its lease is never given up
for lost. And its lease runs out: from then on the region lends nothing more of it.

What of a lease that has run out may the home lend again? Only what the holder has returned:
that it runs out proves that nothing more will be spent, not that nothing was. So no clock
stands between a budget and its limit; a clock that is wrong only stops a region early or late.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from routing.budget import Beyond, Book, Claim, Key, Standing

SHARE = 10
"""A region holds a tenth of what is left, so that it has something when the home is gone and the
home has most; as less is left, it gives back."""

STOP_EARLY_S = 60.0
"""A region stops this long before its lease runs out at home: clocks are set, and answers take time."""

LEASE_LEAST_S = 300.0
"""No lease is shorter: five minutes pay for an answer's longest deadline, or a restart."""

LEASE_MOST_S = 86_400.0
"""A day: a budget lives no longer."""

CHECK_S = 60.0
"""How often a lease at rest is told of: what the home has run short of comes back within this."""

TELL_S = 1.0
"""How soon what was spent is told: once a second, as processes tell a region's coordinator."""

RETRY_S = 2.0
"""After so long a claim counts as lost and is sent again, under a new number."""

IDLE_S = 60.0
"""Money of a user, key or conversation that nobody asked for so long goes home."""

AFRESH_S = 1.0
"""A home that had no more is asked again after this, if anybody still wants it."""

PREPARE_S = 3_600.0
"""So long before midnight the next day's reserve is asked for: most outages are shorter."""


class Refusal(StrEnum):
    """Why a home does not even look at a claim."""

    UNKNOWN_BUDGET = "unknown_budget"
    NOT_AT_HOME = "not_at_home"
    NOT_ELSEWHERE = "not_elsewhere"
    OTHER_DAY = "other_day"
    OTHERS_LEASE = "others_lease"


class Lent(NamedTuple):
    """A home's answer: `latest` is the highest number it ever heard of this lease."""

    standing: Standing
    latest: int
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Loan:
    """What is journaled of one lease from another region; amounts in pico-dollars only grow.

    `want` is what was asked for last, `told` what the home was last told to be spent, and
    `home_free` what it had left. `need` is what somebody here wanted and did not get. `next_at`
    is when the home is next to be told, None when there is nothing to tell. Times are seconds
    since the epoch by this region's clock.
    """

    lease: str
    seq: int = 0
    heard_seq: int = 0
    want: int = 0
    granted: int = 0
    told: int = 0
    returned: int = 0
    need: int = 0
    home_free: int = 0
    is_reserve: bool = False
    is_closed: bool = False
    runs_out_at: float = 0.0
    heard_at: float = 0.0
    used_at: float = 0.0
    next_at: float | None = None

    @property
    def limit(self) -> int:
        """What this region may spend in all."""
        return self.granted - self.returned

    @property
    def is_under_way(self) -> bool:
        """Whether the last claim has no answer yet."""
        return self.heard_seq < self.seq

    def lends(self, now: float) -> bool:
        """Whether processes here may still be lent of it."""
        return not self.is_closed and now < self.runs_out_at

    def used(self, need: int, now: float) -> "Loan":
        """Somebody here asked for `need` more than there is, or, with 0, told what it spent.

        While a claim is under way no other is due: its answer, or its loss, comes first.
        """
        due = now if need else now + TELL_S
        next_at = due if self.next_at is None else min(self.next_at, due)
        return replace(
            self,
            need=max(self.need, need),
            used_at=max(self.used_at, now) if need else self.used_at,
            next_at=self.next_at if self.is_closed or self.is_under_way else next_at,
        )

    def beyond(self, now: float, *, is_silent: bool) -> Beyond:
        """Why no more can be lent here just now."""
        if self.is_closed:
            return Beyond.SPENT
        if is_silent:
            return Beyond.SILENT
        if not self.is_under_way and self.want > self.granted and now - self.heard_at < AFRESH_S:
            return Beyond.SPENT
        return Beyond.ASKED

    def tell(self, key: Key, book: Book, now: float, today: int) -> tuple["Loan", Claim]:
        """The next claim, and the loan as it must be journaled before the claim is sent.

        `book` is this region's own of the budget, whose limit is this loan's. What is returned
        is no longer in it, so nobody here can spend what the home is about to lend to others.
        """
        idle, want, returned = book.free, self.granted, self.returned
        target = self._target(idle, now, today - key.day)
        if target > idle and (self.need > idle or idle * 2 < target):
            want = self.granted + target - idle
        elif idle > target * 2:
            returned += idle - target
        loan = replace(
            self,
            seq=self.seq + 1,
            want=want,
            told=book.spent,
            returned=returned,
            is_reserve=self.is_reserve and key.day >= today,
            next_at=now + RETRY_S,
        )
        return loan, Claim(key, self.lease, loan.seq, want, loan.told, returned)

    def _target(self, idle: int, now: float, days_ago: int) -> int:
        """What it would hold best, beside what is spent or lent here."""
        is_wanted = self.is_reserve or now - self.used_at < IDLE_S
        if days_ago > 0 or self.is_closed or not is_wanted:
            return 0
        return max(self.need * 2, (self.home_free + idle) // SHARE)

    def hear(self, lent: Lent, sent_at: float, lease_s: float, now: float) -> "Loan":
        """Take the home's answer to a claim that was sent at `sent_at`.

        The lease is counted from there: the home heard the claim later, so it runs out here
        first. A home that has heard of claims this journal does not know of, or knows nothing
        of what was spent, has another past than this region: nothing more is lent of it today.
        """
        standing = lent.standing
        if standing.lease != self.lease:
            return self
        if standing.is_closed or lent.latest > self.seq:
            return replace(self, is_closed=True, next_at=None)
        loan = replace(self, granted=max(self.granted, standing.granted))
        if standing.seq <= self.heard_seq:
            return loan
        loan = replace(
            loan,
            heard_seq=standing.seq,
            home_free=standing.free,
            heard_at=now,
            runs_out_at=max(self.runs_out_at, sent_at + lease_s - STOP_EARLY_S)
            if lent.refusal is None
            else self.runs_out_at,
        )
        if standing.seq < self.seq:
            return loan
        is_even = loan.granted <= loan.returned + loan.told and not loan.is_reserve
        return replace(loan, need=0, next_at=None if is_even else now + CHECK_S)
