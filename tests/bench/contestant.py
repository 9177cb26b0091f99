"""One platform in one process, asked through our adapter or through its vendor's own client.

Carries out orders, one line of JSON in and one out. It loads nothing before it is told who
it is: what that costs is measured.
"""

import asyncio
import gc
import json
import os
import resource
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeAlias

import uvloop

# An answer that takes this long is not slow but lost; the simulators wait 25 ms.
ANSWER_TIMEOUT_S = 30.0
# Enough that connections and loops are shared as in a replica, too few to wait for each other.
AT_ONCE = 8

Who: TypeAlias = Literal["adapter", "sdk", "replica"]


@dataclass(frozen=True, slots=True)
class Part:
    """Who to be, and whom to ask what."""

    who: Who
    platform: str
    base_url: str
    key: str
    options: dict[str, str]
    model: str
    question: str
    gc_thresholds: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Order:
    """What to do: so many answers, whole or streamed; or so many streams held open at once."""

    kind: Literal["json", "stream", "hold"]
    count: int
    text: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """What it took until the first answer was there."""

    cpu_s: float
    modules: int
    rss_mb: float
    pss_mb: float


@dataclass(frozen=True, slots=True)
class Done:
    """CPU milliseconds for each answer, or the KB (PSS) of each stream that was held open."""

    each: float


class Asker(Protocol):
    """One way to ask a platform."""

    async def complete(self) -> str:
        """The text of the whole answer."""
        ...

    def stream(self) -> AsyncGenerator[str]:
        """The same text as it comes."""
        ...

    async def aclose(self) -> None:
        """Give the connections back."""
        ...


async def carry_out(asker: Asker, order: Order) -> Done:
    """One order.

    Raises:
        RuntimeError: An answer is not what it should be.
        TimeoutError: An answer did not come.
    """
    if order.kind == "hold":
        return Done(await _held_kb(asker, order.count))
    left = iter(range(order.count))
    began = time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(_work(asker, order, left))
    return Done((time.process_time() - began) * 1000 / order.count)


async def _work(asker: Asker, order: Order, left: Iterator[int]) -> None:
    for _ in left:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            if order.kind == "json":
                text = await asker.complete()
            else:
                text = "".join([piece async for piece in asker.stream()])
        if text != order.text:
            raise RuntimeError(f"not the answer: {text[:300]!r}")


async def _held_kb(asker: Asker, count: int) -> float:
    gc.collect()
    before_mb = memory_mb()[1]
    async with AsyncExitStack() as held, asyncio.timeout(ANSWER_TIMEOUT_S):
        streams = [await held.enter_async_context(aclosing(asker.stream())) for _ in range(count)]
        # A stream is open when its first words are there; the simulator then says no more.
        left = iter(streams)
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(_begin(left))
        gc.collect()
        return (memory_mb()[1] - before_mb) * 1024 / count


async def _begin(left: Iterator[AsyncGenerator[str]]) -> None:
    for stream in left:
        await anext(stream)


def memory_mb() -> tuple[float, float]:
    """This process, resident (RSS), and with what is shared divided among those who share (PSS)."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    kilobytes = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
    return kilobytes["Rss:"] / 1024, kilobytes["Pss:"] / 1024


async def main() -> None:
    """Be who the argument says, and carry out orders until standard input ends."""
    # A proxy of the machine's would stand between us and the simulators.
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    part = Part(**json.loads(sys.argv[1]))
    gc.set_threshold(*part.gc_thresholds)
    began = time.process_time()
    if part.who == "sdk":
        from tests.bench.theirs import open_sdk  # noqa: PLC0415  the contestant itself

        asker = open_sdk(part)
    else:
        if part.who == "replica":
            import ray.serve  # noqa: F401, PLC0415

            import deployments.platforms.server  # noqa: F401, PLC0415
        from tests.bench.ours import Ours  # noqa: PLC0415

        asker = Ours(part)
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        await asker.complete()
    cpu_s = time.process_time() - began
    rss_mb, pss_mb = memory_mb()
    _say(Loaded(cpu_s, len(sys.modules), rss_mb, pss_mb))
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            _say(await carry_out(asker, Order(**json.loads(line))))
        except Exception as error:  # noqa: BLE001  told to whoever ordered
            _say_error(error)
    await asker.aclose()


def _say(said: Loaded | Done) -> None:
    sys.stdout.write(json.dumps(asdict(said)) + "\n")
    sys.stdout.flush()


def _say_error(error: Exception) -> None:
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    sys.stdout.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    uvloop.run(main())
