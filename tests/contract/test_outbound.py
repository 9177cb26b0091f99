"""Nobody's address leads us inside: not by its name, not by its redirects, not by what it answers."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from aiohttp import web
from typing_extensions import override

from deployments.security.addresses import Private
from deployments.security.outbound import (
    OutboundPolicy,
    OutboundRefused,
    check_url,
    outbound_client,
    outbound_transport,
)
from tests.tls import CERTIFICATE, certificate

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOOPBACK = Private((frozenset()), (ipaddress.ip_network("127.0.0.0/8"),))


@asynccontextmanager
async def site(
    handler: Handler, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[int, list[web.Request]]]:
    """A server on loopback, and what it was asked."""
    asked: list[web.Request] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield int(runner.addresses[0][1]), asked
    finally:
        await runner.cleanup()


async def hello(request: web.Request) -> web.StreamResponse:
    """Say what was asked for."""
    return web.Response(text=f"{request.host} {request.headers.get('Accept-Encoding')}")


class Names:
    """A resolver that answers what it is told, in turn, and keeps what it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def policy(port: int, *, private: Private = LOOPBACK, **bounds: float) -> OutboundPolicy:
    """Plain http to one port."""
    return OutboundPolicy(
        private,
        frozenset({port}),
        plain_http=True,
        answer_bytes=int(bounds.get("answer_bytes", 10_000)),
        answer_s=bounds.get("answer_s", 5.0),
    )


async def get(
    port: int, url: str, names: Names, given: OutboundPolicy, *, follow: bool = False
) -> httpx2.Response:
    """Ask once."""
    async with outbound_client(given, transport=outbound_transport(given, names)) as client:
        return await client.get(url.replace("PORT", str(port)), follow_redirects=follow)


async def test_a_name_is_asked_under_its_own_host_and_uncompressed() -> None:
    async with site(hello) as (port, _):
        answer = await get(port, "http://shop.example:PORT/", Names(["127.0.0.1"]), policy(port))
    assert answer.text == f"shop.example:{port} identity"


async def test_a_name_that_turns_inward_between_check_and_use_gains_nothing() -> None:
    """It is resolved once; the answer that was checked is the one that is connected to."""
    async with site(hello) as (port, asked):
        given = policy(port, private=Private())
        names = Names(["127.0.0.1"], ["93.184.215.14"])
        with pytest.raises(OutboundRefused, match="not on the public internet"):
            await get(port, "http://rebind.example:PORT/", names, given)
        assert names.asked == ["rebind.example"]
        turning = Names(["127.0.0.1"], ["10.0.0.1"])
        only_loopback = policy(port)
        first = await get(port, "http://rebind.example:PORT/", turning, only_loopback)
        assert first.status_code == 200
        assert turning.asked == ["rebind.example"]
        with pytest.raises(OutboundRefused):
            await get(port, "http://rebind.example:PORT/", turning, only_loopback)
        assert len(asked) == 1


@pytest.mark.parametrize(
    "found",
    [
        ["93.184.215.14", "127.0.0.1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"], ["fe80::1%eth0"],
        ["2002:7f00:1::"], ["169.254.169.254"], ["no address"], ["fd00:ec2::254"],
    ],
)  # fmt: skip
async def test_one_address_inside_refuses_the_name_as_a_whole(found: list[str]) -> None:
    async with site(hello) as (port, asked):
        given = policy(port, private=Private())
        with pytest.raises(OutboundRefused, match=r"two\.example is not on the public internet"):
            await get(port, "http://two.example:PORT/", Names(found), given)
        assert asked == []


@pytest.mark.parametrize(
    "url",
    [
        "http://2130706433:PORT/", "http://0x7f.1:PORT/", "http://0177.0.0.1:PORT/",
        "http://127.1:PORT/", "http://localhost.:PORT/", "http://[::1]:PORT/", "http://127.0.0.1:PORT/",
        "http://[::ffff:127.0.0.1]:PORT/", "http://127。0。0。1:PORT/", "http://[fe80::1%25lo]:PORT/",
        "http://public.example@127.0.0.1:PORT/", "http://127.0.0.1:PORT@public.example/",
        "http://user:secret@public.example:PORT/", "http://public.example:22/",
        "ftp://public.example:PORT/", "http://0.0.0.0:PORT/",
    ],
)  # fmt: skip
async def test_a_trick_of_spelling_reaches_nobody(url: str) -> None:
    async with site(hello) as (port, asked):
        given = policy(port, private=Private())
        with pytest.raises(
            (OutboundRefused, httpx2.UnsupportedProtocol, httpx2.InvalidURL)
        ) as refused:
            await get(port, url, Names(["127.0.0.1"]), given)
        assert asked == []
    assert "secret" not in str(refused.value)


def test_plain_http_is_for_hosts_the_operator_named() -> None:
    private = Private.of(("crm.internal", "10.0.0.0/8"))
    given = OutboundPolicy(private, frozenset({8080}))
    check_url(given, httpx2.URL("http://crm.internal:8080/mcp"))
    check_url(given, httpx2.URL("http://10.1.1.1:8080/mcp"))
    check_url(given, httpx2.URL("https://public.example/mcp"))
    for refused in (
        "http://public.example:8080/mcp",
        "https://crm.internal:9000/",
        "http://10.1.1.1/",
    ):
        with pytest.raises(OutboundRefused):
            check_url(given, httpx2.URL(refused))


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data", "http://inside.example:{port}/", "http://[::1]/",
        "https://user:word@shop.example/", "file:///etc/passwd", "http://shop.example:22/",
    ],
)  # fmt: skip
async def test_a_redirect_is_checked_like_an_address(target: str) -> None:
    async def away(request: web.Request) -> web.StreamResponse:
        port = request.url.port
        return web.Response(status=302, headers={"Location": target.format(port=port)})

    class ByName(Names):
        @override
        async def __call__(self, host: str, port: int) -> Sequence[str]:
            return ["127.0.0.1"] if host == "shop.example" else ["10.0.0.1"]

    async with site(away) as (port, asked):
        with pytest.raises((OutboundRefused, httpx2.UnsupportedProtocol)):
            await get(port, "http://shop.example:PORT/", ByName([]), policy(port), follow=True)
        assert len(asked) == 1


async def test_redirects_come_to_an_end() -> None:
    async def round_again(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/again"})

    async with site(round_again) as (port, asked):
        with pytest.raises(httpx2.TooManyRedirects):
            await get(
                port, "http://a.example:PORT/", Names(["127.0.0.1"]), policy(port), follow=True
            )
        assert len(asked) == 6


async def test_an_answer_is_bounded_in_size_time_and_form() -> None:
    async def large(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        for _ in range(20):
            await stream.write(b"x" * 1000)
        return stream

    async def drip(request: web.Request) -> web.StreamResponse:
        stream = web.StreamResponse()
        await stream.prepare(request)
        while True:
            await stream.write(b"x")
            await asyncio.sleep(0.05)

    async def silent(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async def bomb(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})

    for handler, said in (
        (large, "larger"),
        (drip, "longer"),
        (silent, "longer"),
        (bomb, "compress"),
    ):
        async with site(handler) as (port, _):
            names, given = Names(["127.0.0.1"]), policy(port, answer_s=0.5)
            with pytest.raises(OutboundRefused, match=said):
                await get(port, "http://a.example:PORT/", names, given)


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with site(hello) as (port, _):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        answer = await get(port, "http://a.example:PORT/", Names(["127.0.0.1"]), policy(port))
    assert answer.status_code == 200


async def test_the_checked_address_is_asked_under_the_names_certificate(tmp_path: Path) -> None:
    """TLS proves the name and not the address; a certificate of another name is refused."""
    theirs = certificate(tmp_path, "shop.example")
    ours = ssl.create_default_context(cafile=tmp_path / CERTIFICATE)
    async with site(hello, theirs) as (port, _):
        given = OutboundPolicy(LOOPBACK, frozenset({port}))
        transport = outbound_transport(given, Names(["127.0.0.1"]), ours)
        async with outbound_client(given, transport=transport) as client:
            answer = await client.get(f"https://shop.example:{port}/")
            assert answer.text.startswith(f"shop.example:{port}")
            with pytest.raises(httpx2.ConnectError, match=r"(?i)certificate"):
                await client.get(f"https://other.example:{port}/")


async def test_a_name_without_address_is_an_error_of_the_connection() -> None:
    async def nobody(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    given = policy(80)
    async with outbound_client(given, transport=outbound_transport(given, nobody)) as client:
        with pytest.raises(httpx2.ConnectError, match="could not be resolved"):
            await client.get("http://nobody.example/")
