"""Keeps every decision with what it takes to replay it; nobody waits for it."""

import asyncio
import logging
from dataclasses import replace

from actors.database.decisions import Decisions
from actors.database.worlds import Worlds
from deployments.agent.certificate import World, certify
from routing.catalog import Catalog
from routing.clock import Clock
from routing.decision import Decision
from routing.policies.balanced import Weights
from routing.scorecard import Snapshot

_log = logging.getLogger(__name__)


class Witness:
    """Writes decisions and the worlds they were taken on, in the background."""

    def __init__(
        self,
        catalog: Catalog,
        decisions: Decisions,
        worlds: Worlds,
        weights: Weights,
        clock: Clock,
    ) -> None:
        self._catalog = catalog
        self._decisions = decisions
        self._worlds = worlds
        self._weights = weights
        self._clock = clock
        self._seen: tuple[object, World] | None = None
        self._kept: World | None = None
        self._background: set[asyncio.Task[None]] = set()

    def named(self, decision: Decision, snapshot: Snapshot) -> Decision:
        """The decision with the names of the world it was taken on."""
        return replace(decision, world=self._world(snapshot).names)

    def keep(self, tenant: str, answer_id: str, decision: Decision, snapshot: Snapshot) -> None:
        """Keep the decision; what goes wrong is logged."""
        task = asyncio.get_running_loop().create_task(
            self._keep(tenant, answer_id, decision, snapshot, self._world(snapshot))
        )
        self._background.add(task)
        task.add_done_callback(self._done)

    def _world(self, snapshot: Snapshot) -> World:
        """Worked out once for every board: it takes half a millisecond, and they come four a second."""
        if self._seen is None or self._seen[0] is not snapshot.scorecards:
            self._seen = (snapshot.scorecards, World.of(self._catalog, snapshot))
        return self._seen[1]

    async def _keep(
        self, tenant: str, answer_id: str, decision: Decision, snapshot: Snapshot, world: World
    ) -> None:
        now = self._clock.now()
        if world is not self._kept:
            await self._worlds.put(world.parts, now)
            self._kept = world
        certificate = certify(decision, world, self._weights, snapshot.own).model_dump(mode="json")
        body = {**decision.to_json(), "certificate": certificate}
        await self._decisions.put(tenant, decision.id, answer_id, now, body)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a decision was not kept", exc_info=error)
