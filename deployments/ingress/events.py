"""Server-sent events: framing, and a sign of life while nothing else happens.

Format: WHATWG HTML, "Server-sent events". Data is one line of JSON, so it needs no
folding.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send
from typing_extensions import override

# Proxies commonly give up on a connection that is silent for 30 or 60 s.
HEARTBEAT_S = 15.0
_HEARTBEAT = b": still here\n\n"


def frame(event: str, data: object) -> bytes:
    """One event."""
    return b"event: " + event.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


async def with_heartbeat(
    frames: AsyncGenerator[bytes, None], every_s: float = HEARTBEAT_S
) -> AsyncGenerator[bytes, None]:
    """`frames`, and a comment line whenever `every_s` pass without one; closed together."""
    following = asyncio.ensure_future(anext(frames, None))
    try:
        while True:
            done, _ = await asyncio.wait((following,), timeout=every_s)
            if not done:
                yield _HEARTBEAT
                continue
            if (chunk := following.result()) is None:
                return
            yield chunk
            following = asyncio.ensure_future(anext(frames, None))
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await frames.aclose()


class EventStream(StreamingResponse):
    """A response that closes its events when the caller has gone, not when memory is tidied."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        # Nobody on the way may keep, change or collect them.
        headers = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._events = events

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with contextlib.aclosing(self._events):
            await super().__call__(scope, receive, send)


def response(frames: AsyncGenerator[bytes, None]) -> EventStream:
    """`frames` as an HTTP response."""
    return EventStream(with_heartbeat(frames))
