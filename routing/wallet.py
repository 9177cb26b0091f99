"""What one process holds of the budgets: leases it spends from without asking anybody.

A reservation takes its amount from every budget that concerns a request, or from none. What
was not spent of it can be spent again at once; what nobody used for a while goes back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from routing.budget import LEASE_TTL_S, Beyond, Claim, Key, Standing

LEASE_SHARE = 100
"""A lease is at least the limit over this: 100 processes could hold a budget between them."""

IDLE_S = 10.0
"""Money nobody reserved for this long goes back: a few answers, so that a user who types keeps his."""

RENEW_S = LEASE_TTL_S / 3
"""How often a lease in use is told of: two reports may be lost."""

ACCOUNTS_MAX = 20_000
"""Leases held at once, about 300 bytes each; beyond them, whoever comes new waits his turn."""

REPORT_MAX = 1_000
"""Leases told of at once: at 0.2 ms each in the owner's database; the rest is told next time."""

RESERVED_MAX_S = 900.0
"""A reservation is over by then whatever became of its request: the longest deadline that can be
configured is 600 s. One that nobody settled is spent in full."""


@dataclass(slots=True)
class _Account:
    """One lease: all figures but `reserved` only grow, which makes reports repeatable."""

    lease: str
    limit: int
    used_at: float
    granted: int = 0
    spent: int = 0
    returned: int = 0
    reserved: int = 0
    free: int | None = None
    beyond: Beyond | None = None
    seq: int = 0
    heard_seq: int = 0
    told: tuple[int, int] = (0, 0)
    told_at: float = 0.0

    @property
    def available(self) -> int:
        return self.granted - self.spent - self.returned - self.reserved

    @property
    def is_even(self) -> bool:
        """Whether nothing of it is out, and its owner knows."""
        is_told = self.told == (self.spent, self.returned) and self.heard_seq == self.seq
        return is_told and not self.reserved and self.granted <= self.spent + self.returned


class Reservation:
    """Money set aside for one request. Settle it exactly once, whatever ends the request."""

    __slots__ = ("_accounts", "_until", "_wallet", "amount")

    def __init__(
        self, wallet: "Wallet", accounts: tuple[_Account, ...], amount: int, until: float
    ) -> None:
        self.amount = amount
        self._wallet = wallet
        self._accounts = accounts
        self._until = until

    def settle(self, spent: int | None) -> None:
        """The request is over and cost so much, None where nobody knows: then all that was set aside.

        Only the first call counts.
        """
        if self._wallet.close(self):
            cost = self.amount if spent is None else spent
            for account in self._accounts:
                account.reserved -= self.amount
                account.spent += cost

    def is_overdue(self, now: float) -> bool:
        """Whether its request must be over long since."""
        return now > self._until


class Wallet:
    """The leases of one process, which `holder` names for its one life. No I/O, no clock."""

    def __init__(self, holder: str) -> None:
        self._holder = holder
        self._accounts: dict[Key, _Account] = {}
        self._open: dict[int, Reservation] = {}
        self._leases = 0

    def left(self, due: Mapping[Key, int]) -> int:
        """What could be reserved at most for all of `due`, as far as is known here."""
        return min(self.left_of(key, limit) for key, limit in due.items())

    def left_of(self, key: Key, limit: int) -> int:
        """The same of one budget; of one never asked for, its limit."""
        account = self._accounts.get(key)
        if account is None or account.free is None:
            return limit
        return max(account.available, 0) + account.free

    def held(self, due: Mapping[Key, int]) -> int:
        """What can be reserved for all of `due` without asking anybody."""
        return min(self.held_of(key) for key in due)

    def held_of(self, key: Key) -> int:
        """The same of one budget."""
        account = self._accounts.get(key)
        return 0 if account is None else max(account.available, 0)

    def beyond(self, key: Key) -> Beyond | None:
        """Why no more was lent of it, where its home is another region."""
        account = self._accounts.get(key)
        return None if account is None else account.beyond

    def is_asked(self, due: Mapping[Key, int], amount: int) -> bool:
        """Whether another region is being asked for what `amount` needs, and nothing else is in the way."""
        short = [key for key in due if self.held_of(key) < max(amount, 1)]
        return bool(short) and all(self.beyond(key) is Beyond.ASKED for key in short)

    def reserve(self, due: Mapping[Key, int], amount: int, now: float) -> Reservation | None:
        """Set `amount` aside in each of `due`; None, and nothing set aside, where one has less."""
        accounts: list[_Account] = []
        for key in due:
            account = self._accounts.get(key)
            if account is None:
                if amount:
                    return None
                continue
            if account.available < amount:
                return None
            accounts.append(account)
        for account in accounts:
            account.reserved += amount
            account.used_at = now
        reservation = Reservation(self, tuple(accounts), amount, now + RESERVED_MAX_S)
        self._open[id(reservation)] = reservation
        return reservation

    def close(self, reservation: Reservation) -> bool:
        """Forget a reservation; False if it was closed before."""
        return self._open.pop(id(reservation), None) is not None

    def claim(self, key: Key, limit: int, need: int, now: float) -> Claim | None:
        """What to ask the owner for so that `need` can be reserved; None while too much is held."""
        account = self._accounts.get(key)
        if account is None:
            if len(self._accounts) >= ACCOUNTS_MAX:
                return None
            self._leases += 1
            account = _Account(f"{self._holder}-{self._leases}", limit, now)
            self._accounts[key] = account
        account.limit = limit
        account.used_at = now
        wanted = max(need, limit // LEASE_SHARE)
        return _told(key, account, account.granted + max(wanted - account.available, 0), now)

    def apply(self, standing: Standing) -> None:
        """Take the owner's word; of two answers the later question's counts."""
        account = self._accounts.get(standing.key)
        if account is None or account.lease != standing.lease:
            return
        if standing.is_closed:
            # Counted as spent already: what is under way on it changes nothing any more.
            del self._accounts[standing.key]
            return
        account.granted = max(account.granted, standing.granted)
        if standing.seq > account.heard_seq:
            account.heard_seq = standing.seq
            account.free = standing.free
            account.beyond = standing.beyond

    def report(self, now: float, today: int) -> list[Claim]:
        """What the owner has to be told now; what is idle, or of a day gone by, is returned with it."""
        for reservation in [r for r in self._open.values() if r.is_overdue(now)]:
            reservation.settle(None)
        self._drop_even(now, today)
        return list(islice(self._to_tell(now, today), REPORT_MAX))

    def _to_tell(self, now: float, today: int) -> Iterator[Claim]:
        for key, account in self._accounts.items():
            is_over = key.day < today or now - account.used_at >= IDLE_S
            if is_over and account.available > 0:
                account.returned += account.available
            is_news = account.told != (account.spent, account.returned)
            is_due = account.granted > account.spent + account.returned and (
                now - account.told_at >= RENEW_S
            )
            if is_news or is_due or account.heard_seq != account.seq:
                yield _told(key, account, account.granted, now)

    def _drop_even(self, now: float, today: int) -> None:
        gone = [
            key
            for key, account in self._accounts.items()
            if account.is_even and (key.day < today or now - account.used_at >= IDLE_S)
        ]
        for key in gone:
            del self._accounts[key]


def _told(key: Key, account: _Account, want: int, now: float) -> Claim:
    account.seq += 1
    account.told = (account.spent, account.returned)
    account.told_at = now
    return Claim(key, account.lease, account.seq, want, account.spent, account.returned)
