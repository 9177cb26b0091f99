"""A relay on loopback that gives requests another path, or headers besides, and changes nothing else, faults included."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PIECE = 65_536  # bytes


@asynccontextmanager
async def relayed(
    port: int, readdress: Callable[[str], str], headers: bytes = b""
) -> AsyncIterator[str]:
    """The base URL of a relay to the server on `port`; `readdress` turns the path of a request.

    `headers` are lines put before those of every request, each with its line end.
    A connection that either side closes is closed on the other side as well, at once.
    """

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        ways = [
            asyncio.create_task(_requests(reader, server_writer, readdress, headers)),
            asyncio.create_task(_bytes(server_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            server_writer.close()
            writer.close()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def _requests(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    readdress: Callable[[str], str],
    headers: bytes,
) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            line, _, rest = head.partition(b"\r\n")
            method, target, version = line.decode().split(" ")
            writer.write(f"{method} {readdress(target)} {version}\r\n".encode() + headers + rest)
            length = _CONTENT_LENGTH.search(head)
            writer.write(await reader.readexactly(int(length[1]) if length else 0))
            await writer.drain()


async def _bytes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
