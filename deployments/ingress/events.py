"""Server-sent events: framing, and a sign of life while nothing else happens.

Format: WHATWG HTML, "Server-sent events". Data is one line of JSON, so it needs no
folding.
"""

import asyncio
from collections.abc import AsyncIterator

import orjson
from starlette.responses import StreamingResponse

# Proxies commonly give up on a connection that is silent for 30 or 60 s.
HEARTBEAT_S = 15.0
_HEARTBEAT = b": still here\n\n"


def frame(event: str, data: object) -> bytes:
    """One event."""
    return b"event: " + event.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


async def with_heartbeat(
    frames: AsyncIterator[bytes], every_s: float = HEARTBEAT_S
) -> AsyncIterator[bytes]:
    """`frames`, and a comment line whenever `every_s` pass without one."""
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


def response(frames: AsyncIterator[bytes]) -> StreamingResponse:
    """`frames` as an HTTP response nobody on the way may buffer or change."""
    headers = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        with_heartbeat(frames), media_type="text/event-stream", headers=headers
    )
