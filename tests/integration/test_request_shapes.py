"""Requests of shapes that two servers may read differently, byte by byte over a socket, through HAProxy and past it."""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest

from tests.integration.talk import MESSAGE
from tests.product import Product

WITHIN_S = 30.0
STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
BODY = json.dumps({"message": MESSAGE}).encode()


async def send(port: int, *parts: bytes) -> bytes:
    """Everything that comes back until the connection is closed, or is silent for a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    try:
        for part in parts:
            writer.write(part)
        await writer.drain()
        async with asyncio.timeout(WITHIN_S):
            while chunk := await reader.read(65_536):
                heard += chunk
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.close()
    return heard


def request(product: Product, line: str, *headers: str, body: bytes = b"") -> bytes:
    """One request with the administrator's key, after which the connection is to be closed."""
    known = [line, "Host: localhost", f"Authorization: Bearer {product.key}", "Connection: close"]
    return "\r\n".join([*known, *headers, "", ""]).encode() + body


def statuses(heard: bytes) -> Sequence[int]:
    return [int(status) for status in STATUS.findall(heard)]


def front(product: Product) -> int:
    return int(product.address.rpartition(":")[2])


SMUGGLED = b"GET /admin/keys HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (("Content-Length: 5", f"Content-Length: {len(BODY)}"), BODY),
        ((f"Content-Length: {len(BODY)}, 5",), BODY),
        ((f"Content-Length: +{len(BODY)}",), BODY),
        ((f"Content-Length: {len(BODY)}_0",), BODY),
        (("Content-Length: -1",), BODY),
        (("Content-Length: 0x10",), BODY),
        (("Content-Length: 99999999999999999999",), BODY),
        (("Transfer-Encoding: chunked, identity",), CHUNKED),
        (("Transfer-Encoding: xchunked",), CHUNKED),
        (("Transfer-Encoding : chunked",), CHUNKED),
        (("Transfer-Encoding: chunked",), b"zz\r\n" + BODY),
        (("Transfer-Encoding: chunked",), b"-5\r\n" + BODY),
        (("Transfer-Encoding: chunked",), b"fffffffffffffffff\r\n" + BODY),
        (("X-One: a\rb", f"Content-Length: {len(BODY)}"), BODY),
        (("X-One: a\x00b", f"Content-Length: {len(BODY)}"), BODY),
        ((" folded: yes", f"Content-Length: {len(BODY)}"), BODY),
        (("no colon", f"Content-Length: {len(BODY)}"), BODY),
        (("Bad Name: x", f"Content-Length: {len(BODY)}"), BODY),
    ],
)
async def test_a_request_that_can_be_read_in_two_ways_is_refused_once(
    product: Product, headers: tuple[str, ...], body: bytes
) -> None:
    """With one answer and a closed connection, so that what follows is nobody's request."""
    line = "POST /v3/chat HTTP/1.1"
    sent = request(product, line, "Content-Type: application/json", *headers, body=body)
    heard = await send(front(product), sent, SMUGGLED)
    assert len(statuses(heard)) <= 1, heard
    assert all(400 <= status < 500 for status in statuses(heard)), heard


async def test_a_length_beside_chunks_does_not_count_and_hides_no_request(product: Product) -> None:
    """RFC 9112, 6.3: the chunks say where the body ends; what follows is a request without a key."""
    head = request(
        product, "POST /v3/chat HTTP/1.1", "Content-Type: application/json",
        "Content-Length: 4", "Transfer-Encoding: chunked",
    )  # fmt: skip
    heard = await send(front(product), head, CHUNKED, SMUGGLED)
    assert list(statuses(heard)) in ([200], [400]), heard
    assert b'"keys"' not in heard


@pytest.mark.parametrize("port", ["front", "behind"])
async def test_what_is_too_long_is_refused_and_the_next_caller_is_served(
    product: Product, port: str
) -> None:
    """A path, a query, one header, and a thousand of them.

    At a replica's own port they are read, since uvicorn has no bound of its own, and break nothing.
    """
    at = front(product) if port == "front" else await behind(product)
    long = "a" * 200_000
    for line, headers in (
        (f"GET /v3/decisions/{long} HTTP/1.1", []),
        (f"GET /v3/audit?object={long} HTTP/1.1", []),
        ("GET /v3/budgets HTTP/1.1", [f"X-Long: {long}"]),
        ("GET /v3/budgets HTTP/1.1", [f"X-{number}: {'b' * 300}" for number in range(1_000)]),
    ):
        heard = await send(at, request(product, line, *headers))
        least = 400 if port == "front" else 200
        assert all(least <= status < 500 for status in statuses(heard)), heard[:200]
    served = await send(at, request(product, "GET /v3/budgets HTTP/1.1"))
    assert list(statuses(served)) == [200]


async def behind(product: Product) -> int:
    """The port of an ingress replica, past HAProxy: one of those that Serve was given."""
    first = int(product.environment.get("RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT", "30000"))
    for process in product.replicas("ingress"):
        for port in listening(process.pid):
            if first <= port < 40_000:
                return port
    raise AssertionError("no replica listens")


def listening(pid: int) -> list[int]:
    """The TCP ports a process listens on."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes |= set(re.findall(r"socket:\[(\d+)\]", str(link.readlink())))
        except OSError:
            continue
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    return [
        int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and row[9] in inodes
    ]


async def test_no_word_of_a_caller_becomes_a_header_of_an_answer(product: Product) -> None:
    """Whatever is written into a name, a key or a header of ours."""
    inject = "x%0d%0aX-Injected:%20yes%0d%0a"
    for line, headers, body in (
        (f"GET /v3/decisions/{inject} HTTP/1.1", [], b""),
        (f"GET /v3/audit?cursor={inject} HTTP/1.1", [], b""),
        (f"GET /auth/sso/login?next={inject}&provider={inject} HTTP/1.1", [], b""),
        (f"GET /{inject} HTTP/1.1", [], b""),
        ("POST /v1/chat/completions HTTP/1.1",
         ["Content-Type: application/json", "Content-Length: 88", "x-supportmax-fallback: a\\r\\nX-Injected: yes"],
         b'{"model": "auto\\r\\nX-Injected: yes", "messages": [{"role": "user", "content": "hello"}]}'),
    ):  # fmt: skip
        heard = await send(front(product), request(product, line, *headers, body=body))
        head = heard.partition(b"\r\n\r\n")[0].lower()
        assert b"\nx-injected" not in head, heard
        assert statuses(heard), heard


@pytest.mark.parametrize(
    "override", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"]
)
async def test_no_header_or_parameter_makes_another_method_of_a_request(
    product: Product, override: str
) -> None:
    """A GET stays one."""
    line = f"GET /v3/budgets?{override}=DELETE HTTP/1.1"
    heard = await send(front(product), request(product, line, f"{override}: DELETE"))
    assert list(statuses(heard)) == [200]
    chat = f"GET /v3/chat?{override}=POST HTTP/1.1"
    heard = await send(front(product), request(product, chat, f"{override}: POST"))
    assert list(statuses(heard)) == [405]


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "PATCH", "CONNECT", "PROPFIND", "BREW"])
async def test_a_method_nobody_takes_is_refused_without_an_echo(
    product: Product, method: str
) -> None:
    """TRACE would repeat a key to whoever asks a browser for it."""
    heard = await send(front(product), request(product, f"{method} /v3/budgets HTTP/1.1"))
    assert all(400 <= status < 502 for status in statuses(heard)), heard
    assert product.key.encode() not in heard


async def test_head_is_answered_like_get_and_without_a_body(product: Product) -> None:
    async with product.http() as http:
        got, head = await http.get("/v3/budgets"), await http.head("/v3/budgets")
        assert (head.status_code, head.content) == (got.status_code, b"")
        assert head.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"message": ' * 50_000,
        '{"message": "hi", "requirements": {"max_cost": ' + "9" * 100_000 + "}}",
        '{"message": "hi", "max_tokens": 1e400}',
        '{"message": "hi", "metadata": {' + ",".join(f'"k{n}": "v"' for n in range(40_000)) + "}}",
        '{"message": "\\ud800"}',
        '{"message": "a\\u0000b"}',
        '{"message": "hi", "user_id": "ann\\u200b"}',
        '{"message": "hi", "conversation_id": "conv_\\u0430\\u0430\\u0430\\u0430\\u0430\\u0430\\u0430\\u0430"}',
        '{"message": "hi"} {"message": "and again"}',
        '{"message": "hi", "message"',
    ],
    ids=range(11),
)
async def test_a_body_made_to_be_costly_or_strange_is_refused_at_once(
    product: Product, body: str
) -> None:
    """Depth, length, numbers, half a character, and letters that only look like ours."""
    async with product.http() as http:
        headers = {"content-type": "application/json"}
        answer = await http.post("/v3/chat", content=body.encode(), headers=headers)
    assert answer.status_code in {400, 422}, answer.text[:300]
    assert answer.elapsed.total_seconds() < WITHIN_S


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v3/chat", '{"message": "", "stream": true, "message": "hello"}'),
        ("POST", "/admin/keys", '{"name": "x", "roles": ["agent"], "roles": ["admin"]}'),
        ("PUT", "/admin/budgets/twice", '{"scope": "tenant", "usd_per_day": 1, "usd_per_day": 9}'),
        ("POST", "/auth/sso/login", '{"provider": "a", "provider": "b"}'),
    ],
)
async def test_a_body_in_which_a_name_stands_twice_is_refused_and_nothing_of_it_done(
    product: Product, method: str, path: str, body: str
) -> None:
    """Whoever looked at it before us may have read the other one."""
    async with product.http() as http:
        headers = {"content-type": "application/json"}
        answer = await http.request(method, path, content=body.encode(), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")
        assert (await http.get("/v3/budgets/twice")).status_code == 404


async def test_half_a_request_is_answered_in_time_and_the_line_is_closed(product: Product) -> None:
    """By the proxy that stands in front, before any replica hears of it."""
    heard = await send(front(product), b"POST /v3/chat HTTP/1.1\r\nHost: localhost\r\nX-Half:")
    assert list(statuses(heard)) == [408]


async def test_a_key_bound_to_a_network_opens_from_there_whatever_a_header_claims(
    product: Product,
) -> None:
    """Callers are at 127.0.0.1 here, and HAProxy says so; past it the connection itself does."""
    elsewhere = "10.1.2.3"
    forged: list[dict[str, str]] = [
        {},
        {"x-forwarded-for": elsewhere},
        {"supportmax-peer": f"{'0' * 64} {elsewhere}"},
        {"supportmax-peer": elsewhere, "forwarded": f"for={elsewhere}", "x-real-ip": elsewhere},
    ]

    async def bound_to(network: str) -> str:
        body = {"name": network, "roles": ["admin"], "networks": [network]}
        async with product.http() as http:
            made = await http.post("/admin/keys", json=body)
        assert made.status_code == 200, made.text
        return str(made.json()["secret"])

    here, there = await bound_to("127.0.0.1/32"), await bound_to("10.0.0.0/8")
    past = f"http://127.0.0.1:{await behind(product)}"
    async with httpx2.AsyncClient(verify=False, trust_env=False) as http:
        for base in (product.address, past):
            for headers in forged:
                answers = [
                    (await http.get(f"{base}/v3/budgets", headers={**headers, "x-api-key": key}))
                    for key in (here, there)
                ]
                assert [answer.status_code for answer in answers] == [200, 401], (base, headers)
