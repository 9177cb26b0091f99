"""Keeps every decision with what it takes to replay it; nobody waits for it."""

import asyncio
import logging
from dataclasses import dataclass, replace

from actors.database.decisions import Decisions, NewDecision
from actors.database.worlds import Worlds
from deployments.agent.certificate import World, certify
from routing.catalog import Catalog, Catalogs
from routing.clock import Clock
from routing.decision import Decision
from routing.errors import SupportMaxError
from routing.policies.balanced import Weights
from routing.scorecard import Snapshot

_log = logging.getLogger(__name__)

# First the question is sent. No vendor answers within this time, so whoever has an answer finds
# its decision; and all that were taken meanwhile share a transaction, which costs more than one of them.
WRITE_AFTER_S = 0.05
# At 300 decisions a second a quarter of a minute without the database; then the newest are dropped,
# with an error in the log: each takes up to 20 kB, and memory is worth more than evidence.
WAITING_MAX = 5_000
# In one transaction: 3 to 5 ms of the event loop, and 1,800 a second, more than a process answers.
WRITE_MAX = 100


@dataclass(frozen=True, slots=True)
class _Taken:
    """A decision to be written, and what it was taken on."""

    tenant: str
    answer_id: str
    at: float
    decision: Decision
    snapshot: Snapshot
    world: World


class Witness:
    """Writes decisions and the worlds they were taken on, together, in the background."""

    def __init__(
        self,
        catalogs: Catalogs,
        decisions: Decisions,
        worlds: Worlds,
        weights: Weights,
        clock: Clock,
    ) -> None:
        self._catalogs = catalogs
        self._decisions = decisions
        self._worlds = worlds
        self._weights = weights
        self._clock = clock
        self._seen: tuple[Catalog, object, World] | None = None
        self._kept: World | None = None
        self._waiting: list[_Taken] = []
        self._writing: asyncio.Task[None] | None = None

    def named(self, decision: Decision, snapshot: Snapshot) -> Decision:
        """The decision with the names of the world it was taken on."""
        return replace(decision, world=self._world(decision, snapshot).names)

    def keep(self, tenant: str, answer_id: str, decision: Decision, snapshot: Snapshot) -> None:
        """Keep the decision; what goes wrong is logged."""
        if len(self._waiting) >= WAITING_MAX:
            _log.error("a decision was not kept: the database is away too long")
            return
        world = self._world(decision, snapshot)
        self._waiting.append(
            _Taken(tenant, answer_id, self._clock.now(), decision, snapshot, world)
        )
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_soon())

    async def aclose(self) -> None:
        """Write what waits, if the database lets us."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        while self._waiting and await self._write():
            pass

    def _world(self, decision: Decision, snapshot: Snapshot) -> World:
        """Worked out once for every board: it takes half a millisecond, and they come four a second."""
        # The catalogue of the moment the decision was taken at, which may have been before midnight.
        catalog, board = self._catalogs.at(decision.question.now), snapshot.scorecards
        seen = self._seen
        if seen is None or seen[0] is not catalog:
            seen = self._seen = (catalog, board, World.of(catalog, snapshot))
        elif seen[1] is not board:
            seen = self._seen = (catalog, board, seen[2].at(snapshot))
        return seen[2]

    async def _write_soon(self) -> None:
        while self._waiting:
            # The time itself is what is wanted, see above; no event could say that it is over.
            await asyncio.sleep(WRITE_AFTER_S)
            await self._write()
        self._writing = None

    async def _write(self) -> bool:
        """Whether the oldest that wait do so no more."""
        taken = self._waiting[:WRITE_MAX]
        del self._waiting[:WRITE_MAX]
        try:
            for one in taken:
                if one.world is not self._kept:
                    await self._worlds.put(one.world.parts, one.at)
                    self._kept = one.world
            await self._decisions.put([self._row(one) for one in taken])
        except SupportMaxError as error:
            _log.warning("decisions could not be written (%s); trying again", error)
            self._waiting[:0] = taken
            return False
        except asyncio.CancelledError:
            self._waiting[:0] = taken
            raise
        except Exception:  # noqa: BLE001  the next ones may be written
            _log.exception("decisions were not kept")
        return True

    def _row(self, taken: _Taken) -> NewDecision:
        decision, own = taken.decision, taken.snapshot.own
        certificate = certify(decision, taken.world, self._weights, own).model_dump(mode="json")
        body = {**decision.to_json(), "certificate": certificate}
        return NewDecision(taken.tenant, decision.id, taken.answer_id, taken.at, body)
