"""The upstream: a platform that answers in no time, so that all that is measured is the way to it."""

import asyncio
import sys
from typing import cast

import uvloop
from typing_extensions import override

from tests.bench.wire import answers


class _Upstream(asyncio.Protocol):
    """One connection, kept alive; requests come with a content-length and one at a time."""

    def __init__(self, plain: bytes, stream: bytes) -> None:
        self._plain = plain
        self._stream = stream
        self._received = b""
        self._transport: asyncio.WriteTransport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Of uvloop, which does not derive its transports from asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        _, _, length = head.lower().partition(b"content-length:")
        # A question without a body says none: the product lists the models, too.
        if len(body) < int(length.partition(b"\r\n")[0] or 0):
            return
        self._received = b""
        if self._transport is not None:
            wants_stream = b'"stream":true' in body
            self._transport.write(self._stream if wants_stream else self._plain)


async def serve() -> None:
    """Answer on a port of our own until standard input ends; the port is said on standard output."""
    plain, stream = answers()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Upstream(plain, stream), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    # Whoever started us holds the other end: we end with them, however they end.
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    uvloop.run(serve())
