"""Conversations that OpenAI keeps: begun before the first answer, dropped when there was none.

Off the usual road: SupportMax keeps its callers' conversations itself unless an assistant's
`state` says otherwise.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace

from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatChunk, ChatReply, ChatRequest, ReplyDone

Create = Callable[[], Awaitable[str]]
Delete = Callable[[str], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Ready:
    """A request whose conversation is there, and the seconds left for its answer."""

    request: ChatRequest
    deadline_s: float
    is_new: bool


class KeptConversations:
    """OpenAI's conversations; `create` makes one and `delete` drops one, or raises PlatformError."""

    def __init__(self, platform: str, create: Create, delete: Delete) -> None:
        self._platform = platform
        self._create = create
        self._delete = delete
        self._background: set[asyncio.Task[None]] = set()

    async def complete(
        self,
        request: ChatRequest,
        deadline_s: float,
        ask: Callable[[ChatRequest, float], Awaitable[ChatReply]],
    ) -> ChatReply:
        """What `ask` answers within the request's conversation.

        Raises:
            PlatformError: the conversation could not be begun, or what `ask` raises.
        """
        ready = await self._ready(request, deadline_s)
        try:
            return _kept(ready, await ask(ready.request, ready.deadline_s))
        except BaseException:
            self._drop(ready)
            raise

    async def stream(
        self,
        request: ChatRequest,
        deadline_s: float,
        ask: Callable[[ChatRequest, float], AsyncGenerator[ChatChunk]],
    ) -> AsyncGenerator[ChatChunk]:
        """The same as a stream."""
        ready = await self._ready(request, deadline_s)
        is_whole = False
        try:
            async with contextlib.aclosing(ask(ready.request, ready.deadline_s)) as chunks:
                async for chunk in chunks:
                    if isinstance(chunk, ReplyDone):
                        is_whole = True
                        yield ReplyDone(_kept(ready, chunk.reply))
                    else:
                        yield chunk
        finally:
            if not is_whole:
                self._drop(ready)

    async def aclose(self) -> None:
        """Stop what is still being dropped."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _ready(self, request: ChatRequest, deadline_s: float) -> Ready:
        if request.vendor_conversation:
            return Ready(request, deadline_s, is_new=False)
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(deadline_s):
                name = await self._create()
        except TimeoutError as error:
            detail = "the deadline passed before a conversation was begun"
            raise PlatformError(self._platform, ErrorKind.TIMEOUT, detail) from error
        left_s = deadline_s - (loop.time() - began)
        return Ready(replace(request, vendor_conversation=name), left_s, is_new=True)

    def _drop(self, ready: Ready) -> None:
        """Delete, while nobody waits, what nobody will ever ask for: it may hold what was said."""
        if ready.is_new:
            task = asyncio.get_running_loop().create_task(self._dropped(ready.request))
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _dropped(self, request: ChatRequest) -> None:
        with contextlib.suppress(PlatformError):
            await self._delete(str(request.vendor_conversation))


def _kept(ready: Ready, reply: ChatReply) -> ChatReply:
    # Its own words are there already; sent again, they would be said twice.
    return replace(
        reply, vendor_conversation=ready.request.vendor_conversation, provider_state=None
    )
