"""What our script adds to Serve's HAProxy: the address of whoever calls, in a line nobody can write."""

import asyncio
import contextlib
import os
import socket
import stat
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlencode

import anyio
import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from deployments import haproxy
from deployments.security.client_address import client_address
from deployments.security.peer import HEADER, Peer
from deployments.security.request_ids import REQUEST_ID, USUAL
from tests.ports import free_port

START_S = 20.0
CONFIGURATION = """\
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend http_frontend
    bind 127.0.0.1:{port}
    default_backend behind
frontend other_frontend
    bind 127.0.0.1:{other}
    default_backend behind
backend behind
    server one 127.0.0.1:{behind}
"""


@dataclass(frozen=True)
class World:
    """HAProxy as Serve starts it, and a replica that tells what it believes."""

    home: Path
    http: httpx2.AsyncClient
    front: str
    other: str
    behind: str

    async def believed(self, base: str, headers: dict[str, str] | None = None) -> str:
        told: str = (await self.http.get(base, headers=headers)).json()
        return told


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    start = haproxy.script(tmp_path)
    assert start is not None
    peer = Peer(haproxy.secret_of(tmp_path))

    async def named(request: Request) -> Response:
        answer = Response()
        answer.raw_headers.extend(
            (name.encode(), value.encode()) for name, value in request.query_params.multi_items()
        )
        return answer

    async def believed(request: Request) -> JSONResponse:
        found = peer.of(request)
        lines = request.headers.getlist("x-forwarded-for")
        return JSONResponse(str(client_address(found or "", lines, ())))

    server = uvicorn.Server(
        uvicorn.Config(
            Starlette(routes=[Route("/", believed), Route("/named", named)]),
            lifespan="off",
            log_config=None,
        )
    )
    front, other = free_port(), free_port()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        behind = int(listening.getsockname()[1])
        served = asyncio.create_task(server.serve(sockets=[listening]))
        file = tmp_path / "haproxy.cfg"
        file.write_text(CONFIGURATION.format(port=front, other=other, behind=behind))
        process = await asyncio.create_subprocess_exec(str(start), "-db", "-f", str(file))
        try:
            async with httpx2.AsyncClient(trust_env=False, verify=False) as http:
                bases = (f"http://127.0.0.1:{each}/" for each in (front, other, behind))
                world = World(tmp_path, http, *bases)
                with anyio.fail_after(START_S):
                    await _until_up(world)
                yield world
        finally:
            process.terminate()
            await process.wait()
            server.should_exit = True
            await served


async def _until_up(world: World) -> None:
    while True:
        with contextlib.suppress(httpx2.TransportError):
            await world.believed(world.front)
            return
        await anyio.sleep(0.02)


async def test_a_replica_learns_who_holds_the_connection_to_haproxy(world: World) -> None:
    """Whatever the caller writes into this header or any other."""
    secret = haproxy.secret_of(world.home)
    assert await world.believed(world.front) == "127.0.0.1"
    for forged in (
        {"x-forwarded-for": "10.1.2.3"},
        {HEADER: "10.1.2.3"},
        {HEADER: f"{'0' * 64} 10.1.2.3"},
        {HEADER: f"{secret} 10.1.2.3"},
        {"SupportMax-Peer": f"{secret} 10.1.2.3", "X-Real-IP": "10.1.2.3"},
    ):
        assert await world.believed(world.front, forged) == "127.0.0.1"


async def test_past_haproxy_nobody_is_believed_without_its_secret(world: World) -> None:
    """A replica's own port, and a way in that the script does not know."""
    for base in (world.behind, world.other):
        for forged in ("10.1.2.3", f"{'0' * 64} 10.1.2.3", ""):
            assert await world.believed(base, {HEADER: forged}) == "127.0.0.1"
    # Who has the secret is HAProxy; so it is its owner's alone.
    shown = {HEADER: f"{haproxy.secret_of(world.home)} 10.1.2.3"}
    assert await world.believed(world.behind, shown) == "10.1.2.3"
    for name in (haproxy.SECRET, "haproxy.cfg.peer"):
        assert stat.S_IMODE((world.home / name).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ([(REQUEST_ID, "req_1"), (USUAL, "req_1"), (USUAL, "of-serve")], ["req_1"]),
        ([(USUAL, "ans_1"), (REQUEST_ID, "req_1"), (USUAL, "of-the-caller")], ["ans_1"]),
        ([(USUAL, "of-serve")], ["of-serve"]),
        ([], []),
    ],
)
async def test_of_two_ids_of_a_request_the_caller_reads_ours(
    world: World, said: list[tuple[str, str]], told: list[str]
) -> None:
    """Serve adds one behind it, which is on no record; what did not come from us is left as it is."""
    answer = await world.http.get(f"{world.front}named?{urlencode(said)}")
    assert answer.headers.get_list(USUAL) == told


def test_serves_own_configuration_has_the_place_we_write_to() -> None:
    """Two lines one after the other; in a Serve that writes others, no replica believes anybody."""
    ray = find_spec("ray")
    assert ray is not None
    assert ray.origin is not None
    templates = Path(ray.origin).parent / "serve/_private/haproxy_templates.py"
    lines = templates.read_text().splitlines()
    place = lines.index("frontend http_frontend")
    assert lines[place + 1].strip().startswith("bind ")
    assert lines.count("frontend http_frontend") == 1


def test_a_configuration_we_do_not_know_is_used_as_it_is(tmp_path: Path) -> None:
    """HAProxy starts all the same."""
    start = haproxy.script(tmp_path)
    assert start is not None
    strange = tmp_path / "haproxy.cfg"
    strange.write_text("defaults\n    mode http\n    timeout client 1s\nfrontend f\n    bind :1\n")
    said = subprocess.run([start, "-c", "-f", strange], capture_output=True, text=True, check=False)
    assert "error" not in said.stderr.lower()
    assert HEADER not in (tmp_path / "haproxy.cfg.peer").read_text()
    missing = subprocess.run(
        [start, "-c", "-f", tmp_path / "gone"], capture_output=True, text=True, check=False
    )
    assert missing.returncode != 0


def test_the_secret_stays_the_same_and_the_script_is_whole_at_a_second_start(
    tmp_path: Path,
) -> None:
    """Replicas that run already know it."""
    haproxy.script(tmp_path)
    secret = haproxy.secret_of(tmp_path)
    haproxy.script(tmp_path)
    assert haproxy.secret_of(tmp_path) == secret
    assert len(secret or "") == 64
    assert haproxy.secret_of(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("who", ["the owner", "haproxy"])
async def test_haproxy_does_not_outlive_its_owner_nor_its_watch_haproxy(
    tmp_path: Path, who: str
) -> None:
    """However the owner ended: nobody is left to hold the port, and nobody to look after nobody."""
    start = haproxy.script(tmp_path)
    assert start is not None
    front = free_port()
    file = tmp_path / "haproxy.cfg"
    file.write_text(CONFIGURATION.format(port=front, other=free_port(), behind=free_port()))
    owner = await asyncio.create_subprocess_exec("sleep", "600")
    process = await asyncio.create_subprocess_exec(
        str(start), "-db", "-f", str(file),
        env={**os.environ, haproxy.OWNER: str(owner.pid)}, start_new_session=True,
    )  # fmt: skip
    with anyio.fail_after(START_S):
        await _until_taken(front)
        (owner if who == "the owner" else process).kill()
        await process.wait()
        while True:
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                break
            await anyio.sleep(0.02)
    if owner.returncode is None:
        owner.kill()
    await owner.wait()


async def _until_taken(number: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", number)
            writer.close()
            return
        await anyio.sleep(0.02)
