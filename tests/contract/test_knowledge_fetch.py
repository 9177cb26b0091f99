"""A page is fetched from where it was said to be, whole, and never from inside our own network."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from rich.console import Console

from deployments.boot import Boot
from deployments.knowledge import fetch as fetching
from deployments.knowledge.command import Order, run
from deployments.knowledge.fetch import fetch
from routing.clock import ManualClock
from routing.errors import ConfigError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _page(request: web.Request) -> web.Response:
    assert request.headers["Accept-Encoding"] == "identity"
    return web.Response(text="<h1>Ünï</h1>", content_type="text/html", charset="latin-1")


async def _large(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse()
    stream.content_type = "text/html"
    await stream.prepare(request)
    for _ in range(10):
        await stream.write(b"x" * 1000)
    return stream


async def _slow(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError


def _fixed(status: int = 200, body: bytes = b"", **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, body=body, headers=named)

    return answer


PAGES: dict[str, Handler] = {
    "/page": _page,
    "/large": _large,
    "/slow": _slow,
    "/raw/a.md": _fixed(body=b"# A\n\ntext", Content_Type="text/plain"),
    "/moved": _fixed(302, Location="/page"),
    "/away": _fixed(302, Location="http://169.254.169.254/latest/meta-data"),
    "/loop": _fixed(302, Location="/loop"),
    "/gone": _fixed(410),
    "/broken": _fixed(500),
    "/bomb": _fixed(body=b"\x1f\x8b", Content_Encoding="gzip", Content_Type="text/html"),
    "/picture": _fixed(body=b"x", Content_Type="image/png"),
}


@asynccontextmanager
async def site() -> AsyncIterator[tuple[str, list[str]]]:
    """A small site on loopback, and the paths that were asked for."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return await PAGES[request.path](request)

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    tcp = web.TCPSite(runner, "127.0.0.1", 0)
    await tcp.start()
    try:
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}", asked
    finally:
        await runner.cleanup()


async def test_a_page_comes_with_its_charset_and_its_kind() -> None:
    async with site() as (address, _):
        page = await fetch(f"{address}/moved?x=1", allow_private=True)
        assert page is not None
        assert (page.suffix, page.charset, page.path) == (".html", "latin-1", "moved?x=1")
        assert page.open().read() == "<h1>Ünï</h1>".encode("latin-1")
        raw = await fetch(f"{address}/raw/a.md", allow_private=True)
        assert raw is not None
        assert raw.suffix == ".md"
        assert await fetch(f"{address}/gone", allow_private=True) is None


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/away", "leads to http://169.254.169.254"),
        ("/loop", "redirected more than 5 times"),
        ("/large", "is larger than 5000 bytes"),
        ("/bomb", "is compressed"),
        ("/slow", "took longer than"),
        ("/picture", "is image/png, which cannot be read"),
        ("/broken", "was answered with status 500"),
    ],
)
async def test_what_cannot_be_a_page_is_refused(
    path: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "BYTES_MAX", 5_000)
    monkeypatch.setattr(fetching, "TIMEOUT_S", 1.0)
    async with site() as (address, _):
        with pytest.raises(ConfigError, match=said):
            await fetch(f"{address}{path}", allow_private=True)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",  # noqa: S104  nothing is bound to it
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "10.1.2.3",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "[fd00::1]",
        "[fe80::1]",
    ],
)
async def test_an_address_that_is_not_public_is_refused_before_anything_is_sent(host: str) -> None:
    async with site() as (address, asked):
        port = address.rpartition(":")[2]
        with pytest.raises(
            ConfigError, match=r"not on the public internet|not a canonical|four decimal numbers"
        ):
            await fetch(f"http://{host}:{port}/page")
        assert asked == []


@pytest.mark.parametrize(
    "address",
    ["file:///etc/passwd", "ftp://example.com/x", "http://", "http://user:secret@example.com/"],
)
async def test_what_is_no_plain_address_is_refused_without_its_password(address: str) -> None:
    with pytest.raises(ConfigError) as refused:
        await fetch(address)
    assert "secret" not in str(refused.value)


async def test_a_page_is_ingested_and_removed_when_its_server_says_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    boot, console, clock = Boot(tmp_path, "development"), Console(quiet=True), ManualClock()
    async with site() as (address, _):
        order = Order(f"{address}/raw/a.md", "acme", "public", allow_private=True)
        assert await run(boot, order, console, clock)
        host = address.removeprefix("http://")
        assert capsys.readouterr().out.splitlines()[0] == f"added    {host}/raw/a.md"
        assert await run(boot, order, console, clock)
        assert "1 unchanged" in capsys.readouterr().out
        monkeypatch.setitem(PAGES, "/raw/a.md", PAGES["/gone"])
        assert await run(boot, order, console, clock)
        assert "1 removed" in capsys.readouterr().out
        with pytest.raises(ConfigError, match="is not there"):
            await run(boot, order, console, clock)
