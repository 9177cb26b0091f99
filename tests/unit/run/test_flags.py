"""Ray's switches and secrets, before Ray: who wins, and who may read."""

import asyncio
import os
import socket
import stat
import subprocess
from pathlib import Path

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from deployments import flags


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_the_operator_set_wins(tmp_path: Path) -> None:
    """Every switch but the forced one is a default; the environment has the last word."""
    env = {"RAY_SERVE_ENABLE_HA_PROXY": "0", "RAY_AUTH_TOKEN_PATH": "/run/secrets/token"}
    flags.apply(tmp_path, env)
    assert env["RAY_SERVE_ENABLE_HA_PROXY"] == "0"
    assert env["RAY_AUTH_TOKEN_PATH"] == "/run/secrets/token"  # noqa: S105  a path
    assert env["RAY_AUTH_MODE"] == "token"


async def test_serves_web_server_takes_a_callers_word_for_no_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HAProxy is at 127.0.0.1, and passes on whatever X-Forwarded-For it was sent."""
    env = {"FORWARDED_ALLOW_IPS": "*"}
    flags.apply(tmp_path, env)
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", env["FORWARDED_ALLOW_IPS"])

    async def peer(request: Request) -> PlainTextResponse:
        assert request.client is not None
        return PlainTextResponse(request.client.host)

    app = Starlette(routes=[Route("/", peer)])
    # As Serve configures it: whom to believe is left to the environment.
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.create_task(server.serve(sockets=[listening]))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        async with httpx2.AsyncClient(trust_env=False) as http:
            answer = await http.get(address, headers={"x-forwarded-for": "10.1.2.3"})
        server.should_exit = True
        await task
    assert answer.text == "127.0.0.1"


def test_every_switch_is_set_where_the_operator_said_nothing(tmp_path: Path) -> None:
    """Workers inherit them, so one that is missing is missing everywhere."""
    env: dict[str, str] = {}
    flags.apply(tmp_path, env)
    assert flags.SERVING.items() | flags.FORCED.items() <= env.items()
    assert env["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "ray.token")


def test_rays_token_is_its_owners_alone_and_stays_the_same(tmp_path: Path) -> None:
    """A second start joins what the first protected."""
    flags.apply(tmp_path, {})
    token = tmp_path / "ray.token"
    first = token.read_text()
    assert mode(token) == 0o600
    assert len(first.strip()) == 64
    flags.apply(tmp_path, {})
    assert token.read_text() == first


def test_haproxys_files_are_its_owners_alone(tmp_path: Path) -> None:
    """Its socket takes commands."""
    env: dict[str, str] = {}
    flags.apply(tmp_path, env)
    assert mode(Path(env["RAY_SERVE_HAPROXY_SOCKET_PATH"]).parent) == 0o700


def test_haproxys_socket_is_short_however_deep_the_data_directory_lies(tmp_path: Path) -> None:
    """A Unix socket's path may have 107 characters, and Ray adds 67 of its own."""
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    deep.mkdir(parents=True)
    env: dict[str, str] = {}
    flags.apply(deep, env)
    assert len(env["RAY_SERVE_HAPROXY_SOCKET_PATH"]) < 40


def test_a_folder_for_haproxy_that_somebody_else_laid_is_refused(tmp_path: Path) -> None:
    """Its name can be guessed, so what lies there is looked at first."""
    env: dict[str, str] = {}
    flags.apply(tmp_path, env)
    folder = Path(env["RAY_SERVE_HAPROXY_SOCKET_PATH"]).parent
    folder.chmod(0o777)
    try:
        with pytest.raises(PermissionError, match="not ours alone"):
            flags.apply(tmp_path, {})
    finally:
        folder.chmod(0o700)


def test_haproxy_is_started_without_splicing(tmp_path: Path) -> None:
    """With it, a caller who hangs up is overlooked; an operator's own HAProxy is left alone."""
    env: dict[str, str] = {}
    flags.apply(tmp_path, env)
    start = Path(env["RAY_SERVE_HAPROXY_BINARY_PATH"])
    assert mode(start) == 0o700
    version = subprocess.run([start, "-v"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("HAProxy version")
    assert " -dS " in start.read_text()
    env = {"RAY_SERVE_HAPROXY_BINARY_PATH": "/usr/sbin/haproxy"}
    flags.apply(tmp_path, env)
    assert env["RAY_SERVE_HAPROXY_BINARY_PATH"] == "/usr/sbin/haproxy"


def test_two_starts_ask_for_different_ports(tmp_path: Path) -> None:
    """Two of us share a machine: what nobody outside needs to know is chosen afresh."""
    seen = []
    for _ in range(8):
        env: dict[str, str] = {}
        flags.apply(tmp_path, env)
        ports = {name: int(port) for name, port in env.items() if name.endswith("_PORT")}
        assert all(1024 < port < 65_536 for port in ports.values())
        assert len(set(ports.values())) == len(ports)
        seen.append(ports["RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT"])
    assert len(set(seen)) > 1


def test_a_secret_is_written_whole_for_its_owner_alone_and_leaves_no_scratch(
    tmp_path: Path,
) -> None:
    """Even over a file that everybody could read, and into a folder that was not there."""
    path = tmp_path / "deep" / "admin.key"
    flags.write_secret(path, "first")
    path.chmod(0o644)
    flags.write_secret(path, "second")
    assert path.read_text() == "second\n"
    assert mode(path) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["admin.key"]


def test_a_secret_is_never_written_through_a_link_somebody_laid(tmp_path: Path) -> None:
    """The scratch file must be ours from its first byte."""
    target = tmp_path / "target"
    (tmp_path / f"admin.{os.getpid()}").symlink_to(target)
    with pytest.raises(FileExistsError):
        flags.write_secret(tmp_path / "admin.key", "secret")
    assert not target.exists()
