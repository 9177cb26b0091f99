"""A Redis that does not answer is asked by one caller a second, and the others go on without it."""

import asyncio
import contextlib

from actors.redis_store import AWAY_S, RedisOptions, RedisWindows
from actors.window_store import Key, StoreUnavailable
from routing.clock import ManualClock


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def read(windows: RedisWindows) -> None:
    with contextlib.suppress(StoreUnavailable):
        await windows.read(Key("acme:ann", "conv_1"))


async def test_one_caller_finds_out_whether_it_is_back() -> None:
    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    port, clock = server.sockets[0].getsockname()[1], ManualClock()
    windows = RedisWindows(RedisOptions((f"redis://127.0.0.1:{port}",), False), clock, 0.1)
    try:
        await read(windows)
        for _ in range(2):
            clock.advance(AWAY_S)
            callers = [asyncio.create_task(read(windows)) for _ in range(20)]
            await asyncio.wait(callers, return_when=asyncio.FIRST_COMPLETED)
            assert sum(not caller.done() for caller in callers) == 1
            await asyncio.gather(*callers)
    finally:
        await windows.aclose()
        server.close()
