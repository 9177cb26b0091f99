"""The one HTTP client of a replica: a bounded pool of aiohttp connections that can be cut at once.

Why aiohttp and not the SDK's own client: docs/decisions/0003-sdk-on-the-hot-path.md.
Speaks HTTP and WebSocket and nothing else; vendors are known to the codecs.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from urllib.request import getproxies

import aiohttp
import httpx2
from yarl import URL

CONNECT_S = 2.0  # TCP and TLS: a vendor that needs longer is not there
POOL_S = 1.0  # waiting for a connection of our own pool: longer means we are full
# Silence: a reasoning model may think that long before its first byte. Deadlines are mostly shorter.
IDLE_S = 120.0
# Idle connections are kept below the 60 s after which common load balancers drop them silently.
KEEP_ALIVE_S = 50.0
# Written in one go, more than this would keep every other call of the loop waiting (aiohttp warns
# of it); a body with images goes out in pieces.
AT_ONCE = 1024 * 1024
MAX_ANSWER = 8 * 1024 * 1024  # bytes; the longest answers of 2026 (128k tokens) are below 1 MiB
# Of a WebSocket: a peer that is gone is found out within a minute, as load balancers do.
HEARTBEAT_S = 30.0
LINGER_S = 1.0  # a stream's end may trail its last event; waiting saves a new TLS handshake


class PoolFull(Exception):
    """Every connection of this replica is in use."""


class AnswerTooLarge(Exception):
    """The vendor sends more than `MAX_ANSWER`."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Where a request goes and the headers it carries: credentials included, so never printed."""

    url: URL
    headers: Mapping[str, str] = field(repr=False)


class Transport:
    """Sends requests over at most `max_connections` connections.

    Made without a loop, since a replica's constructor may have none; connects when first used.
    """

    def __init__(self, max_connections: int, idle_s: float = IDLE_S) -> None:
        # Our own semaphore, because aiohttp cannot tell a full pool from a slow handshake,
        # and the two have opposite meanings for the platform's health.
        self._slots = asyncio.Semaphore(max_connections)
        self._idle_s = idle_s
        self._session: aiohttp.ClientSession | None = None

    async def post(self, head: RequestHead, body: bytes) -> "Answer":
        """The answer's beginning; its caller must `close` it.

        Raises:
            PoolFull: No connection came free within a second.
            aiohttp.ClientError: The network failed.
        """
        return await self._send("POST", head, body if len(body) <= AT_ONCE else BytesIO(body))

    async def get(self, head: RequestHead) -> "Answer":
        """The same, for a request without a body."""
        return await self._send("GET", head, None)

    async def socket(self, url: URL) -> "Socket":
        """A WebSocket to an address that authorises itself; its caller must `close` it.

        Raises:
            PoolFull: No connection came free within a second.
            aiohttp.ClientError: The network failed, or the server wants no WebSocket.
        """
        await self._take_slot()
        try:
            socket = await self._open().ws_connect(
                url,
                timeout=aiohttp.ClientWSTimeout(ws_close=LINGER_S),
                heartbeat=HEARTBEAT_S,
                max_msg_size=MAX_ANSWER,
            )
        except BaseException:
            self._slots.release()
            raise
        return Socket(socket, self._slots)

    async def _send(self, method: str, head: RequestHead, body: bytes | BytesIO | None) -> "Answer":
        await self._take_slot()
        try:
            # Redirects are not followed: they would carry the credential elsewhere.
            response = await self._open().request(
                method, head.url, headers=head.headers, data=body, allow_redirects=False
            )
        except BaseException:
            self._slots.release()
            raise
        return Answer(response, self._slots)

    async def aclose(self) -> None:
        """Give the connections back; answers still open are cut."""
        if self._session is not None:
            await self._session.close()

    async def _take_slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(POOL_S):
                await self._slots.acquire()
        except TimeoutError:
            message = f"no connection came free within {POOL_S:g} s"
            raise PoolFull(message) from None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0,
                    keepalive_timeout=KEEP_ALIVE_S,
                    ssl=httpx2.create_ssl_context(),  # trust what the SDKs trust
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_S, sock_read=self._idle_s),
                # With it aiohttp looks for a proxy on every request, in two threads' time
                # (a third of a replica's CPU). `getproxies` takes every variable that ends
                # in _PROXY for one, so the names are what counts.
                trust_env=not {"http", "https", "all"}.isdisjoint(getproxies()),
            )
        return self._session


class Answer:
    """An answer on its way: status and headers are there, the body comes as it is read."""

    def __init__(self, response: aiohttp.ClientResponse, slots: asyncio.Semaphore) -> None:
        self._response = response
        self._slots = slots
        self._is_open = True
        self._size = 0
        self.status = response.status

    @property
    def headers(self) -> dict[str, str]:
        """The headers, their names in lower case."""
        return {name.lower(): value for name, value in self._response.headers.items()}

    def header(self, name: str) -> str | None:
        """One header."""
        return self._response.headers.get(name)

    async def read_some(self) -> bytes:
        """What has arrived, at least one byte; b"" is the end.

        Raises:
            AnswerTooLarge: The body has more than `MAX_ANSWER` bytes.
            aiohttp.ClientError: The connection broke, or was silent for too long.
        """
        data = await self._response.content.readany()
        self._size += len(data)
        if self._size > MAX_ANSWER:
            message = f"more than {MAX_ANSWER} bytes"
            raise AnswerTooLarge(message)
        return data

    async def read(self) -> bytes:
        """The whole body; see `read_some` for what it raises."""
        body = await self.read_some()
        while data := await self.read_some():
            body += data
        return body

    async def drain(self) -> None:
        """Read on to the end, briefly, so that the connection can be used again."""
        async with asyncio.timeout(LINGER_S):
            while await self.read_some():
                pass

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else cut it at once."""
        if self._is_open:
            self._is_open = False
            self._response.close()
            self._slots.release()


class Socket:
    """An open WebSocket, read only."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, slots: asyncio.Semaphore) -> None:
        self._socket = socket
        self._slots = slots
        self._is_open = True

    async def receive(self) -> str | bytes | None:
        """The next frame; None is the end, however it came about."""
        message = await self._socket.receive()
        is_frame = message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
        return message.data if is_frame else None

    async def close(self) -> None:
        """Say goodbye, briefly, and give the connection back."""
        if self._is_open:
            self._is_open = False
            try:
                await self._socket.close()
            finally:
                self._slots.release()
