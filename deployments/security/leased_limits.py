"""Limits that all replicas keep together, each deciding by what it has borrowed.

A replica borrows a small part of a limit, spends it without asking anybody, and asks for more in
the background when half is gone. Where the store says that nothing is left, that is remembered,
and nobody is asked for whoever is refused. Without a store every replica has a part of the limit of
its own, and all parts together are no more than the limit. While the store is away it has what it
borrowed before, and its part of what comes back from then on.
"""

import asyncio
import logging
import math
from collections.abc import Sequence

from actors.lease_store import GIVE_BACK_S, LeaseStore, LimitKey
from actors.window_store import StoreUnavailable
from deployments.security.limit_account import HELD_S, Account, Alone, Demand, Standing
from deployments.security.shares import Shares
from routing.clock import Clock

_log = logging.getLogger(__name__)

# After a failure the replicas' own parts are kept for this long before the store is asked again.
ALONE_S = 1.0
# What nobody took from for this long goes back, so that other replicas have it.
IDLE_S = 1.0
TEND_S = 0.5
# Keys settled at once: a tenth of a second of one connection; the rest follows at the next turn.
TEND_MAX = 200
# One waits for what is under way, one asks, one takes; a fourth would wait for the luck of others.
ROUNDS_MAX = 3
# 600 bytes each; when there are more, those who took least are forgotten.
KEYS_MAX = 20_000
_KEPT_SHARE = 0.8
# A limit of a day is over a day later; all others have drained by then.
_STALE_S = 86_400.0


class LeasedLimits:
    """The limits of one replica. `holder` names its one life; without `store` it is alone for good."""

    def __init__(
        self,
        store: LeaseStore | None,
        holder: str,
        shares: Shares,
        clock: Clock,
        keys_max: int = KEYS_MAX,
    ) -> None:
        """`shares` are what it has of each limit where it decides alone."""
        self._store = store
        self._holder = holder
        self._shares = shares
        self._clock = clock
        self._keys_max = keys_max
        self._accounts: dict[LimitKey, Account] = {}
        self._lives = 0
        self._open: dict[LimitKey, Demand] = {}
        self._alone = Alone()
        self._alone_until = math.inf if store is None else -math.inf
        self._tending: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()
        self.is_degraded = False
        """Whether there is a store and it did not answer."""

    async def start(self) -> None:
        """Connect, if that can be done now, and begin to give back what is idle."""
        if self._store is not None:
            await self._store.start()
            self._tending = asyncio.create_task(self._tend())

    async def aclose(self) -> None:
        """Give back what is held, and close."""
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, *self._background, return_exceptions=True)
        if self._store is not None:
            await self._settle_all(idle_s=-math.inf)
            await self._store.aclose()

    def take(self, demands: Sequence[Demand]) -> Standing | None:
        """Take all of it from what is at hand; None, and nothing taken, where that does not suffice."""
        now = self._clock.monotonic()
        is_alone = now < self._alone_until
        accounts = [self._accounts.get(demand.key) or self._account(demand) for demand in demands]
        if is_alone:
            for account in accounts:
                account.stand(self._shares, self._alone)
        for demand, account in zip(demands, accounts, strict=True):
            if not account.covers(demand, now, is_alone=is_alone):
                return None
        nearest, room_of_nearest, least = demands[0], 0.0, math.inf
        for demand, account in zip(demands, accounts, strict=True):
            room = account.spend(demand, now, is_alone=is_alone)
            if room < least * demand.rate.burst:
                nearest, room_of_nearest, least = demand, room, room / demand.rate.burst
            if self._store is not None:
                self._open[demand.key] = demand
                if not is_alone and account.asking is None and account.is_low(demand, now):
                    self._refill_soon(demand, account)
        return Standing(nearest, room_of_nearest)

    async def admit(self, demands: Sequence[Demand]) -> Standing:
        """Take all of it or nothing. The store is asked where nothing is at hand and it may have some."""
        for _ in range(ROUNDS_MAX):
            standing = self.take(demands) or self._refusal(demands)
            if standing is not None:
                return standing
            await asyncio.gather(*(self._ask(demand) for demand in self._lacking(demands)))
        standing = self.take(demands) or self._refusal(demands)
        return Standing(demands[0], 0.0, GIVE_BACK_S) if standing is None else standing

    def wait_s(self, demand: Demand) -> float:
        """Seconds until this replica's own part covers it, 0.0 if it does; nothing is taken."""
        account = self._account(demand)
        account.stand(self._shares, self._alone)
        return account.wait_s(demand, self._clock.monotonic())

    def settle(self, demands: Sequence[Demand], units: float) -> None:
        """What was taken was too little by `units`, or too much where they are less than zero."""
        now = self._clock.monotonic()
        is_alone = now < self._alone_until
        for demand in demands:
            account = self._account(demand)
            if is_alone:
                account.stand(self._shares, self._alone)
            account.settle(demand, units, now, is_alone=is_alone)
            if self._store is not None:
                self._open[demand.key] = demand
                if not is_alone and account.is_low(demand, now):
                    self._refill_soon(demand, account)

    def _refusal(self, demands: Sequence[Demand]) -> Standing | None:
        """The longest wait; None where somebody may still lend what is missing."""
        now, found = self._clock.monotonic(), None
        is_alone = now < self._alone_until
        for demand in demands:
            account = self._account(demand)
            if is_alone:
                account.stand(self._shares, self._alone)
            if account.covers(demand, now, is_alone=is_alone):
                continue
            refusal = account.refusal(demand, now, is_alone=is_alone)
            if refusal is not None and (found is None or refusal.wait_s > found.wait_s):
                found = refusal
        return found

    def _lacking(self, demands: Sequence[Demand]) -> list[Demand]:
        now = self._clock.monotonic()
        return [d for d in demands if not self._account(d).covers(d, now, is_alone=False)]

    async def _ask(self, demand: Demand) -> None:
        account = self._account(demand)
        self._refill_soon(demand, account)
        if account.asking is not None:
            # Whoever waits may leave; the others wait on.
            await asyncio.shield(account.asking)

    def _refill_soon(self, demand: Demand, account: Account) -> None:
        if account.asking is None and self._clock.monotonic() >= self._alone_until:
            self._settle_soon(demand, account, demand.chunk)

    def _settle_soon(self, demand: Demand, account: Account, wanted: float) -> asyncio.Task[None]:
        task = asyncio.create_task(self._settled(demand, account, wanted))
        account.asking = task
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

    async def _settled(self, demand: Demand, account: Account, wanted: float) -> None:
        """Tell the store what was used, and hold `wanted` afterwards, or what there is of it."""
        store = self._store
        if store is None:
            return
        asked_at = self._clock.monotonic()
        claim = account.claim(demand, wanted, asked_at)
        try:
            loan = await store.claim(claim)
        except StoreUnavailable:
            self._be_alone()
        except Exception:  # noqa: BLE001  whoever waits is decided on by the own part
            _log.exception("a limit could not be settled")
            self._be_alone()
        else:
            account.apply(demand, claim, loan, asked_at, self._clock.monotonic())
            if wanted == 0.0 and account.used == account.told:
                self._open.pop(demand.key, None)
            if self.is_degraded:
                self.is_degraded = False
                _log.warning("Redis answers: the replicas keep the limits together again")
        finally:
            account.asking = None

    def _be_alone(self) -> None:
        now = self._clock.monotonic()
        self._alone_until = now + ALONE_S
        if not self.is_degraded:
            self.is_degraded = True
            self._alone = Alone(self._alone.number + 1, now)
            _log.warning("Redis did not answer: each replica keeps its part of the limits")

    async def _tend(self) -> None:
        while True:
            # No event says that nobody came.
            await asyncio.sleep(TEND_S)
            try:
                await self._settle_all(IDLE_S)
            except Exception:  # noqa: BLE001  the next turn may fare better
                _log.exception("limits were not settled")

    async def _settle_all(self, idle_s: float) -> None:
        now = self._clock.monotonic()
        if now < self._alone_until:
            return
        due = list[asyncio.Task[None]]()
        for key, demand in self._open.items():
            account = self._accounts.get(key)
            if account is None or account.asking is not None:
                continue
            is_idle = now - account.touched >= idle_s
            if is_idle or account.until - now < HELD_S / 2:
                wanted = 0.0 if is_idle else demand.chunk
                due.append(self._settle_soon(demand, account, wanted))
            if len(due) >= TEND_MAX:
                break
        await asyncio.gather(*due)

    def _account(self, demand: Demand) -> Account:
        account = self._accounts.get(demand.key)
        if account is None:
            if len(self._accounts) >= self._keys_max:
                self._forget()
            # A holder of its own: one that was forgotten and comes back begins to count anew.
            self._lives += 1
            account = Account(f"{self._holder}.{self._lives}", demand.rate)
            self._accounts[demand.key] = account
        return account

    def _forget(self) -> None:
        """Make room; what was borrowed for the forgotten counts as used, by the store."""
        now = self._clock.monotonic()

        def load(key: LimitKey) -> float:
            account = self._accounts[key]
            return 0.0 if now - account.touched > _STALE_S else account.load(now)

        by_load = sorted(self._accounts, key=load)
        for key in by_load[: -int(self._keys_max * _KEPT_SHARE)]:
            del self._accounts[key]
            self._open.pop(key, None)
