"""A server that misbehaves as it is told: what a network, a proxy or a crash does to a request."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from deployments.clients import Door

Reply: TypeAlias = bytes | Literal["hang up", "say nothing", "only heartbeats"]

HEARTBEAT = b": still here\n\n"


@dataclass
class Peer:
    """A server that does to each request the next thing on its list, and keeps what it was sent."""

    replies: list[Reply]
    port: int = 0
    requests: list[tuple[str, dict[str, str], dict[str, object]]] = field(default_factory=list)
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def door(self) -> Door:
        return Door(f"http://127.0.0.1:{self.port}", "key", timeout_s=5.0)

    @property
    def hasty_door(self) -> Door:
        return Door(f"http://127.0.0.1:{self.port}", "key", timeout_s=0.3)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        try:
            await self._serve(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append((first.split(" ")[1], headers, json.loads(body or b"{}")))
        match self.replies.pop(0):
            case bytes(reply):
                writer.write(reply)
            case "say nothing":
                await reader.read()
            case "only heartbeats":
                writer.write(head_of("text/event-stream"))
                left = asyncio.ensure_future(reader.read())
                while not (await asyncio.wait({left}, timeout=0.05))[0]:
                    writer.write(HEARTBEAT)
            case "hang up":
                pass


@asynccontextmanager
async def peer(*replies: Reply) -> AsyncGenerator[Peer, None]:
    one = Peer(list(replies))
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    async with server:
        yield one
    await asyncio.gather(*one.serving, return_exceptions=True)


def head_of(kind: str, status: int = 200, more: str = "") -> bytes:
    return (
        f"HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\nconnection: close\r\n{more}\r\n".encode()
    )


def said(body: object, status: int = 200, more: str = "") -> bytes:
    return head_of("application/json", status, more) + json.dumps(body).encode()


def problem(code: str, status: int, wait: int = 0) -> bytes:
    return said(
        {"code": code, "detail": "no", "status": status}, status, f"retry-after: {wait}\r\n"
    )
