"""A queueing simulation in virtual time: vendors with slots, replicas with stale scoreboards, and choices.

What the product does is done by its own parts: `CoordinatorState`, `InFlight`, `decide`.
Vendors serve so many requests at once and queue the others, first come first served.
"""

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import NormalDist

from actors.coordinator.in_flight import InFlight
from actors.coordinator.state import CoordinatorState
from routing.exchange import Usage
from routing.outcome import Outcome
from routing.platform_profile import PlatformProfile
from routing.policy import Strategy
from routing.scorecard import Snapshot
from tests.unit.routing.worlds import FACTS, NOW, asked, platform

SYNC_EVERY_S = 0.25
"""As in actors/coordinator/client.py."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """One platform: `slots` requests at once.

    `service_s` says how long a request takes that is harder than a share of all others, so
    that a request is as hard whoever is chosen, and choices can be compared.
    """

    name: str
    slots: int
    mean_s: float
    service_s: Callable[[float], float]

    @property
    def target(self) -> str:
        """As the scoreboard calls it."""
        return f"{self.name}/{self.name}-model"


def lognormal(name: str, slots: int, median_s: float, sigma: float = 0.5) -> Vendor:
    """A vendor whose times are lognormal, as measured ones roughly are."""
    normal = NormalDist(math.log(median_s), sigma)
    mean_s = median_s * math.exp(sigma * sigma / 2)
    return Vendor(name, slots, mean_s, lambda share: math.exp(normal.inv_cdf(share)))


def measured(name: str, slots: int, seconds: Sequence[float]) -> Vendor:
    """A vendor that takes the times that were measured."""
    rising = sorted(seconds)
    mean_s = sum(rising) / len(rising)
    return Vendor(name, slots, mean_s, lambda share: rising[int(share * len(rising))])


@dataclass(frozen=True, slots=True)
class BrownOut:
    """While these shares of the requests come, one vendor takes so many `times` as long."""

    vendor: str
    times: float
    begins: float = 0.3
    ends: float = 0.6


@dataclass(frozen=True, slots=True)
class Scene:
    """What is simulated; `load` is the share of all vendors' capacity together."""

    vendors: tuple[Vendor, ...]
    load: float
    replicas: int = 4
    requests: int = 4_000
    warm_up: int = 1_000
    seed: int = 1
    brown_out: BrownOut | None = None

    def times(self, vendor: Vendor, request: int) -> float:
        """How many times its time this request takes."""
        brown_out, share = self.brown_out, request / self.requests
        if brown_out is None or brown_out.vendor != vendor.name:
            return 1.0
        return brown_out.times if brown_out.begins <= share < brown_out.ends else 1.0

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.load * sum(v.slots / v.mean_s for v in self.vendors)


@dataclass(slots=True)
class Queue:
    """A vendor at work. `busy` counts those who are served, `ahead` also those who wait."""

    vendor: Vendor
    busy: int = 0
    waiting: deque[int] = field(default_factory=deque)

    @property
    def ahead(self) -> int:
        """Requests in it."""
        return self.busy + len(self.waiting)


class Replica:
    """One ingress process: its own requests exactly, all else as of its last sync."""

    def __init__(self, number: int) -> None:
        self.name = f"replica-{number}"
        self.mine = InFlight()
        self.board = Snapshot.empty("us")
        self.untold: list[Outcome] = []
        self.lately: Mapping[int, Sequence[float]] = {}

    def sync(self, state: CoordinatorState, now: float) -> None:
        """What actors/coordinator/client.py and actor.py do together."""
        state.fold(self.untold, now)
        self.untold = []
        state.hear(self.name, self.mine.counts, now)
        self.board = state.snapshot(now)
        self.mine.counted(state.counted(self.name))


@dataclass(slots=True)
class World:
    """All that a choice may look at; a fair one looks only at its replica and at `rng`."""

    queues: list[Queue]
    lately: list[deque[float]]
    rng: Random


Choose = Callable[[World, Replica, float], int]
"""Which vendor takes the request that has come to that replica now."""


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds from arrival to answer."""

    mean_s: float
    p50_s: float
    p99_s: float


def run(scene: Scene, choose: Choose) -> Result:
    """The same arrivals of the same requests for every `choose`."""
    return _Run(scene).until_the_end(choose)


class _Run:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        arrivals = Random(scene.seed)  # noqa: S311
        vendors = scene.vendors
        self._world = World(
            [Queue(v) for v in vendors],
            [deque(maxlen=10) for _ in vendors],
            Random(scene.seed + 1),  # noqa: S311
        )
        self._state = CoordinatorState("us")
        self._replicas = [Replica(n) for n in range(scene.replicas)]
        self._events: list[tuple[float, int, str, int, int]] = []
        self._arrived: list[tuple[float, int, float]] = []
        self._took: list[float] = []
        at = NOW
        for n in range(scene.requests):
            at += arrivals.expovariate(scene.rate)
            hardness = min(max(arrivals.random(), 1e-6), 1 - 1e-6)
            self._arrived.append((at, arrivals.randrange(scene.replicas), hardness))
            self._push(at, "arrive", n, -1)
        for n in range(scene.replicas):
            self._push(NOW + SYNC_EVERY_S * n / scene.replicas, "sync", n, -1)

    def _push(self, at: float, what: str, who: int, where: int) -> None:
        heapq.heappush(self._events, (at, len(self._events), what, who, where))

    def until_the_end(self, choose: Choose) -> Result:
        """Every request arrives, and is served."""
        open_requests = self._scene.requests
        while open_requests:
            now, _, what, who, where = heapq.heappop(self._events)
            match what:
                case "sync":
                    replica = self._replicas[who]
                    replica.sync(self._state, now)
                    replica.lately = {i: tuple(q) for i, q in enumerate(self._world.lately)}
                    self._push(now + SYNC_EVERY_S, "sync", who, -1)
                case "arrive":
                    replica = self._replicas[self._arrived[who][1]]
                    chosen = choose(self._world, replica, now)
                    queue = self._world.queues[chosen]
                    replica.mine.begin(queue.vendor.target)
                    if queue.busy < queue.vendor.slots:
                        self._serve(queue, chosen, who, now)
                    else:
                        queue.waiting.append(who)
                case _:
                    open_requests -= 1
                    self._end(who, where, now)
        took = sorted(self._took)
        return Result(
            sum(took) / len(took), took[len(took) // 2], took[math.ceil(0.99 * len(took)) - 1]
        )

    def _serve(self, queue: Queue, index: int, who: int, now: float) -> None:
        queue.busy += 1
        takes_s = queue.vendor.service_s(self._arrived[who][2])
        takes_s *= self._scene.times(queue.vendor, who)
        self._push(now + takes_s, "end", who, index)

    def _end(self, who: int, index: int, now: float) -> None:
        queue, (arrived, by, _) = self._world.queues[index], self._arrived[who]
        queue.busy -= 1
        replica, vendor = self._replicas[by], queue.vendor
        replica.mine.end(vendor.target)
        replica.untold.append(_outcome(vendor, who, now, now - arrived))
        self._world.lately[index].append(now - arrived)
        if who >= self._scene.warm_up:
            self._took.append(now - arrived)
        if queue.waiting:
            self._serve(queue, index, queue.waiting.popleft(), now)


def _outcome(vendor: Vendor, who: int, now: float, took_s: float) -> Outcome:
    return Outcome(
        tenant="acme",
        answer_id=f"ans_{who}",
        attempt=0,
        platform=vendor.name,
        target=vendor.target,
        model=f"{vendor.name}-model",
        at=now,
        latency_ms=took_s * 1000,
        first_byte_ms=None,
        usage=Usage(output_tokens=200),
        cost_usd=None,
    )


def by_strategy(
    scene: Scene,
    strategy: Strategy,
    *,
    is_fresh: bool = True,
    profiles: Sequence[PlatformProfile] | None = None,
) -> Choose:
    """What the product does; without `is_fresh`, as if a replica did not know its own requests.

    `profiles` are the vendors', who otherwise differ in nothing but their times.
    """
    profiles = profiles or [platform(vendor.name) for vendor in scene.vendors]
    places = {vendor.name: index for index, vendor in enumerate(scene.vendors)}

    def choose(world: World, replica: Replica, now: float) -> int:
        board = replica.mine.corrected(replica.board) if is_fresh else replica.board
        seed = world.rng.getrandbits(53)
        return places[asked(profiles, board, strategy=strategy, seed=seed, now=now).chosen]

    return choose


def at_random(world: World, replica: Replica, now: float) -> int:
    """Any vendor, as a round robin over unequal ones does."""
    return world.rng.randrange(len(world.queues))


def mean_of_the_last_ten(world: World, replica: Replica, now: float) -> int:
    """The least mean of the last ten latencies: no load in it. Who has none yet comes first."""

    def mean_s(index: int) -> float:
        seen = replica.lately.get(index, ())
        return sum(seen) / len(seen) if seen else 0.0

    return min(range(len(world.queues)), key=lambda i: (mean_s(i), world.rng.random()))


def shortest_queue(world: World, replica: Replica, now: float) -> int:
    """Join the shortest queue, knowing it: the requests in it for each slot, at this very moment."""
    return min(
        range(len(world.queues)),
        key=lambda i: (
            (world.queues[i].ahead + 1) / world.queues[i].vendor.slots,
            world.rng.random(),
        ),
    )


def peak_ewma(world: World, replica: Replica, now: float) -> int:
    """As Finagle chooses: of two vendors at random the one with the less peak-EWMA x (in flight + 1)."""
    board = replica.mine.corrected(replica.board)

    def cost_ms(index: int) -> float:
        target = world.queues[index].vendor.target
        card = board.of(target)
        peak = card.peaks[FACTS.size]
        busy = max(card.in_flight + board.own.get(target, 0), 0)
        return (0.0 if peak is None else peak.after(now)) * (busy + 1)

    drawn = [world.rng.randrange(len(world.queues)) for _ in range(2)]
    return min(drawn, key=cost_ms)


def hot_and_cold(world: World, replica: Replica, now: float) -> int:
    """As Prequal chooses (Wydrowski et al., NSDI 2024): the fastest of those that are not busy.

    Hot are those with more requests in flight than the quantile 0.84 of all; if all are
    hot the least busy is taken. Its probes are the board, and the replica's own requests.
    """
    board = replica.mine.corrected(replica.board)
    targets = [queue.vendor.target for queue in world.queues]
    busy = [max(board.of(t).in_flight + board.own.get(t, 0), 0) for t in targets]
    limit = sorted(busy)[math.ceil(0.84 * len(busy)) - 1]
    cold = [i for i, count in enumerate(busy) if count < limit] or [busy.index(min(busy))]
    return min(cold, key=lambda i: (board.of(targets[i]).latency_p50_ms or 0.0, world.rng.random()))
