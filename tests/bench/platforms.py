"""What a call of each platform costs in its replica, beside the same call through the vendor's client.

Every contestant is a process of its own that has loaded one platform and nothing else. The
simulators answer; they run elsewhere, so their own cost is not in the figures.
"""

import contextlib
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeAlias
from urllib.request import Request, urlopen

from rich.progress import Progress

from deployments.boot import SIMULATED
from deployments.options import GC_THRESHOLDS
from deployments.simulators.process import Simulators
from tests.bench.contestant import ANSWER_TIMEOUT_S, Done, Loaded, Order, Part, Who
from tests.bench.wire import ANSWER, CHUNKS, QUESTION
from tests.bench.workers import Worker, worker

KEY = "sk-bench"
MODELS: Mapping[str, str] = {
    "openai": "gpt-6.1-terra",
    "azure_openai": "gpt-6-luna",
    "anthropic": "claude-sonnet-5-5",
    "google_vertex": "gemini-3.8-flash",
    "copilot_studio": "copilot-studio",
}
_OPTIONS: Mapping[str, dict[str, str]] = {
    "azure_openai": {"deployment": MODELS["azure_openai"]},
    "google_vertex": {"project_id": "bench", "location": "global"},
    # Direct-to-Engine: the wire that Microsoft's own client speaks.
    "copilot_studio": {
        "environment_id": "00000000-0000-0000-0000-0000000000ab",
        "schema_name": "cr_bench",
    },
}
_MEASURED: tuple[Who, ...] = ("adapter", "sdk")

Kind: TypeAlias = Literal["json", "stream"]
KINDS: tuple[Kind, ...] = ("json", "stream")
# Copilot Studio has no other answer than a stream; as one message it is the nearest to a JSON.
_SAID: Mapping[Kind, Mapping[str, object]] = {
    "json": {"kind": "text", "text": ANSWER, "chunks": 1},
    "stream": {"kind": "text", "text": ANSWER, "chunks": CHUNKS},
}
_ALWAYS = -1  # in the simulators' words
# Of each round: a third of a second of CPU and more where a call is dear.
_COUNTS: Mapping[Kind, int] = {"json": 80, "stream": 32}
# CPU time is steadier than a clock: three rounds show an outlier, and all of it ends in a minute.
ROUNDS = 3
WITHIN_S = 55.0
HELD = 200
_STEPS = ROUNDS + 2  # loading, and the streams that are held
# Each answer is bounded in the contestant; this bounds them all.
ORDER_TIMEOUT_S = 3 * ANSWER_TIMEOUT_S
# Three start at once, one of them with Ray: 10 s of CPU for two cores that others use, too.
START_TIMEOUT_S = 60.0
CONTROL_S = 10.0


@dataclass(slots=True)
class Cost:
    """What one contestant costs: CPU milliseconds an answer by round, KB a stream held open."""

    loaded: Loaded
    cpu_ms: dict[Kind, list[float]] = field(default_factory=lambda: {"json": [], "stream": []})
    held_kb: float = 0.0

    def median_ms(self, kind: Kind) -> float:
        """Of the rounds."""
        return median(self.cpu_ms[kind])


@dataclass(frozen=True, slots=True)
class PlatformCost:
    """One platform: our adapter, the vendor's client, and a replica with Ray and all."""

    platform: str
    adapter: Cost
    sdk: Cost
    replica: Loaded

    def ratio(self, kind: Kind) -> float:
        """The client's CPU by the adapter's, each pair from one round."""
        pairs = zip(self.sdk.cpu_ms[kind], self.adapter.cpu_ms[kind], strict=True)
        return median(theirs / ours for theirs, ours in pairs)


def measure(progress: Progress) -> list[PlatformCost]:
    """Every platform in turn: three rounds of each, fewer where the machine is too busy for them.

    Raises:
        RuntimeError: A contestant failed; the text says how.
    """
    steps = progress.add_task("starting the simulators", total=len(MODELS) * _STEPS)
    until = time.monotonic() + WITHIN_S
    found: list[PlatformCost] = []
    with (
        tempfile.TemporaryDirectory(prefix="smx", dir="/tmp") as home,
        Simulators(Path(home), KEY) as simulators,
    ):
        simulators.wait_until_up()
        for number, platform in enumerate(MODELS):
            left_s = until - time.monotonic()
            bout = _Bout(platform, simulators.address, partial(progress.update, steps))
            found.append(bout.run(left_s / (len(MODELS) - number)))
            progress.update(steps, completed=(number + 1) * _STEPS)
    return found


class _Bout:
    """One platform's contestants, one after the other in everything that is measured."""

    def __init__(self, platform: str, address: str, tell: Callable[..., None]) -> None:
        self._platform = platform
        self._address = address
        self._tell = tell

    def run(self, within_s: float) -> PlatformCost:
        until = time.monotonic() + within_s
        with contextlib.ExitStack() as running:
            self._step("loading")
            self._script(_SAID["json"])
            # All at once: CPU time is counted, and a start mostly waits for files.
            workers = {who: running.enter_context(self._contestant(who)) for who in _MEASURED}
            with self._contestant("replica") as with_ray:
                costs = {who: Cost(_loaded(one)) for who, one in workers.items()}
                replica = _loaded(with_ray)
            self._round(workers, part=4)  # fills pools and caches; nothing is kept of it
            for number in range(ROUNDS):
                if number and time.monotonic() >= until:
                    break
                self._step(f"round {number + 1} of {ROUNDS}")
                for (who, kind), done in self._round(workers).items():
                    costs[who].cpu_ms[kind].append(done.each)
            self._step(f"{HELD} streams at once")
            self._script({"kind": "stall", "after_chunks": 1, "stall_s": 2 * ORDER_TIMEOUT_S})
            for who, cost in costs.items():
                cost.held_kb = _do(workers[who], Order("hold", HELD, "")).each
        return PlatformCost(self._platform, costs["adapter"], costs["sdk"], replica)

    def _round(self, workers: Mapping[Who, Worker], part: int = 1) -> dict[tuple[Who, Kind], Done]:
        done = {}
        for kind in KINDS:
            self._script(_SAID[kind])
            for who in _MEASURED:
                done[who, kind] = _do(workers[who], Order(kind, _COUNTS[kind] // part, ANSWER))
        return done

    def _step(self, what: str) -> None:
        self._tell(advance=1, description=f"{self._platform}: {what}")

    def _contestant(self, who: Who) -> contextlib.AbstractContextManager[Worker]:
        part = Part(
            who,
            self._platform,
            self._address + SIMULATED[self._platform],
            KEY,
            _OPTIONS.get(self._platform, {}),
            MODELS[self._platform],
            QUESTION,
            GC_THRESHOLDS,
        )
        return worker("contestant", json.dumps(asdict(part)))

    def _script(self, behaviour: Mapping[str, object]) -> None:
        """What the platform answers from now on."""
        address = f"{self._address}/_simulator/script"
        order = {"behaviours": [{**behaviour, "times": _ALWAYS}]}
        head = {"content-type": "application/json"}
        for method, body in (("DELETE", None), ("POST", json.dumps(order).encode())):
            asked = Request(address, body, head, method=method)  # noqa: S310  loopback
            with urlopen(asked, timeout=CONTROL_S):  # noqa: S310  loopback
                pass


def _loaded(contestant: Worker) -> Loaded:
    return Loaded(**_hear(contestant, START_TIMEOUT_S))


def _do(contestant: Worker, order: Order) -> Done:
    contestant.tell(json.dumps(asdict(order)))
    return Done(**_hear(contestant, ORDER_TIMEOUT_S))


def _hear(contestant: Worker, within_s: float) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(contestant.hear(within_s))
    if "error" in said:
        raise RuntimeError(f"a contestant failed: {said['error']}")
    return said
