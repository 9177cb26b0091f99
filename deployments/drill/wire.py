"""A drill on the wire: the real adapters against the simulators, over loopback, in real time.

A scenario is played in `SPAN_S` seconds, its times shrunk to that and its questions thinned
out; the breakers' own times stay what they are. No vendor is ever called.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import assert_never

import httpx2

from config.resolve import resolve_platforms
from config.settings import Settings
from deployments.boot import SIMULATED, SIMULATOR_KEY
from deployments.drill.faults import (
    Cut,
    Down,
    ErrorEvent,
    Errors,
    Fault,
    Malformed,
    OutOfCredit,
    RateLimited,
    Slow,
    Stall,
    calendar_of,
)
from deployments.drill.replay import Plan, Result, replay
from deployments.drill.stage import Played, favourite_of
from deployments.drill.traffic import Asked
from deployments.platforms.base import Connection, Platform
from deployments.platforms.registry import open_platform
from deployments.simulators.process import Simulators
from deployments.simulators.reply import Prompt, compose
from deployments.simulators.server import SimulatorOptions
from routing.clock import SystemClock
from routing.message import JsonObject, Message

SPAN_S = 12.0
"""Of each of the two replays: a coffee is not worth making for it."""

A_SECOND = 10.0
"""Questions, at most: two cores serve them beside the simulators without falling behind."""

DEADLINE_S = 10.0
"""Of an answer: with less, a first platform is left its own p95 beside two that were never seen."""

_CONTROL_S = 10.0
_DRAWS = 200  # behaviours queued for a share of errors: more than one platform is asked in SPAN_S
_SOME_CHUNKS = 3
_MS = SimulatorOptions()

_PASSAGE = (
    '<passage id="kb-1" title="Refunds">Refunds take five days. They go back to the card that was '
    "charged. Refunds of gift cards take two days. A refund needs a receipt.</passage>"
)
# An agent hears its user alone, and a model what stands above: so both carry the passage.
_QUESTION = f"{_PASSAGE}\n\nHow long do refunds take?"


def play_on_the_wire(
    plan: Plan, faults: Sequence[Fault], settings: Settings, progress: Callable[[int], None]
) -> Played:
    """Both replays, one after the other; the faults come back in the seconds they were played at.

    Raises:
        SimulatorsDown: the simulators did not start.
    """
    span_s = max([asked.second for asked in plan.asked], default=0.0) or SPAN_S
    shrunk = tuple(
        fault.model_copy(
            update={"from_s": fault.from_s * SPAN_S / span_s, "to_s": fault.to_s * SPAN_S / span_s}
        )
        for fault in faults
    )
    told = _thinned(plan, span_s)
    with (
        tempfile.TemporaryDirectory(prefix="supportmax-drill-") as home,
        Simulators(Path(home), SIMULATOR_KEY) as simulators,
    ):
        simulators.wait_until_up()
        return asyncio.run(_play(told, shrunk, settings, simulators.address, progress))


def questions_on_the_wire(plan: Plan) -> int:
    """How many questions both replays come to."""
    return 2 * min(len(plan.asked), int(A_SECOND * SPAN_S))


def _thinned(plan: Plan, span_s: float) -> Plan:
    every = max(-(-len(plan.asked) // int(A_SECOND * SPAN_S)), 1)
    asked = [replace(each, second=each.second * SPAN_S / span_s) for each in plan.asked[::every]]
    whole = compose(Prompt(_QUESTION, _PASSAGE)).text
    return replace(
        plan,
        asked=[Asked(each.second, each.input_tokens, each.output_tokens) for each in asked],
        deadline_s=DEADLINE_S,
        expected=lambda _: whole,
        message=lambda _: Message("user", _QUESTION),
        system=_PASSAGE,
    )


async def _play(
    plan: Plan,
    faults: Sequence[Fault],
    settings: Settings,
    address: str,
    progress: Callable[[int], None],
) -> Played:
    clock = SystemClock()
    async with _adapters(settings, plan.catalog.platforms, address) as platforms:
        well = await replay(plan, platforms, clock, progress)
        favourite = favourite_of(well)
        breaking = asyncio.create_task(_break(plan, faults, favourite, address))
        try:
            faulty: tuple[Result, ...] = await replay(plan, platforms, clock, progress)
        finally:
            breaking.cancel()
            await asyncio.gather(breaking, return_exceptions=True)
    return Played(faulty, well, favourite, tuple(faults))


@asynccontextmanager
async def _adapters(
    settings: Settings, names: Sequence[str], address: str
) -> AsyncIterator[dict[str, Platform]]:
    """Every platform's adapter, told to reach its simulator whatever keys are configured."""
    simulated: dict[str, object] = {
        name: platform.model_copy(update={"simulated": True})
        for name, platform in settings.platforms.present()
    }
    everyone = settings.platforms.model_copy(update=simulated)
    told = resolve_platforms(settings.model_copy(update={"platforms": everyone}), "development")
    platforms: dict[str, Platform] = {
        each.name: open_platform(
            each.name,
            Connection(
                SIMULATOR_KEY, address + SIMULATED[each.name], each.max_connections, each.options
            ),
        )
        for each in told
        if each.name in names
    }
    try:
        yield platforms
    finally:
        for platform in platforms.values():
            await platform.aclose()


async def _break(plan: Plan, faults: Sequence[Fault], favourite: str, address: str) -> None:
    """Tell the simulators at every beginning and end of a fault what goes wrong from now on."""
    began = time.monotonic()
    edges = sorted({edge for fault in faults for edge in (fault.from_s, fault.to_s)})
    control = f"{address}/_simulator/script"
    # Plain HTTP needs no certificates, and loading them is most of a client's cost.
    async with httpx2.AsyncClient(verify=False, timeout=_CONTROL_S) as client:
        for edge in edges:
            # The times are the scenario's own.
            await asyncio.sleep(max(began + edge - time.monotonic(), 0.0))
            await client.delete(control)
            for name in plan.catalog.platforms:
                fault = calendar_of(name, faults, favourite).at(edge)
                if fault is None:
                    continue
                luck = random.Random(f"{plan.seed}/{name}/{edge}")  # noqa: S311
                order: Mapping[str, object] = {
                    "platform": SIMULATED[name].split("/")[1],
                    "behaviours": _behaviours(fault, luck),
                }
                (await client.post(control, json=order)).raise_for_status()


def _behaviours(fault: Fault, luck: random.Random) -> list[JsonObject]:
    """The fault in the simulators' words; it lasts until they are told otherwise."""
    if isinstance(fault, Errors):
        broken: JsonObject = {"kind": "status", "status": 500}
        well: JsonObject = {
            "kind": "slow",
            "delay_ms": _MS.latency_ms,
            "chunk_delay_ms": _MS.chunk_ms,
        }
        return [broken if luck.random() < fault.share else well for _ in range(_DRAWS)]
    return [{**_behaviour(fault), "times": -1}]


def _behaviour(
    fault: Down | RateLimited | OutOfCredit | Slow | Cut | ErrorEvent | Stall | Malformed,
) -> JsonObject:
    told: JsonObject
    match fault:
        case Down():
            told = {"kind": "status", "status": 503}
        case RateLimited(retry_after_s=retry_after_s):
            told = {"kind": "status", "status": 429, "retry_after_s": retry_after_s}
        case OutOfCredit():
            told = {"kind": "status", "status": 402}
        case Slow(times=times):
            slow = {"delay_ms": _MS.latency_ms * times, "chunk_delay_ms": _MS.chunk_ms * times}
            told = {"kind": "slow", **slow}
        case Cut(after=said):
            told = {"kind": "cut", "after_chunks": _SOME_CHUNKS if said else 0}
        case ErrorEvent(after=said):
            told = {"kind": "error_event", "after_chunks": 1 if said else 0}
        case Stall(after=said):
            chunks = _SOME_CHUNKS if said else 0
            told = {"kind": "stall", "after_chunks": chunks, "stall_s": 10 * DEADLINE_S}
        case Malformed():
            told = {"kind": "garbage", "after_chunks": 1}
        case unknown:
            assert_never(unknown)
    return told
