"""Where a conversation's activities arrive: a WebSocket that is mended when it breaks, or polling."""

import asyncio
from collections.abc import Sequence

import aiohttp
from yarl import URL

from deployments.platforms.copilot.codec import Activity, ActivitySet, decode_set
from deployments.platforms.copilot.conversation import Conversation
from deployments.platforms.copilot.words import COPILOT
from deployments.platforms.transport import Socket, Transport
from deployments.platforms.vendor_json import load_object
from routing.errors import ErrorKind, PlatformError

POLL_S = 1.0  # what Microsoft's own client waits between two polls
MAX_RECONNECTS = 3  # in one turn; a line that breaks more often carries no conversation


class Inbox:
    """The activities of one conversation, each once, in their order. Close it."""

    def __init__(
        self,
        transport: Transport,
        conversation: Conversation,
        *,
        polls: bool,
        poll_s: float,
        watermark: str = "",
    ) -> None:
        self._transport = transport
        self._conversation = conversation
        self._polls = polls or not conversation.stream_url
        self._poll_s = poll_s
        self._socket: Socket | None = None
        self._watermark = watermark
        self._reconnects = 0

    @property
    def watermark(self) -> str:
        """How far the conversation was heard, "" where it does not say."""
        return self._watermark

    async def open(self) -> None:
        """Connect before anything is said: what a bot types is only seen by who listens.

        A network that lets no WebSocket through is polled over.
        """
        if self._polls:
            return
        try:
            self._socket = await self._transport.socket(URL(self._conversation.stream_url))
        except aiohttp.WSServerHandshakeError:
            self._polls = True

    async def receive(self) -> Sequence[Activity]:
        """What comes next, at least one activity.

        Raises:
            PlatformError: What came is no set of activities, or the line broke too often.
        """
        while True:
            found = await (self._poll() if self._polls else self._read())
            if found.watermark is not None:
                self._watermark = str(found.watermark)
            if found.activities:
                return found.activities

    async def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            await self._socket.close()
            self._socket = None

    async def _read(self) -> ActivitySet:
        if self._socket is None:
            await self.open()
            return ActivitySet()
        frame = await self._socket.receive()
        if frame is None:
            return await self._mend()
        # An empty frame says that the line is alive.
        return decode_set(load_object(COPILOT, frame)) if frame.strip() else ActivitySet()

    async def _mend(self) -> ActivitySet:
        await self.close()
        self._reconnects += 1
        if self._reconnects > MAX_RECONNECTS:
            detail = f"the line broke {self._reconnects} times in one turn"
            raise PlatformError(COPILOT, ErrorKind.STREAM_TRUNCATED, detail)
        missed = ActivitySet()
        if not self._watermark:
            # Without a watermark a new line begins with what is said from then on.
            missed = await self._conversation.activities("")
            self._watermark = "" if missed.watermark is None else str(missed.watermark)
        await self._conversation.reconnect(self._watermark)
        return missed

    async def _poll(self) -> ActivitySet:
        found = await self._conversation.activities(self._watermark)
        if not found.activities:
            # Polling is for agents without a WebSocket: nothing tells us, so we ask again; the
            # turn's deadline ends it.
            await asyncio.sleep(self._poll_s)
        return found
