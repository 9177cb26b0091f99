"""Who holds a connection and sends nothing, or half a request: HAProxy with the lines we add to Serve's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from deployments import flags, haproxy
from tests.ports import free_port

START_S = 20.0
# Of the lines as they are, in haste: a test does not wait for ten seconds.
HASTE_S = 0.4
CONNECTIONS = 8
CONFIGURATION = """\
global
    maxconn {connections}
defaults
    mode http
    timeout connect 5s
    timeout client {haste}ms
    timeout server 20s
frontend http_frontend
    bind 127.0.0.1:{port}
    default_backend behind
backend behind
    server one 127.0.0.1:{behind}
"""
GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
STREAM = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
SAID = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass(frozen=True)
class World:
    """HAProxy as Serve starts it; `heard` has the requests that came through."""

    port: int
    heard: asyncio.Queue[bytes]
    go_on: asyncio.Event

    async def call(self, sent: bytes, source: str = "127.0.0.1") -> bytes:
        """All that comes back until the other side closes."""
        async with self.line(source) as (reader, writer):
            writer.write(sent)
            return await reader.read()

    @asynccontextmanager
    async def line(
        self, source: str = "127.0.0.1"
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(source, 0)
        )
        try:
            yield reader, writer
        finally:
            writer.close()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    start = haproxy.script(tmp_path, CONNECTIONS)
    assert start is not None
    hasten(tmp_path / haproxy.SECRET)
    world = World(free_port(), asyncio.Queue(), asyncio.Event())

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        world.heard.put_nowait(head)
        if head.startswith(b"GET /stream"):
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst ")
            await writer.drain()
            await world.go_on.wait()
            writer.write(b"last")
        else:
            writer.write(SAID)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    behind = int(server.sockets[0].getsockname()[1])
    file = tmp_path / "haproxy.cfg"
    file.write_text(
        CONFIGURATION.format(
            connections=CONNECTIONS, haste=int(HASTE_S * 1000), port=world.port, behind=behind
        )
    )
    process = await asyncio.create_subprocess_exec(str(start), "-db", "-f", str(file))
    try:
        await until_served(world)
        while not world.heard.empty():
            world.heard.get_nowait()
        yield world
    finally:
        process.terminate()
        await process.wait()
        server.close()
        await server.wait_closed()


def hasten(lines: Path) -> None:
    text = lines.read_text()
    mended = text.replace(
        f"timeout http-request {haproxy.HEAD_WITHIN_S}s",
        f"timeout http-request {int(HASTE_S * 1000)}ms",
    )
    assert mended != text
    lines.write_text(mended)


async def until_served(world: World) -> None:
    with anyio.fail_after(START_S):
        while True:
            if not await refused(world):
                return
            await anyio.sleep(0.02)  # no event crosses processes


async def refused(world: World, source: str = "127.0.0.1") -> bool:
    """Whether a request that is whole gets no answer."""
    try:
        return await world.call(GET, source) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("sent", [b"", b"G", b"POST /v3/chat HTTP/1.1\r\nHost: x\r\nContent-Le"])
async def test_a_request_that_does_not_come_whole_is_put_out_and_no_replica_hears_of_it(
    world: World, sent: bytes
) -> None:
    """Neither nothing, nor its first letter, nor half of its headers."""
    answer = await world.call(sent)
    assert answer.startswith(b"HTTP/1.1 408 ") or answer == b""
    assert world.heard.empty()


async def test_headers_one_letter_at_a_time_are_put_out_too(world: World) -> None:
    """A letter every now and then is no sign of life: the whole of the headers has its time."""
    async with world.line() as (reader, writer):
        answer = asyncio.ensure_future(reader.read())
        letters = 0
        while not answer.done():
            writer.write(b"X")
            letters += 1
            await asyncio.wait((answer,), timeout=HASTE_S / 10)
        assert answer.exception() is None or isinstance(answer.exception(), ConnectionError)
    assert letters < 40
    assert world.heard.empty()


async def test_one_address_holds_half_of_the_connections_and_another_is_served(
    world: World,
) -> None:
    """What it asks beyond is closed at once; and it is served again as soon as it lets some go."""
    async with contextlib.AsyncExitStack() as held:
        for _ in range(CONNECTIONS // 2):
            _, writer = await held.enter_async_context(world.line())
            writer.write(STREAM)
        for _ in range(CONNECTIONS // 2):
            await world.heard.get()
        assert await refused(world)
        assert not await refused(world, "127.0.0.2")
    world.go_on.set()
    await until_served(world)


async def test_a_stream_that_is_silent_for_longer_than_a_caller_may_be_goes_on(
    world: World,
) -> None:
    """It is the answer's turn, not the caller's; three times their time."""
    async with world.line() as (reader, writer):
        writer.write(STREAM)
        await reader.readuntil(b"first ")
        more = asyncio.ensure_future(reader.read())
        await asyncio.wait((more,), timeout=3 * HASTE_S)
        assert not more.done()
        world.go_on.set()
        assert await more == b"last"


def test_a_start_renews_the_lines_of_an_older_version_and_keeps_the_secret(tmp_path: Path) -> None:
    """Replicas that run already know it."""
    secret = "0f" * 32
    old = f'    http-request set-header supportmax-peer "{secret} %[src]"\n'
    (tmp_path / haproxy.SECRET).write_text(old)
    haproxy.script(tmp_path)
    text = (tmp_path / haproxy.SECRET).read_text()
    assert haproxy.secret_of(tmp_path) == secret
    assert f"timeout http-request {haproxy.HEAD_WITHIN_S}s" in text
    assert text.count(secret) == 1


def test_an_address_has_half_of_what_the_operator_says_there_is(tmp_path: Path) -> None:
    """The switch is Ray's own."""
    flags.apply(tmp_path, {"RAY_SERVE_HAPROXY_MAXCONN": "20000"})
    assert "sc0_conn_cur gt 10000 " in (tmp_path / haproxy.SECRET).read_text()
