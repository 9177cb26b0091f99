"""A replica's view of the coordinator: the last snapshot at hand, outcomes told in batches.

The actor is never on a request's path: a call per request costs four times the
throughput (3,016/s with a snapshot, 768/s asking: Ray 2.60, two cores, November 2026).
While it is away, replicas go on with the last snapshot and keep their outcomes.
"""

import asyncio
import contextlib
import logging
from collections import Counter

from ray.actor import ActorProxy
from ray.exceptions import RayError

from actors import names
from actors.coordinator.actor import Coordinator, CoordinatorActor, CoordinatorOptions
from routing.outcome import Outcome
from routing.scorecard import Snapshot

_log = logging.getLogger(__name__)

# At most four reports a second and replica; the scoreboard is at most twice this old.
SYNC_EVERY_S = 0.25
# An actor restarts in about 2 s; a report waits for it this long before it is sent again.
SYNC_TIMEOUT_S = 5.0
# A probe's claim is asked for while a caller waits.
CLAIM_TIMEOUT_S = 0.5
# 2,000 outcomes are 1 MB on the wire; what is above waits for the next report.
REPORT_MAX = 2000
# At 300 requests a second this is half an hour without a coordinator; then the oldest
# are dropped, with an error in the log: memory is worth more than statistics.
BACKLOG_MAX = 500_000


class CoordinatorClient:
    """What one process knows and tells."""

    def __init__(self, options: CoordinatorOptions, replica: str) -> None:
        self._options = options
        self._replica = replica
        self._snapshot = Snapshot.empty(options.region)
        self._in_flight: Counter[str] = Counter()
        self._backlog: list[Outcome] = []
        self._sending: list[Outcome] = []
        self._seq = 0
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._actor: ActorProxy[Coordinator] | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The last scoreboard, at most half a second old while the coordinator lives."""
        return self._snapshot

    def in_flight(self, platform: str) -> int:
        """Attempts of this process under way."""
        return self._in_flight[platform]

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

    def begin(self, platform: str) -> None:
        """An attempt starts."""
        self._in_flight[platform] += 1

    def end(self, outcome: Outcome) -> None:
        """It ended so: told at the next report, the first after a pause at once."""
        self._in_flight[outcome.platform] -= 1
        if len(self._backlog) >= BACKLOG_MAX:
            _log.error("the coordinator is away too long; the oldest outcomes are dropped")
            del self._backlog[: BACKLOG_MAX // 10]
        self._backlog.append(outcome)
        self._wake.set()

    async def claim_probe(self, platform: str, key: str) -> bool:
        """Whether the attempt `key` may be the probe of a breaker that is not closed.

        With the coordinator away nobody can say; then trying is better than refusing.
        """
        try:
            async with asyncio.timeout(CLAIM_TIMEOUT_S):
                return bool(await self._handle().claim_probe.remote(platform, key))
        except (RayError, TimeoutError):
            return True

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
        busy = {platform: count for platform, count in self._in_flight.items() if count}
        async with asyncio.timeout(SYNC_TIMEOUT_S):
            report = self._handle().sync.remote(self._replica, self._seq, self._sending, busy)
            self._snapshot = await report
        self._sending = []

    def _handle(self) -> ActorProxy[Coordinator]:
        if self._actor is None:
            self._actor = CoordinatorActor.options(
                name=names.COORDINATOR,
                namespace=names.NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                max_concurrency=1000,
            ).remote(self._options)
        return self._actor
