"""A vendor's token exchange on loopback, and the proxy that leads to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import cast

from aiohttp import web

HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Order:
    """One exchange as the vendor saw it."""

    path: str
    headers: dict[str, str]
    body: dict[str, object]


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that is no token."""

    status: int
    text: str


class TokenExchange:
    """Gives its answers in turn: a text is a token of an hour, and None is no answer at all."""

    def __init__(self, answers: Iterable[str | Said | None]) -> None:
        self._answers = iter(answers)
        self._over = asyncio.Event()
        self.orders: list[Order] = []

    async def answer(self, request: web.Request) -> web.Response:
        """The next answer."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = cast("dict[str, object]", json.loads(await request.read()))
        self.orders.append(Order(request.path, headers, body))
        match next(self._answers, Said(403, '{"error": "access_denied"}')):
            case None:
                await self._over.wait()
                return web.Response(status=504)
            case Said(status, text):
                return web.Response(status=status, text=text)
            case token:
                grant = {"access_token": token, "token_type": "Bearer", "expires_in": HOUR_S}
                return web.json_response(grant)

    def end(self) -> None:
        """Let go of whoever still waits."""
        self._over.set()


@asynccontextmanager
async def tunnel(port: int | None) -> AsyncIterator[tuple[str, list[str]]]:
    """A proxy that leads every CONNECT to one loopback port, or nowhere: its address, its orders."""
    orders: list[str] = []
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        running.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            orders.append(head.split(b" ", 2)[1].decode())
            if port is None:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            theirs, ours = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_pump(reader, ours), _pump(theirs, writer))
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", orders
    finally:
        server.close()
        await asyncio.gather(*running, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()
