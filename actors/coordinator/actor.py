"""The Ray class around the scoreboard: restores it, books outcomes, answers replicas.

A batch of outcomes is written to the ledger before it is folded and acknowledged, so
a crash at any point loses no acknowledged outcome and books none twice: replicas send
again what was not acknowledged, under the same number.
"""

import asyncio
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ray

from actors.coordinator.budgets import BudgetOwner
from actors.coordinator.learning import Lesson
from actors.coordinator.loans import Answer, Borrower, Letter
from actors.coordinator.shares import ShareBook
from actors.coordinator.state import CoordinatorState
from actors.database.address import Address
from actors.database.budget_books import BudgetBooks
from actors.database.budget_loans import BudgetLoans
from actors.database.budgets_abroad import BudgetsAbroad
from actors.database.decisions import Decisions
from actors.database.engine import open_database
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.database.feedback import LESSONS, Feedback, FeedbackRow
from actors.database.idempotency import Idempotency
from actors.database.ledger import Ledger
from actors.database.savings import Savings
from actors.database.worlds import Worlds
from actors.shares import ShareClaim, ShareGrant
from routing.bandit import Bandit
from routing.budget import Claim, Key, Standing
from routing.clock import SystemClock
from routing.learned import Terms
from routing.loan import Lent
from routing.outcome import Outcome
from routing.override import Override
from routing.quality import CONTEXT
from routing.region import RegionFigures
from routing.scorecard import Snapshot

_log = logging.getLogger(__name__)
# Writing the sketches down costs some milliseconds; what a crash may cost is a second of them.
CHECKPOINT_EVERY_S = 1.0
SWEEP_EVERY_S = 3600.0
# Feedback comes from people, or in bulk: once a second is soon, and 500 rows take 20 ms to learn.
STUDY_EVERY_S = 1.0
LESSONS_MAX = 500
# As long as decisions: what was learned stays, and `supportmax simulate --ledger` joins both.
FEEDBACK_KEPT_S = 30 * 86_400.0
# A month to ask why; at 2 kB each the most they take is 2 GB of the disk.
DECISIONS_KEPT_S = 30 * 86_400.0
DECISIONS_MAX = 1_000_000
# At most four new ones a second while there is traffic: half a day of an uninterrupted storm, months of a
# usual week; 1 to 2 kB each. A decision older than its world is still explained, only not replayed.
WORLDS_MAX = 200_000
# A quarter and a week: savings are held against bills, and those against a quarter's budget. An answer with its five alternatives is 0.6 kB: at most 0.6 GB.
SAVINGS_KEPT_S = 99 * 86_400.0
SAVINGS_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class CoordinatorOptions:
    """Which region's coordinator this is, and where its ledger lies."""

    region: str
    database: Address


class Coordinator:
    """One per region; off every request's path."""

    def __init__(self, options: CoordinatorOptions) -> None:
        self._options = options
        self._clock = SystemClock()
        self._database = open_database(options.database)
        self._ledger = Ledger(self._database)
        self._budgets = BudgetOwner(BudgetBooks(self._database))
        self._borrower = Borrower(
            BudgetLoans(self._database, uuid.uuid4().hex),
            BudgetsAbroad(self._database),
            self._clock,
        )
        self._state: CoordinatorState | None = None
        self._restoring = asyncio.Lock()
        self._kept_at = 0.0
        self._swept_at = self._clock.now()
        self._heard: set[str] = set()
        self._shares = ShareBook(
            lambda: ray.get_runtime_context().was_current_actor_reconstructed is False
        )
        self._feedback = Feedback(self._database)
        self._studied_at = 0.0
        self._studying = asyncio.Lock()

    @ray.method
    async def sync(
        self,
        replica: str,
        seq: int,
        outcomes: Sequence[Outcome],
        in_flight: Mapping[str, int],
        terms: Terms,
        credentials: Mapping[str, str],
    ) -> tuple[Snapshot, Mapping[str, int]]:
        """Take a replica's report number `seq` and give the scoreboard back.

        `terms` are the adaptive strategy's in the replica's configuration, `credentials` the
        fingerprints of what its platforms are asked with; the last ones count.

        Beside it stand those of the replica's own requests which the scoreboard counts:
        it is up to a tenth of a second old, and the report may have come after it.

        Raises:
            DatabaseBusy: nothing was booked; send the same report again.
        """
        state = await self._restored()
        now = self._clock.now()
        state.learning.agree(terms)
        fresh = True
        if outcomes:
            fresh = await self._ledger.append(replica, seq, outcomes, self._checkpoint(state, now))
        state.use(credentials)
        if fresh:
            state.fold(outcomes, now)
        state.hear(replica, in_flight, now)
        self._heard.add(replica)
        await self._study(state, now)
        await self._sweep(now)
        return state.snapshot(now), state.counted(replica)

    @ray.method
    async def claim_share(self, claim: ShareClaim) -> ShareGrant:
        """What part of every limit a replica may let in by itself; at any time, also without a database."""
        return self._shares.claim(claim, self._clock.monotonic())

    @ray.method
    async def claim_probe(self, target: str, key: str) -> bool:
        """Whether the attempt `key` may be the probe of a target whose breaker is not closed."""
        return (await self._restored()).claim_probe(target, key, self._clock.now())

    @ray.method
    async def release_probe(self, target: str, key: str) -> None:
        """The attempt `key`, which claimed the probe, was never sent."""
        (await self._restored()).release_probe(target, key, self._clock.now())

    @ray.method
    async def override(self, name: str, override: Override | None) -> Mapping[str, Override]:
        """Keep an administrator's word about a target or platform; all that hold afterwards.

        It is written down before this returns, so that a restart does not forget it.

        Raises:
            DatabaseBusy: nothing has changed.
            DatabaseUnavailable: the same.
        """
        state = await self._restored()
        now = self._clock.now()
        before = state.overrides(now).get(name)
        state.override(name, override)
        try:
            await self._ledger.save_checkpoint(json.dumps(state.to_checkpoint()), now)
        except BaseException:
            state.override(name, before)
            raise
        return state.overrides(now)

    @ray.method
    async def overrides(self) -> Mapping[str, Override]:
        """What administrators hold now."""
        return (await self._restored()).overrides(self._clock.now())

    @ray.method
    async def figures(self) -> RegionFigures:
        """What other regions may know of this one."""
        return (await self._restored()).figures(self._clock.now())

    @ray.method
    async def hear_region(self, figures: RegionFigures) -> None:
        """Another region's figures have come."""
        (await self._restored()).hear_region(figures, self._clock.now())

    @ray.method
    async def lease(self, claims: Sequence[Claim]) -> list[Standing]:
        """What each claim on a budget comes to; how holders tell what they spent and return, too.

        Raises:
            DatabaseBusy: nothing was lent; send the same claims again.
        """
        return await self._budgets.lease(claims, self._clock.now())

    @ray.method
    async def lend(self, region: str, claims: Sequence[Claim], lease_s: float) -> list[Lent]:
        """What another region's claims come to; its leases run out after `lease_s`.

        Raises:
            DatabaseBusy: nothing was lent; send the same claims again.
        """
        return await self._budgets.lend(region, claims, lease_s, self._clock.now())

    @ray.method
    async def borrow(self, home: str, claims: Sequence[Claim]) -> list[Standing]:
        """What claims on budgets come to that are at home in another region.

        Raises:
            DatabaseBusy: nothing was lent; send the same claims again.
        """
        return await self._borrower.borrow(home, claims)

    @ray.method
    async def hold(self, home: str, reserves: Mapping[Key, int]) -> None:
        """Keep a share of these limits of another region at hand.

        Raises:
            DatabaseBusy: nothing has changed.
        """
        await self._borrower.hold(home, reserves)

    @ray.method
    async def letter(self, home: str) -> Letter:
        """What another region has to be told of its budgets, once there is something.

        Raises:
            DatabaseBusy: nothing may be told.
        """
        return await self._borrower.letter(home, self._budgets.today(self._clock.now()))

    @ray.method
    async def hear_home(self, home: str, sent_at: float, answer: Answer | None) -> None:
        """What it answered to a letter of `sent_at`, or None where it did not.

        Raises:
            DatabaseBusy: nothing was taken.
        """
        if answer is None:
            self._borrower.unheard(home)
        else:
            await self._borrower.hear(home, sent_at, answer)

    async def _study(self, state: CoordinatorState, now: float) -> None:
        """Learn from feedback that came in; every word once, because it is marked with the lesson."""
        if now - self._studied_at < STUDY_EVERY_S or self._studying.locked():
            return
        self._studied_at = now
        async with self._studying:
            try:
                rows = await self._feedback.untaught(LESSONS_MAX)
                if rows:
                    bandit = state.learning.taught(_lessons(rows))
                    await self._feedback.taught(rows, json.dumps(bandit.to_json()), now)
                    state.learning.adopt(bandit)
            except (DatabaseBusy, DatabaseUnavailable):
                _log.warning("feedback waits: the database is busy")

    def _checkpoint(self, state: CoordinatorState, now: float) -> str | None:
        """The scoreboard to keep with the next batch, or None while the last one is young."""
        if now - self._kept_at < CHECKPOINT_EVERY_S:
            return None
        self._kept_at = now
        return json.dumps(state.to_checkpoint())

    async def _sweep(self, now: float) -> None:
        """Once an hour, drop what nobody will ask for any more."""
        if now - self._swept_at < SWEEP_EVERY_S:
            return
        self._swept_at = now
        await Idempotency(self._database).prune(now)
        await Decisions(self._database).prune(now - DECISIONS_KEPT_S, DECISIONS_MAX)
        await Worlds(self._database).prune(WORLDS_MAX)
        await Savings(self._database).prune(now - SAVINGS_KEPT_S, SAVINGS_MAX)
        await self._budgets.sweep(now)
        await self._borrower.sweep(self._budgets.today(now))
        await self._feedback.prune(now - FEEDBACK_KEPT_S)
        # What has sent nothing for an hour will send nothing again: names last one life.
        for replica in set(await self._ledger.last_seqs()) - set(self._heard):
            await self._ledger.forget(replica)
        self._heard.clear()

    async def _restored(self) -> CoordinatorState:
        async with self._restoring:
            if self._state is None:
                self._state = await self._restore()
            return self._state

    async def _restore(self) -> CoordinatorState:
        state = CoordinatorState(self._options.region)
        kept = await self._ledger.load_checkpoint()
        if kept is not None:
            try:
                state = CoordinatorState.from_checkpoint(
                    self._options.region, json.loads(kept.body)
                )
            except ValueError:
                # Of another version: statistics grow again, the ledger is the truth.
                _log.warning("the scoreboard's checkpoint is not of this version; starting afresh")
        lessons = await self._ledger.load_checkpoint(LESSONS)
        if lessons is not None:
            try:
                state.learning.adopt(Bandit.from_json(json.loads(lessons.body)))
            except ValueError:
                _log.warning("what feedback taught is not of this version; starting afresh")
        now = self._clock.now()
        state.restore_spend(await self._ledger.spend_today(now), now)
        return state


def _lessons(rows: Sequence[FeedbackRow]) -> list[Lesson]:
    """What can be learned; feedback of another version's figures cannot."""
    return [
        Lesson(row.target, row.context, row.surplus)
        for row in rows
        if row.context is not None and row.surplus is not None and len(row.context) == CONTEXT
    ]


CoordinatorActor = ray.remote(num_cpus=0, max_restarts=-1)(Coordinator)
