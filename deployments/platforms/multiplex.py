"""Many requests in one streaming call: how a replica's calls to a platform's replica are batched.

One Serve handle call per request costs more than all the rest of the road (a plain
hop reaches 620 to 860 requests/s on two cores, this one 1,300 to 1,600: Ray 2.60,
October and November 2026). So the requests of one tick leave as one call, and the
answers come back as they are ready, each under its own deadline and cancellation.

This is the caller's half; the replica's is `batch.py`. Neither knows Ray.
"""

import asyncio
import contextlib
import itertools
import logging
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import TypeAlias

from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatChunk, ChatReply, ChatRequest, ReplyDone, TextDelta
from routing.message import images_of

_log = logging.getLogger(__name__)

# 2 ms: the first call after a pause leaves at once, those that follow within it share a call.
TICK_S = 0.002
# What one call carries stays under a replica's gRPC message (flags.py): 64 requests of the 1 MiB
# of text that HTTP takes, and images of no more than this.
BATCH_MAX = 64
BATCH_IMAGES_MAX = 32 * 1024 * 1024
# Beyond this many unanswered calls of one replica to one platform, waiting longer helps nobody.
WAITING_MAX = 2000


@dataclass(frozen=True, slots=True)
class Item:
    """One request in a batch; `deadline_s` is what is left for its whole answer."""

    id: str
    stream: bool
    request: ChatRequest
    deadline_s: float


Payload: TypeAlias = str | ChatReply | PlatformError
"""More text, the whole answer (which ends the item), or its failure (likewise)."""
Event: TypeAlias = tuple[int, Payload]
"""Index of the item in its batch, and what happened to it."""
Send: TypeAlias = Callable[[Sequence[Item]], AsyncGenerator[list[Event], None]]
Cancel: TypeAlias = Callable[[Sequence[str]], Coroutine[object, object, None]]


@dataclass(slots=True, eq=False)
class _Pending:
    """An item the caller still waits for."""

    item: Item
    arrived: asyncio.Queue[Payload] = field(default_factory=asyncio.Queue)
    finished: bool = False
    batch: "_Batch | None" = None

    def deliver(self, payload: Payload) -> None:
        if not self.finished:
            self.finished = not isinstance(payload, str)
            self.arrived.put_nowait(payload)


@dataclass(slots=True, eq=False)
class _Batch:
    """Items that left in one call."""

    items: list[_Pending]
    task: "asyncio.Task[None] | None" = None
    abandoned: bool = False

    @property
    def is_over(self) -> bool:
        """Whether nobody waits for any of them."""
        return all(pending.finished for pending in self.items)


class Multiplexer:
    """A platform as its callers see it, whose calls share streaming calls to a replica."""

    def __init__(self, platform: str, send: Send, cancel: Cancel) -> None:
        self._platform = platform
        self._send = send
        self._cancel = cancel
        self._waiting: list[_Pending] = []
        self._unanswered = 0
        self._last_flush = 0.0
        self._armed = False
        self._background: set[asyncio.Task[None]] = set()
        # The replicas of a platform hear of items of every such process, in each of its lives.
        self._life = uuid.uuid4().hex
        self._numbers = itertools.count()

    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        """The whole answer; raises PlatformError."""
        async with contextlib.aclosing(
            self._payloads(request, deadline_s, stream=False)
        ) as payloads:
            async for payload in payloads:
                if isinstance(payload, ChatReply):
                    return payload
        raise self._lost("the call ended without an answer")

    async def stream(
        self, request: ChatRequest, deadline_s: float
    ) -> AsyncGenerator[ChatChunk, None]:
        """Text as it comes, then one ReplyDone; raises PlatformError."""
        async with contextlib.aclosing(
            self._payloads(request, deadline_s, stream=True)
        ) as payloads:
            async for payload in payloads:
                yield ReplyDone(payload) if isinstance(payload, ChatReply) else TextDelta(payload)

    async def aclose(self) -> None:
        """Give up whatever is still under way."""
        for task in tuple(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _payloads(
        self, request: ChatRequest, deadline_s: float, *, stream: bool
    ) -> AsyncGenerator[str | ChatReply, None]:
        if self._unanswered >= WAITING_MAX:
            raise PlatformError(
                self._platform, ErrorKind.SATURATED, f"{WAITING_MAX} calls wait here already"
            )
        key = f"{self._life}-{next(self._numbers)}"
        pending = _Pending(Item(key, stream, request, deadline_s))
        self._unanswered += 1
        self._waiting.append(pending)
        self._arm()
        until = asyncio.get_running_loop().time() + deadline_s
        try:
            while True:
                # Around the wait alone: held open across a `yield`, a timeout belongs to
                # whichever task came first, and interrupts its work or nothing at all.
                async with asyncio.timeout_at(until):
                    payload = await pending.arrived.get()
                if isinstance(payload, PlatformError):
                    raise payload
                yield payload
                if isinstance(payload, ChatReply):
                    return
        except TimeoutError:
            raise PlatformError(
                self._platform, ErrorKind.TIMEOUT, f"no answer within {deadline_s:.1f} s"
            ) from None
        finally:
            self._unanswered -= 1
            if not pending.finished:
                self._abandon(pending)

    def _arm(self) -> None:
        if self._armed:
            return
        self._armed = True
        loop = asyncio.get_running_loop()
        wait = self._last_flush + TICK_S - loop.time()
        if wait > 0:
            loop.call_later(wait, self._flush)
        else:
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._armed = False
        self._last_flush = asyncio.get_running_loop().time()
        waiting, self._waiting = self._waiting, []
        for items in _batches(waiting):
            batch = _Batch(items)
            for pending in batch.items:
                pending.batch = batch
            batch.task = self._spawn(self._run(batch))

    async def _run(self, batch: _Batch) -> None:
        failure = self._lost("the replica ended its call early")
        try:
            # Closed with the task, so that a batch nobody waits for ends at the replica too.
            async with contextlib.aclosing(self._send([p.item for p in batch.items])) as answers:
                async for events in answers:
                    for index, payload in events:
                        batch.items[index].deliver(payload)
                    # A cancel may overtake the call it is about; then the last to be
                    # answered closes the call, and with it what was abandoned.
                    if batch.abandoned and batch.is_over:
                        return
        except PlatformError as error:
            failure = error
        finally:
            for pending in batch.items:
                pending.deliver(failure)

    def _abandon(self, pending: _Pending) -> None:
        """The caller is gone: tell the replica, by the cheapest way."""
        pending.finished = True
        if pending.batch is None:
            self._waiting.remove(pending)
            return
        pending.batch.abandoned = True
        if pending.batch.task is not None and pending.batch.is_over:
            pending.batch.task.cancel()
        else:
            self._spawn(self._cancel([pending.item.id]))

    def _spawn(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        # In a context of its own: a batch is nobody's in particular, and Serve cancels the
        # calls made in the context of a request whose caller has gone.
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._background.add(task)
        task.add_done_callback(self._reap)
        return task

    def _reap(self, task: "asyncio.Task[None]") -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a call to %s failed unexpectedly", self._platform, exc_info=error)

    def _lost(self, detail: str) -> PlatformError:
        return PlatformError(self._platform, ErrorKind.CONNECTION, detail)


def _batches(waiting: Sequence[_Pending]) -> Iterator[list[_Pending]]:
    """The items in their order, in batches of so many and with images of so many bytes."""
    items: list[_Pending] = []
    images = 0
    for pending in waiting:
        more = _image_bytes(pending.item.request)
        if len(items) == BATCH_MAX or (more and items and images + more > BATCH_IMAGES_MAX):
            yield items
            items, images = [], 0
        items.append(pending)
        images += more
    if items:
        yield items


def _image_bytes(request: ChatRequest) -> int:
    return sum(len(image.data) for image in images_of(request.messages))
