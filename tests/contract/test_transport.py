"""The HTTP client against a server of a few lines: its pool, its bounds, and what it closes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from multidict import CIMultiDict
from yarl import URL

from deployments.platforms import transport as module
from deployments.platforms.transport import (
    MAX_ANSWER,
    AnswerTooLarge,
    PoolFull,
    RequestHead,
    Transport,
)

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[RequestHead]:
    """Serve every connection by `handler`, and give the head of a request to it."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield RequestHead(URL(f"http://127.0.0.1:{port}/"), CIMultiDict(authorization="Bearer k"))
    finally:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(len(b"{}"))
    return head


async def ask(transport: Transport, head: RequestHead) -> bytes:
    answer = await transport.post(head, b"{}")
    try:
        return await answer.read()
    finally:
        answer.close()


async def test_a_connection_whose_answer_was_read_is_used_again() -> None:
    """A TLS handshake to a vendor costs two round trips."""
    connections = 0

    async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with suppress(asyncio.IncompleteReadError):
            while await read_request(reader):
                writer.write(OK)
        writer.close()

    transport = Transport(max_connections=1)
    async with served(answer_all) as head:
        assert [await ask(transport, head) for _ in range(3)] == [b"ok"] * 3
        await transport.aclose()
    assert connections == 1


async def test_a_full_pool_is_told_from_a_slow_vendor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Saturation is ours: it must not be held against the platform."""
    # The bound itself is the product's; this is how long a full pool is waited for here.
    monkeypatch.setattr(module, "POOL_S", 0.05)
    go_on = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await go_on.wait()
        writer.write(OK)
        writer.close()

    transport = Transport(max_connections=1)
    async with served(wait) as head:
        first = asyncio.create_task(ask(transport, head))
        await asyncio.sleep(0)  # one turn of the loop: the first call takes the only place
        with pytest.raises(PoolFull):
            await ask(transport, head)
        go_on.set()
        assert await first == b"ok"
        assert await ask(transport, head) == b"ok"
        await transport.aclose()


async def test_an_answer_without_end_is_not_held_in_memory() -> None:
    """A vendor cannot fill our memory."""

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
        writer.close()

    transport = Transport(max_connections=1)
    async with served(pour) as head:
        with pytest.raises(AnswerTooLarge, match=str(MAX_ANSWER)):
            await ask(transport, head)
        await transport.aclose()


async def test_a_redirect_is_not_followed() -> None:
    """It would carry the credential to whoever answers there."""
    seen = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(b"HTTP/1.1 307 Go\r\nlocation: /else\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    transport = Transport(max_connections=1)
    async with served(redirect) as head:
        answer = await transport.post(head, b"{}")
        answer.close()
        await transport.aclose()
    assert (answer.status, len(seen)) == (307, 1)


async def test_a_call_cancelled_before_the_answer_closes_its_connection_and_frees_its_place() -> (
    None
):
    """A hedge that lost costs nothing from then on."""
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def wait_for_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        arrived.set()
        await reader.read()
        gone.set()
        writer.close()

    transport = Transport(max_connections=1)
    async with served(wait_for_the_end) as head, asyncio.timeout(10):
        for _ in range(3):
            arrived.clear()
            gone.clear()
            call = asyncio.create_task(ask(transport, head))
            await arrived.wait()
            call.cancel()
            await asyncio.wait([call])
            await gone.wait()
        await transport.aclose()
