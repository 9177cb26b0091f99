"""Keeps what answers cost beside what they would have cost elsewhere; nobody waits for it."""

import asyncio
import logging
from typing import Protocol

from deployments.agent.attempt import Journey
from deployments.agent.executor import Executed
from routing.catalog import Catalogs
from routing.clock import Clock
from routing.decision import Decision
from routing.errors import SupportMaxError
from routing.estimate import BYTES_PER_TOKEN
from routing.platform_profile import PlatformProfile
from routing.savings import Given, Saving, saving_of

_log = logging.getLogger(__name__)

# A transaction costs as much as twenty rows in it; a report that is half a second old is new.
WRITE_EVERY_S = 0.5
# At 300 answers a second a minute without the database; then the newest are dropped, with an
# error in the log: memory is worth more than a report.
WAITING_MAX = 20_000


class Keeper(Protocol):
    """Where rows are kept: the database's savings, seen from here."""

    async def put(self, rows: list[Saving]) -> None:
        """Keep these."""
        ...


class Accountant:
    """Reckons every answer's row when it is over, and writes rows together in the background."""

    def __init__(
        self, catalogs: Catalogs, savings: Keeper, clock: Clock, default: str | None = None
    ) -> None:
        """`default` is the platform the company would use without routing; None is its first."""
        self._catalogs = catalogs
        self._default = default
        self._savings = savings
        self._clock = clock
        self._waiting: list[Saving] = []
        self._writing: asyncio.Task[None] | None = None

    def book(
        self, decision: Decision, journey: Journey, executed: Executed | None, *, resumed: bool
    ) -> None:
        """An answer is over; `executed` is None where there is none.

        `resumed` says that several platforms gave parts of it. What neither answered nor
        cost anything is not kept.
        """
        if executed is None and journey.spent.usd == 0:
            return
        if len(self._waiting) >= WAITING_MAX:
            _log.error("what an answer cost was not kept: the database is away too long")
            return
        try:
            self._waiting.append(self._row(decision, journey, executed, resumed=resumed))
        except Exception:  # noqa: BLE001  the answer is paid for: a report must not cost it
            _log.exception("what an answer cost could not be reckoned")
            return
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_soon())

    def _row(
        self, decision: Decision, journey: Journey, executed: Executed | None, *, resumed: bool
    ) -> Saving:
        profile = _chosen(decision) if executed is None else executed.profile
        return saving_of(
            decision,
            self._default_target(decision.question.now),
            journey.spent.usd,
            None if executed is None else _given(executed, resumed=resumed),
            tenant=journey.tenant,
            answer_id=journey.answer_id,
            at=self._clock.now(),
            simulated=profile.simulated,
        )

    def _default_target(self, now: float) -> str:
        catalog, default = self._catalogs.at(now), self._default
        own = catalog.profiles if default is None else catalog.of(default)
        # A default that is off was no alternative: its name stands for it, and no answer has it.
        return own[0].target if own else default or ""

    async def aclose(self) -> None:
        """Write what waits, once."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self._write()

    async def _write_soon(self) -> None:
        while self._waiting:
            # What comes within this time shares the transaction; no event could say that it is over.
            await asyncio.sleep(WRITE_EVERY_S)
            await self._write()
        self._writing = None

    async def _write(self) -> None:
        rows, self._waiting = self._waiting, []
        try:
            await self._savings.put(rows)
        except SupportMaxError as error:
            _log.warning("what answers cost could not be written (%s); trying again", error)
            self._waiting = rows + self._waiting
        except asyncio.CancelledError:
            self._waiting = rows + self._waiting
            raise
        except Exception:  # noqa: BLE001  the next ones may be written
            _log.exception("what answers cost could not be written")


def _chosen(decision: Decision) -> PlatformProfile:
    chosen = decision.plan.primary.target
    return next(c.profile for c in decision.candidates if c.target == chosen)


def _given(executed: Executed, *, resumed: bool) -> Given:
    reply, profile = executed.reply, executed.profile
    price = None if resumed else profile.price
    return Given(
        platform=profile.name,
        model=profile.model,
        text_tokens=len(reply.text.encode()) // BYTES_PER_TOKEN,
        usage=None if resumed else reply.usage,
        cost_usd=None if price is None else price.cost(reply.usage, reply.service_tier),
    )
