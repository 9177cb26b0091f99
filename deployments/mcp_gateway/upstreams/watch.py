"""Keeps what an upstream lists up to date, by a task of its own that outlives whatever goes wrong there."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Literal

from actors.database.federation import Seen
from deployments.mcp_gateway.upstreams.definition import Listing, definition_of, listing_of
from deployments.mcp_gateway.upstreams.faults import story_of
from deployments.mcp_gateway.upstreams.links import Link
from deployments.mcp_gateway.upstreams.shelf_rows import Rows, rows_of
from routing.clock import Clock

if TYPE_CHECKING:
    from mcp_types import Tool as WireTool

_log = logging.getLogger(__name__)

State = Literal["connecting", "ready", "degraded"]
"""Of a server: not reached since the start, read lately, or served from what it said before."""

# What clients may show of a list after it changed (wire.LIST_FRESH_MS), and the time in which a
# tool that changed is still called as it was: a minute, spread so that replicas do not ask at once.
REFRESH_S = 60.0
SPREAD = 0.2
# All lists of a server, on a slow day.
LIST_S = 20.0
# After a failure: at once, then doubled up to a minute, each cut by chance to half at most.
RETRY_S = 1.0
RETRY_MAX_S = 60.0

Keep = Callable[[list[Seen]], Awaitable[None]]
Remember = Callable[[], Awaitable[list[Seen]]]

_NOTHING = Listing({}, {})


class Watch:
    """What an upstream listed last.

    `remember` gives what any replica saw before, so that a start without the upstream still has
    its tools; `keep` is told whenever that changed.
    """

    def __init__(
        self,
        server: str,
        link: Link,
        remember: Remember,
        keep: Keep,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self._server = server
        self._link = link
        self._remember = remember
        self._keep = keep
        self._clock = clock
        self._chance = chance
        self._task: asyncio.Task[None] | None = None
        self._kept: Mapping[str, str] | None = None
        self._failures = 0
        self.listing = _NOTHING
        self.rows = Rows()
        self.wire: Mapping[str, WireTool] = {}
        self.state: State = "connecting"
        self.problem = ""
        self.read_at: float | None = None

    def start(self) -> None:
        """Begin to read."""
        self._task = asyncio.create_task(self._watch())

    async def aclose(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def read(self) -> None:
        """Read the lists once; what goes wrong is in `state` and `problem`."""
        try:
            async with asyncio.timeout(LIST_S):
                found = await self._link.catalogue()
            self.listing = listing_of(self._server, found.tools)
            self.wire = {tool.name: tool for tool in found.tools}
            self.rows = rows_of(found)
        except Exception as error:  # noqa: BLE001  whatever it is, it is this server's alone
            self._fail(error)
            return
        await self._tell()
        self.state, self.problem, self._failures = "ready", "", 0
        self.read_at = self._clock.now()

    async def _watch(self) -> None:
        await self._recall()
        # An error of the server can swallow a cancellation that comes at the same time.
        own = asyncio.current_task()
        while True:
            await self.read()
            if own is not None and own.cancelling():
                return
            await asyncio.sleep(self._wait_s())

    async def _recall(self) -> None:
        try:
            before = await self._remember()
        except Exception:  # noqa: BLE001  it has its own tools to tell, as soon as it is reached
            _log.exception("what the MCP server %s said before could not be read", self._server)
            return
        tools = {tool.tool: definition_of(tool.tool, tool.definition) for tool in before}
        self.listing = Listing(tools, {})
        self._kept = {name: tool.hash for name, tool in tools.items()}

    async def _tell(self) -> None:
        """Keep what it says, where that is news; if it cannot be kept now, it is tried next time."""
        now = {name: tool.hash for name, tool in self.listing.tools.items()}
        if now == self._kept:
            return
        try:
            tools = self.listing.tools.values()
            await self._keep([Seen(tool.name, tool.hash, tool.body) for tool in tools])
            self._kept = now
        except Exception:  # noqa: BLE001  what it can do now does not hang on it
            _log.exception("what the MCP server %s says could not be kept", self._server)

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        self.problem = story_of(error)
        if self.state != "connecting":
            self.state = "degraded"
        if self._failures == 1:
            _log.warning("the MCP server %s cannot be read: %s", self._server, self.problem)

    def _wait_s(self) -> float:
        if not self._failures:
            return REFRESH_S * self._chance.uniform(1 - SPREAD, 1 + SPREAD)
        # The exponent is bounded so that a year of failures cannot overflow.
        longest = min(RETRY_S * 2.0 ** min(self._failures - 1, 16), RETRY_MAX_S)
        return longest * self._chance.uniform(0.5, 1.0)
