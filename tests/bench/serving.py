"""A server that a bench starts: it says its port on standard output and serves until standard input ends."""

import asyncio
import contextlib
import sys

import uvicorn


async def serve_until_told(config: uvicorn.Config) -> None:
    """Serve on a port of our own; whoever started this process ends it by closing its standard input."""
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve())
    while not server.started:
        if serving.done():
            await serving
        await asyncio.sleep(0.01)  # uvicorn has a flag and no event
    sys.stdout.write(f"{server.servers[0].sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    with contextlib.suppress(asyncio.CancelledError):
        await serving
