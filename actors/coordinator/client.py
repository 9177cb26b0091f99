"""A replica's view of the coordinator: the last snapshot at hand, outcomes told in batches.

The actor is never on a request's path: a call per request costs four times the
throughput (3,016/s with a snapshot, 768/s asking: Ray 2.60, two cores, November 2026).
While it is away, replicas go on with the last snapshot and keep their outcomes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

from ray.actor import ActorProxy
from ray.exceptions import RayActorError, RayError
from typing_extensions import override

from actors import names
from actors.coordinator.actor import Coordinator, CoordinatorActor, CoordinatorOptions
from actors.coordinator.errors import CoordinatorUnavailable
from actors.coordinator.in_flight import InFlight
from actors.coordinator.loans import LETTER_WAIT_S, Answer, Letter
from actors.shares import ShareClaim, ShareGrant, ShareStore, ShareUnavailable
from routing.budget import Claim, Key, Standing
from routing.errors import BudgetUnavailable
from routing.learned import Terms
from routing.loan import Lent
from routing.outcome import Outcome
from routing.override import Override
from routing.region import RegionFigures
from routing.scorecard import Snapshot

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

# At most four reports a second and replica; the scoreboard is at most twice this old.
SYNC_EVERY_S = 0.25
# An actor restarts in about 2 s; a report waits for it this long before it is sent again.
SYNC_TIMEOUT_S = 5.0
# A probe's claim is asked for while a caller waits.
CLAIM_TIMEOUT_S = 0.5
# A lease is asked for while callers wait; an actor that restarts takes longer than they should.
LEASE_TIMEOUT_S = 0.5
# 2,000 outcomes are 1 MB on the wire; what is above waits for the next report.
REPORT_MAX = 2000
# At 300 requests a second this is half an hour without a coordinator; then the oldest
# are dropped, with an error in the log: memory is worth more than statistics.
BACKLOG_MAX = 500_000


class CoordinatorShares(ShareStore):
    """Asks the coordinator what part of the limits a replica has. It needs no database for that."""

    def __init__(self, options: CoordinatorOptions) -> None:
        self._options = options
        self._actor: ActorProxy[Coordinator] | None = None

    @override
    async def claim(self, claim: ShareClaim) -> ShareGrant:
        """Take a claim and answer it; raises ShareUnavailable. Whoever waits says for how long."""
        try:
            if self._actor is None:
                self._actor = _actor(self._options)
            return await self._actor.claim_share.remote(claim)
        except RayError as error:
            # The handle of an actor that was replaced is of no use: look it up anew.
            self._actor = None
            raise ShareUnavailable(type(error).__name__) from error


class CoordinatorClient:
    """What one process knows and tells."""

    def __init__(
        self,
        options: CoordinatorOptions,
        replica: str,
        terms: Terms,
        credentials: Mapping[str, str],
    ) -> None:
        """`credentials` are the fingerprints of what platforms are asked with, by platform."""
        self._options = options
        self._terms = terms
        self._credentials = credentials
        self._replica = replica
        self._snapshot = Snapshot.empty(options.region)
        self._in_flight = InFlight()
        self._backlog: list[Outcome] = []
        self._sending: list[Outcome] = []
        self._seq = 0
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._actor: ActorProxy[Coordinator] | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The last scoreboard, at most half a second old while the coordinator lives.

        This process's own requests are as of this moment.
        """
        return self._in_flight.corrected(self._snapshot)

    def in_flight(self, target: str) -> int:
        """Attempts of this process under way."""
        return self._in_flight.of(target)

    def addressed(self, credentials: Mapping[str, str]) -> None:
        """From now on platforms are asked with these; told with the next report."""
        self._credentials = credentials

    async def start(self) -> None:
        """Make sure the actor exists, and begin to report."""
        with contextlib.suppress(RayError, TimeoutError):
            await self._sync()
        self._loop = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self) -> None:
        """Tell what is left, once, and stop."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        if self._backlog or self._sending:
            with contextlib.suppress(RayError, TimeoutError):
                await self._sync()

    def begin(self, target: str) -> None:
        """An attempt starts."""
        self._in_flight.begin(target)

    def end(self, outcome: Outcome) -> None:
        """It ended so: told at the next report, the first after a pause at once."""
        self._in_flight.end(outcome.target)
        if len(self._backlog) >= BACKLOG_MAX:
            _log.error("the coordinator is away too long; the oldest outcomes are dropped")
            del self._backlog[: BACKLOG_MAX // 10]
        self._backlog.append(outcome)
        self._wake.set()

    async def claim_probe(self, target: str, key: str) -> bool:
        """Whether the attempt `key` may be the probe of a breaker that is not closed.

        With the coordinator away nobody can say; then trying is better than refusing.
        """
        try:
            async with asyncio.timeout(CLAIM_TIMEOUT_S):
                return bool(await self._handle().claim_probe.remote(target, key))
        except (RayError, TimeoutError):
            return True

    def release_probe(self, target: str, key: str) -> None:
        """The attempt `key`, which claimed the probe, was never sent.

        Not waited for, because whoever tells it is being cancelled; lost, it costs the
        lease of a probe (`routing.breaker.PROBE_LEASE_S`).
        """
        with contextlib.suppress(RayError):
            self._handle().release_probe.remote(target, key)

    async def override(self, name: str, override: Override | None) -> Mapping[str, Override]:
        """Keep an administrator's word about a target or platform; all that hold afterwards.

        Raises:
            CoordinatorUnavailable: nobody there, or it cannot write.
        """
        return await self._told(self._handle().override.remote(name, override))

    async def overrides(self) -> Mapping[str, Override]:
        """What administrators hold now.

        Raises:
            CoordinatorUnavailable: nobody there.
        """
        return await self._told(self._handle().overrides.remote())

    async def figures(self) -> RegionFigures:
        """What other regions may know of this one.

        Raises:
            CoordinatorUnavailable: nobody there.
        """
        return await self._told(self._handle().figures.remote())

    async def hear_region(self, figures: RegionFigures) -> None:
        """Another region's figures have come.

        Raises:
            CoordinatorUnavailable: nobody there.
        """
        await self._told(self._handle().hear_region.remote(figures))

    async def lease(self, claims: Sequence[Claim]) -> list[Standing]:
        """What each claim on a budget comes to.

        Raises:
            BudgetUnavailable: the coordinator is away, or cannot write; send the same claims again.
        """
        return await self._leased(self._handle().lease.remote(claims))

    async def borrow(self, home: str, claims: Sequence[Claim]) -> list[Standing]:
        """The same of budgets that are at home in another region, out of what is held of them.

        Raises:
            BudgetUnavailable: the coordinator is away, or cannot write; send the same claims again.
        """
        return await self._leased(self._handle().borrow.remote(home, claims))

    async def lend(self, region: str, claims: Sequence[Claim], lease_s: float) -> list[Lent]:
        """What another region's claims on this one's budgets come to.

        Raises:
            CoordinatorUnavailable: nobody there, or it cannot write; send the same claims again.
        """
        return await self._told(self._handle().lend.remote(region, claims, lease_s))

    async def hold(self, home: str, reserves: Mapping[Key, int]) -> None:
        """Keep a share of these limits of another region at hand.

        Raises:
            CoordinatorUnavailable: nobody there.
        """
        await self._told(self._handle().hold.remote(home, reserves))

    async def letter(self, home: str) -> Letter:
        """What another region has to be told, once there is something or some seconds have passed.

        Raises:
            CoordinatorUnavailable: nobody there.
        """
        return await self._told(self._handle().letter.remote(home), LETTER_WAIT_S + SYNC_TIMEOUT_S)

    async def hear_home(self, home: str, sent_at: float, answer: Answer | None) -> None:
        """What it answered, or None where it did not.

        Raises:
            CoordinatorUnavailable: nobody there.
        """
        await self._told(self._handle().hear_home.remote(home, sent_at, answer))

    async def _leased(self, answer: Awaitable[list[Standing]]) -> list[Standing]:
        try:
            async with asyncio.timeout(LEASE_TIMEOUT_S):
                return await answer
        except (RayError, TimeoutError) as error:
            if isinstance(error, RayActorError):
                self._actor = None
            detail = "What is left of the budget cannot be told at the moment."
            raise BudgetUnavailable(detail) from error

    async def _told(self, answer: Awaitable[_T], within_s: float = SYNC_TIMEOUT_S) -> _T:
        """What the actor answers to a question that no customer waits for."""
        try:
            async with asyncio.timeout(within_s):
                return await answer
        except (RayError, TimeoutError) as error:
            if isinstance(error, RayActorError):
                self._actor = None
            raise CoordinatorUnavailable("The coordinator does not answer; ask again.") from error

    async def _run(self) -> None:
        while True:
            try:
                await self._sync()
            except (RayError, TimeoutError) as error:
                # The handle of an actor that was replaced is of no use: look it up anew.
                self._actor = None
                _log.warning("the coordinator does not answer (%s); going on", type(error).__name__)
            except Exception:  # noqa: BLE001  reporting goes on whatever happened
                _log.exception("a report to the coordinator failed")
            self._wake.clear()
            # The bound on reports, also while the actor is away and every one of them fails at
            # once; no event could say it. After it, news travel at once.
            await asyncio.sleep(SYNC_EVERY_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SYNC_EVERY_S):
                    await self._wake.wait()

    async def _sync(self) -> None:
        if not self._sending:
            self._seq += 1
            self._sending = self._backlog[:REPORT_MAX]
            del self._backlog[:REPORT_MAX]
        busy = self._in_flight.counts
        async with asyncio.timeout(SYNC_TIMEOUT_S):
            report = self._handle().sync.remote(
                self._replica, self._seq, self._sending, busy, self._terms, self._credentials
            )
            self._snapshot, counted = await report
        self._in_flight.counted(counted)
        self._sending = []

    def _handle(self) -> ActorProxy[Coordinator]:
        if self._actor is None:
            self._actor = _actor(self._options)
        return self._actor


def _actor(options: CoordinatorOptions) -> ActorProxy[Coordinator]:
    """The one of this region, which is begun if there is none."""
    return CoordinatorActor.options(
        name=names.COORDINATOR,
        namespace=names.NAMESPACE,
        lifetime="detached",
        get_if_exists=True,
        max_concurrency=1000,
    ).remote(options)
