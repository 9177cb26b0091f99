"""A body that trickles through HAProxy into a replica: refused at its time, and the line is closed."""

import asyncio
import contextlib
import socket
from pathlib import Path

import anyio
import pytest
import uvicorn
from starlette.responses import Response

from deployments import haproxy
from deployments.ingress import api, routes
from deployments.ingress.routes import Call, Operation
from deployments.ingress.schema import ChatBody, Health
from deployments.security import timely
from tests.ports import free_port
from tests.unit.ingress.test_routes import PERMISSIONS, authenticate
from tests.unit.run.test_held_lines import CONFIGURATION, START_S

WITHIN_S = 0.5
HEAD = (
    b"POST /v3/chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer all\r\n"
    b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
)


async def answer(call: Call) -> Response:
    return routes.reply({"status": "ok"})


async def trickled(at: int) -> bytes:
    """All that comes back while a letter is sent now and then; ConnectionError before it listens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", at)
    writer.write(HEAD)
    heard = asyncio.ensure_future(reader.read())
    try:
        while not heard.done():
            with contextlib.suppress(ConnectionError):
                writer.write(b" ")
            await asyncio.wait((heard,), timeout=WITHIN_S / 10)
        return await heard
    finally:
        writer.close()


async def test_a_body_that_trickles_in_is_refused_at_its_time_and_the_line_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However lively the line is."""
    monkeypatch.setattr(timely, "BODY_WITHIN_S", WITHIN_S)
    row = Operation(
        "POST", "/v3/chat", "Ask", "chat:create", "chat", "action", answer, Health, ChatBody
    )
    app = api.application([row], authenticate, PERMISSIONS, max_body_bytes=2_000)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
    start, front, file = haproxy.script(tmp_path), free_port(), tmp_path / "haproxy.cfg"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        behind = int(listening.getsockname()[1])
        served = asyncio.create_task(server.serve(sockets=[listening]))
        file.write_text(
            CONFIGURATION.format(connections=64, haste=20_000, port=front, behind=behind)
        )
        process = await asyncio.create_subprocess_exec(str(start), "-db", "-f", str(file))
        try:
            with anyio.fail_after(START_S):
                heard = await until_heard(front)
        finally:
            process.terminate()
            await process.wait()
            server.should_exit = True
            await served
    assert heard.startswith(b"HTTP/1.1 408 ")
    assert b"body_too_slow" in heard


async def until_heard(at: int) -> bytes:
    while True:
        with contextlib.suppress(ConnectionError):
            heard = await trickled(at)
            if not heard.startswith(b"HTTP/1.1 503 "):  # it listens before it knows its replica
                return heard
        await anyio.sleep(0.02)
