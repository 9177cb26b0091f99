"""A server that cannot be read is asked again, ever more rarely, and never by all replicas at once."""

import random
from contextlib import AbstractAsyncContextManager

from actors.database.federation import Seen
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool_server import UpstreamFailed
from deployments.mcp_gateway.upstreams.session import Catalogue, Session
from deployments.mcp_gateway.upstreams.watch import REFRESH_S, RETRY_MAX_S, SPREAD, Watch
from routing.clock import ManualClock


class Door:
    """A way to a server that is open or not."""

    def __init__(self) -> None:
        self.is_open = False
        self.is_modern = False

    async def catalogue(self) -> Catalogue:
        if not self.is_open:
            raise UpstreamFailed("Nobody is there.")
        return Catalogue((), (), (), (), False)

    def session(self, caller: Caller, *, asks: bool) -> AbstractAsyncContextManager[Session]:
        raise UpstreamFailed("Nobody is there.")

    async def aclose(self) -> None:
        pass


async def nothing() -> list[Seen]:
    return []


async def keep(tools: list[Seen]) -> None:
    pass


def watching(door: Door, seed: int) -> Watch:
    return Watch("crm", door, nothing, keep, ManualClock(), random.Random(seed))  # noqa: S311


async def test_the_wait_doubles_up_to_a_bound_and_a_seed_decides_its_chance() -> None:
    one, same, other = (watching(Door(), seed) for seed in (1, 1, 2))
    waits: list[list[float]] = [[], [], []]
    for _ in range(40):
        for watch, waited in zip((one, same, other), waits, strict=True):
            await watch.read()
            waited.append(watch._wait_s())
    for number, wait in enumerate(waits[0]):
        longest = min(2.0**number, RETRY_MAX_S)
        assert longest / 2 <= wait <= longest
    assert waits[0] == waits[1] != waits[2]
    assert one.state == "connecting"


async def test_one_good_answer_ends_the_waiting() -> None:
    door = Door()
    watch = watching(door, 1)
    for _ in range(5):
        await watch.read()
    assert watch.problem == "Nobody is there."
    door.is_open = True
    await watch.read()
    assert (watch.state, watch.problem) == ("ready", "")
    assert REFRESH_S * (1 - SPREAD) <= watch._wait_s() <= REFRESH_S * (1 + SPREAD)
    door.is_open = False
    await watch.read()
    assert watch.state == "degraded"
    assert watch._wait_s() <= 1.0
