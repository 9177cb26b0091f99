"""Budgets as one process keeps them: a request is decided within what is left, and pays from a lease.

While the leases at hand suffice, nobody is asked; else the coordinator is, once for all who wait.
With the coordinator away, what is at hand can be spent, and nothing more: never open. The same
holds of a budget whose home is another region: the coordinator lends what it holds of it.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.subjects import API_KEY
from deployments.agent.lenders import Away, Definitions, Lender
from deployments.security.principal import Principal
from deployments.security.reach import customer_of
from routing.budget import (
    Beyond,
    Budget,
    Budgets,
    Claim,
    Key,
    Payer,
    day_at,
    to_pico,
    to_usd,
)
from routing.budget_home import BudgetHomes
from routing.clock import Clock
from routing.decision import Decision
from routing.errors import BudgetExceeded, BudgetUnavailable, RequestError
from routing.wallet import ACCOUNTS_MAX, REPORT_MAX, Reservation, Wallet

_log = logging.getLogger(__name__)

# Another process's change to a budget is heard of within this; what was spent is told as often.
TICK_S = 1.0
# While a caller waits, for the coordinator's batch under way and the next; it restarts in 2 s.
REFILL_S = 0.5
# One tells what there is and one fetches it; the third is for those whom others overtook.
REFILLS_MAX = 3
# While another region is asked for the first lease of a subject: a round trip of the widest
# distance, 0.3 s, and what its coordinator takes. Whoever holds a lease waits for nobody.
HOME_WAIT_S = 0.5
# Meanwhile, so often for all who wait: each is a few milliseconds of the coordinator.
ASK_AGAIN_S = 0.05
# As often as couriers ask again for a region that does not answer, and some time for it to start.
SILENT_RETRY_S = 5.0
# A plan is paid for as a whole while what is left pays for this many of them; after that its first
# attempt alone, lest a few requests' fallbacks, which hardly any needs, shut all others out.
PLAN_SHARE = 20
# What nobody's answer costs: a request that fails even so does not fail for want of money.
_PLENTY_USD = Decimal(10) ** 6

Choose = Callable[[Decimal], Decision]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A decision with the money for it set aside."""

    decision: Decision
    reservation: Reservation


class Purse:
    """Admits requests within their budgets. `holder` names this process's one life."""

    def __init__(
        self,
        definitions: Definitions,
        lender: Lender,
        holder: str,
        clock: Clock,
        away: Away | None = None,
    ) -> None:
        """`away` None means that every budget is at home here."""
        self._definitions = definitions
        self._away = away
        self._homes = BudgetHomes() if away is None else away.homes
        self._abroad: Mapping[str, Budgets] = {}
        self._lender = lender
        self._clock = clock
        self._wallet = Wallet(holder)
        self._budgets: Budgets | None = None
        self._wanted: dict[Key, tuple[int, int]] = {}
        self._batch: asyncio.Future[bool] | None = None
        self._is_refilling = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, configured: Iterable[Budget]) -> None:
        """Say what the configuration has, learn what there is, and begin to report.

        Where the store is away, requests are refused until it is back.
        """
        configured = tuple(configured)
        with contextlib.suppress(DatabaseBusy, DatabaseUnavailable):
            await self._learn(configured)
        self._spawn(self._run(configured))

    async def aclose(self) -> None:
        """Stop, and give back what is held; requests must be over."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(BudgetUnavailable):
            for _ in range(ACCOUNTS_MAX // REPORT_MAX):
                if not await self._report(math.inf):
                    break

    def due(self, payer: Payer) -> Mapping[Key, int]:
        """The budgets that a request of `payer` is charged to, with their limits.

        Raises:
            BudgetUnavailable: it is not known yet which there are.
        """
        home = self._homes.away(payer.tenant)
        budgets = self._budgets if home is None else self._abroad.get(home)
        if budgets is None:
            where = "" if home is None else f" in the region {home}, which did not tell,"
            raise BudgetUnavailable(f"Which budgets there are{where} is not known yet.")
        return budgets.concerning(payer, day_at(self._clock.now()))

    async def admit(
        self, due: Mapping[Key, int], max_cost_usd: Decimal | None, choose: Choose, turns: int = 1
    ) -> Admitted:
        """The decision that `choose` takes within what is left, paid for.

        `choose` is given the most an answer may cost. What is set aside is the cost of the whole
        plan at most, or of its first attempt alone where money is short (`PLAN_SHARE`). A plan that
        may be run several times is set aside for so many `turns`.

        Raises:
            BudgetExceeded: not even the cheapest answer can be paid.
            BudgetUnavailable: perhaps it can, but the coordinator is away.
            RequestError: it is not for want of money that nobody can answer.
        """
        wallet, is_away = self._wallet, False
        until = self._clock.monotonic() + HOME_WAIT_S
        for refills in range(REFILLS_MAX + 1):
            is_last = is_away or refills == REFILLS_MAX
            left = wallet.held(due) if is_last else wallet.left(due)
            need = 0
            with contextlib.suppress(RequestError):
                decision = choose(_within(left, max_cost_usd))
                need = _need(decision, left, max_cost_usd, turns)
                reservation = wallet.reserve(due, need, self._clock.monotonic())
                if reservation is not None:
                    return Admitted(decision, reservation)
            if is_last or (refills and not need):
                break
            is_away = not await self._refill(due, need)
            while wallet.is_asked(due, need) and not is_away and self._clock.monotonic() < until:
                # Other replicas give back what they do not need, and nothing tells this one when.
                await asyncio.sleep(ASK_AGAIN_S)
                is_away = not await self._refill(due, need)
        raise self._refusal(due, max_cost_usd, choose, is_away=is_away)

    def _refusal(
        self, due: Mapping[Key, int], max_cost_usd: Decimal | None, choose: Choose, *, is_away: bool
    ) -> Exception:
        try:
            choose(_PLENTY_USD if max_cost_usd is None else max_cost_usd)
        except RequestError as error:
            return error
        if is_away:
            return BudgetUnavailable("What is left of the budget cannot be told at the moment.")
        key = min(due, key=lambda one: self._wallet.left_of(one, due[one]))
        left_usd = to_usd(self._wallet.left_of(key, due[key]))
        home, has = self._homes.away(key.tenant), "has"
        if home is not None:
            beyond = self._wallet.beyond(key)
            held = f"The region {self._homes.here} holds {left_usd.normalize():f} USD of the budget {key.budget}"
            if beyond is Beyond.SILENT:
                return BudgetUnavailable(
                    f"{held}, whose home {home} cannot be asked for more; that pays for no "
                    "answer to this request.",
                    SILENT_RETRY_S,
                )
            if beyond is Beyond.ASKED:
                return BudgetUnavailable(f"{held}; its home {home} is being asked for more.")
            has = f"of the region {home} has, in the region {self._homes.here},"
        return BudgetExceeded(
            f"The budget {key.budget} {has} {left_usd.normalize():f} USD left today, of "
            f"{to_usd(due[key]).normalize():f} USD; that pays for no answer to this request.",
            key.budget,
            left_usd,
            key.resets_at - self._clock.now(),
        )

    async def _refill(self, due: Mapping[Key, int], need: int) -> bool:
        """Ask for `need` of each budget; False if nobody answered in time."""
        for key, limit in due.items():
            self._wanted[key] = (limit, self._wanted.get(key, (0, 0))[1] + need)
        if self._batch is None:
            self._batch = asyncio.get_running_loop().create_future()
            if not self._is_refilling:
                self._is_refilling = True
                self._spawn(self._refill_all())
        try:
            async with asyncio.timeout(REFILL_S):
                return await asyncio.shield(self._batch)
        except TimeoutError:
            return False

    async def _refill_all(self) -> None:
        """One call after the other: whoever comes while one is under way shares the next."""
        while (batch := self._batch) is not None:
            wanted, self._wanted, self._batch = self._wanted, {}, None
            now = self._clock.monotonic()
            asked = [self._wallet.claim(key, *want, now) for key, want in wanted.items()]
            claims = [claim for claim in asked if claim is not None]
            is_answered = len(claims) == len(asked)
            try:
                await self._tell(claims)
            except BudgetUnavailable as error:
                _log.warning("no lease of a budget: %s", error.__cause__ or error)
                is_answered = False
            except Exception:  # noqa: BLE001  those who wait are refused, the next may fare better
                _log.exception("no lease of a budget")
                is_answered = False
            batch.set_result(is_answered)
        self._is_refilling = False

    async def _run(self, configured: tuple[Budget, ...]) -> None:
        while True:
            # No event says that another process changed a budget, or that money lies idle.
            await asyncio.sleep(TICK_S)
            try:
                await self._learn(configured if self._budgets is None else None)
                await self._report(self._clock.monotonic())
            except (BudgetUnavailable, DatabaseBusy, DatabaseUnavailable) as error:
                _log.warning("budgets are not told of (%s); going on", type(error).__name__)
            except Exception:  # noqa: BLE001  telling goes on whatever happened
                _log.exception("telling of budgets failed")

    async def _learn(self, configured: tuple[Budget, ...] | None) -> None:
        if configured is not None:
            await self._definitions.declare(configured)
        self._budgets = Budgets(await self._definitions.all())
        if self._away is not None and self._homes.lenders:
            told = await self._away.known.all()
            self._abroad = {home: Budgets(budgets) for home, budgets in told.items()}

    async def learn(self) -> None:
        """Read anew which budgets there are: after a change that was made here."""
        await self._learn(None)

    async def _report(self, now: float) -> bool:
        """Tell what was spent and return what is idle; whether there was anything to tell."""
        claims = self._wallet.report(now, day_at(self._clock.now()))
        if claims:
            await self._tell(claims)
        return bool(claims)

    async def _tell(self, claims: Sequence[Claim]) -> None:
        by_home: dict[str | None, list[Claim]] = {}
        for claim in claims:
            by_home.setdefault(self._homes.away(claim.key.tenant), []).append(claim)
        for home, of_home in by_home.items():
            if home is None or self._away is None:
                standings = await self._lender.lease(of_home)
            else:
                standings = await self._away.borrower.borrow(home, of_home)
            for standing in standings:
                self._wallet.apply(standing)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def payer_of(principal: Principal, user: str | None, conversation: str | None) -> Payer:
    """Who pays for a request that `principal` sends on behalf of `user` in `conversation`.

    A customer pays as themselves: naming nobody, or somebody new each time, opens no further purse.
    """
    key = principal.subject.removeprefix(API_KEY) if principal.subject.startswith(API_KEY) else None
    return Payer(principal.tenant, key, customer_of(principal, user), conversation)


def _within(left: int, max_cost_usd: Decimal | None) -> Decimal:
    left_usd = to_usd(left)
    return left_usd if max_cost_usd is None else min(left_usd, max_cost_usd)


def _need(decision: Decision, left: int, max_cost_usd: Decimal | None, turns: int) -> int:
    """What to set aside for a plan that may be run `turns` times, in pico-dollars."""
    # Within a limit every price is known: whoever has none was refused.
    bounds_usd = [attempt.cost_bound_usd or Decimal(0) for attempt in decision.plan.attempts]
    whole_usd = sum(bounds_usd, Decimal(0)) * turns
    if max_cost_usd is not None:
        whole_usd = min(whole_usd, max_cost_usd)
    whole = to_pico(whole_usd)
    return whole if whole * PLAN_SHARE <= left else to_pico(bounds_usd[0])
