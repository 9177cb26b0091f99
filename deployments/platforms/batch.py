"""A replica's half of the multiplexed call: every item of a batch, run against one platform."""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncGenerator, Sequence

from deployments.platforms.base import Platform
from deployments.platforms.multiplex import Event, Item
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatReply, ReplyDone, TextDelta

_log = logging.getLogger(__name__)

# 5 ms between two yields of a streaming batch: a reader cannot see it, and the cost of
# a yield (235 us on both sides) is paid once for all that arrived meanwhile.
PACE_S = 0.005


class _Outbox:
    """What a batch has to say next: text joined per item, ends in order."""

    def __init__(self) -> None:
        self._text: dict[int, list[str]] = {}
        self._ended: list[Event] = []
        self._ready = asyncio.Event()

    def text(self, index: int, text: str) -> None:
        self._text.setdefault(index, []).append(text)
        self._ready.set()

    def end(self, index: int, payload: ChatReply | PlatformError) -> None:
        self._ended.append((index, payload))
        self._ready.set()

    async def take(self) -> tuple[list[Event], int]:
        """The events since the last call, and how many of them end an item."""
        await self._ready.wait()
        self._ready.clear()
        events: list[Event] = [(index, "".join(parts)) for index, parts in self._text.items()]
        ended = self._ended
        self._text, self._ended = {}, []
        return events + ended, len(ended)


class BatchRunner:
    """A replica's side: runs every item of every batch against one platform.

    At most `in_flight_max` at once, each for at most `timeout_s`, whatever its caller has left.
    """

    def __init__(
        self, name: str, platform: Platform, *, in_flight_max: int, timeout_s: float
    ) -> None:
        self._name = name
        self._platform = platform
        self._in_flight_max = in_flight_max
        self._timeout_s = timeout_s
        self._tasks: dict[str, asyncio.Task[ChatReply | PlatformError]] = {}

    def bound(self, in_flight_max: int, timeout_s: float) -> None:
        """Other limits from now on; what is under way keeps its own."""
        self._in_flight_max, self._timeout_s = in_flight_max, timeout_s

    @property
    def in_flight(self) -> int:
        """Requests under way in this replica."""
        return len(self._tasks)

    async def run(self, items: Sequence[Item]) -> AsyncGenerator[list[Event], None]:
        """Events as they come, at once at first and then every `PACE_S`, until every item has ended."""
        outbox = _Outbox()
        mine = [item.id for item in items]
        for index, item in enumerate(items):
            if len(self._tasks) >= self._in_flight_max:
                detail = f"{self._in_flight_max} requests are under way in this replica"
                outbox.end(index, PlatformError(self._name, ErrorKind.SATURATED, detail))
                continue
            task = asyncio.get_running_loop().create_task(self._one(index, item, outbox))
            self._tasks[item.id] = task
            task.add_done_callback(functools.partial(self._ended, index, item.id, outbox))
        left, paced = len(items), any(item.stream for item in items)
        try:
            while left:
                events, ended = await outbox.take()
                left -= ended
                yield events
                if paced and left:
                    # Not for an event: text gathers meanwhile, and one yield carries it all.
                    await asyncio.sleep(PACE_S)
        finally:
            await self.cancel(mine)

    async def cancel(self, ids: Sequence[str]) -> None:
        """End these items if they run here; others are somebody else's."""
        tasks = [task for key in ids if (task := self._tasks.get(key)) is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(
        self, index: int, key: str, outbox: _Outbox, task: asyncio.Task[ChatReply | PlatformError]
    ) -> None:
        # Here and not in the task: one cancelled before its first step never runs a line.
        self._tasks.pop(key, None)
        if task.cancelled():
            detail = "the request was cancelled"
            outbox.end(index, PlatformError(self._name, ErrorKind.CONNECTION, detail))
        else:
            outbox.end(index, task.result())

    async def _one(self, index: int, item: Item, outbox: _Outbox) -> ChatReply | PlatformError:
        try:
            if item.stream:
                return await self._stream(index, item, outbox)
            return await self._platform.complete(item.request, self._bound(item))
        except PlatformError as error:
            return error
        except Exception:  # noqa: BLE001  an adapter's bug must not leave the caller waiting
            _log.exception("the adapter of %s failed", self._name)
            return PlatformError(self._name, ErrorKind.BAD_REPLY, "our adapter failed")

    async def _stream(self, index: int, item: Item, outbox: _Outbox) -> ChatReply | PlatformError:
        async with contextlib.aclosing(
            self._platform.stream(item.request, self._bound(item))
        ) as chunks:
            async for chunk in chunks:
                match chunk:
                    case TextDelta(text):
                        outbox.text(index, text)
                    case ReplyDone(reply):
                        return reply
        return PlatformError(self._name, ErrorKind.STREAM_TRUNCATED, "the stream had no end")

    def _bound(self, item: Item) -> float:
        return min(item.deadline_s, self._timeout_s)
