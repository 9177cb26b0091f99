"""The HTTP client for addresses that a tenant or a stranger chose: it cannot be led inside (SSRF).

A name is resolved once by us, every address it has must be allowed, and the connection goes to an
address that was checked, under the name's own Host and TLS name: a name that answers differently
the second time gains nothing. Each hop of a redirect comes through the same check. No proxy, no
cookies kept from a stranger, no compression, and a bound on size and time.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpcore2
import httpx2
from typing_extensions import override

from deployments.security.addresses import Private, is_public, literal

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name; raises OSError where it has none."""

CONNECT_S: Final = 5.0  # name, TCP and TLS: three round trips around the world, twice
RESOLVE_S: Final = 3.0  # a resolver's own two tries
REDIRECTS_MAX: Final = 5  # a slash, a language, a session: more is a loop
ADDRESSES_MAX: Final = 4  # tried in turn; a name with hundreds must not make us a port scanner
URL_MAX: Final = 2_048
HEADERS_MAX: Final = 64 * 1024  # of an answer
# Of one client, unless it is said: what one stranger's server may hold open here.
CONNECTIONS_MAX: Final = 20
IDLE_S: Final = 30.0


class OutboundRefused(httpx2.TransportError):
    """The address may not be asked, or its answer is larger or slower than allowed.

    The words name no address that a name resolved to: they would map our network.
    """


@dataclass(frozen=True, slots=True)
class OutboundPolicy:
    """What may be asked, and how much it may answer.

    `plain_http` allows http beyond hosts that `private` names. `answer_bytes` bounds one answer's
    body, `answer_s` the seconds from the request to its last byte, `connections` those open at once.
    """

    private: Private = field(default_factory=Private)
    ports: frozenset[int] = frozenset({443})
    plain_http: bool = False
    answer_bytes: int = 8 * 1024 * 1024
    answer_s: float = 60.0
    connections: int = CONNECTIONS_MAX


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """What the machine's resolver says, in its order."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(RESOLVE_S):
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def check_url(policy: OutboundPolicy, url: httpx2.URL) -> None:
    """Refuse what the address alone gives away, before anything is resolved.

    Raises:
        OutboundRefused: it is no address that may be asked.
    """
    if len(str(url)) > URL_MAX:
        raise OutboundRefused(f"An address has at most {URL_MAX} characters.")
    if url.userinfo:
        raise OutboundRefused("An address holds no name and no password.")
    if url.scheme not in {"http", "https"}:
        raise OutboundRefused("An address begins with https://.")
    host = url.raw_host.decode("ascii").lower()
    try:
        address = literal(host)
        is_named = policy.private.names(host)
    except ValueError as error:
        raise OutboundRefused(f"{host[:100]}: {error}.") from error
    if url.scheme == "http" and not (policy.plain_http or is_named):
        raise OutboundRefused("Only https is asked outside of our own network.")
    port = url.port or (443 if url.scheme == "https" else 80)
    default = {443 if url.scheme == "https" else 80} if policy.plain_http else {443}
    if port not in policy.ports | default:
        raise OutboundRefused(f"The port {port} is not among those that may be asked.")
    if address is not None and not is_named and not is_public(address):
        raise _private(host)


def outbound_transport(
    policy: OutboundPolicy, resolve: Resolve = system_resolver, tls: ssl.SSLContext | None = None
) -> httpx2.AsyncBaseTransport:
    """A pool of checked connections; whoever opens it closes it."""
    return _Transport(policy, resolve, tls or httpx2.create_ssl_context())


def outbound_client(
    policy: OutboundPolicy,
    *,
    transport: httpx2.AsyncBaseTransport | None = None,
    auth: httpx2.Auth | None = None,
    headers: dict[str, str] | None = None,
) -> httpx2.AsyncClient:
    """A client over `transport`, or over a pool of its own.

    It follows no redirect unless a request says so, and then `REDIRECTS_MAX`.
    """
    return httpx2.AsyncClient(
        transport=outbound_transport(policy) if transport is None else transport,
        auth=auth,
        headers={"User-Agent": "SupportMax", **(headers or {})},
        timeout=httpx2.Timeout(policy.answer_s, connect=CONNECT_S),
        follow_redirects=False,
        max_redirects=REDIRECTS_MAX,
        trust_env=False,
    )


class _Transport(httpx2.AsyncHTTPTransport):
    def __init__(self, policy: OutboundPolicy, resolve: Resolve, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._policy = policy
        # A retry below us would ask a server twice to do what it may have done the first time.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=policy.connections,
            max_keepalive_connections=CONNECTIONS_MAX,
            keepalive_expiry=IDLE_S,
            retries=0,
            network_backend=_CheckedConnections(policy, resolve),
        )

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        check_url(self._policy, request.url)
        # identity: what is compressed has no size until it is too late.
        request.headers["Accept-Encoding"] = "identity"
        until = asyncio.get_running_loop().time() + self._policy.answer_s
        try:
            async with asyncio.timeout_at(until):
                response = await super().handle_async_request(request)
        except TimeoutError as error:
            raise _slow(self._policy) from error
        if sum(len(name) + len(value) for name, value in response.headers.raw) > HEADERS_MAX:
            await response.aclose()
            raise OutboundRefused("The answer's headers are too large.")
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            await response.aclose()
            raise OutboundRefused("The answer is compressed although nobody asked for that.")
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101  for the types
        response.stream = _Bounded(response.stream, self._policy, until)
        return response


class _Bounded(httpx2.AsyncByteStream):
    """A body of so many bytes, by such a time: a drip of single bytes resets no clock."""

    def __init__(
        self, stream: httpx2.AsyncByteStream, policy: OutboundPolicy, until: float
    ) -> None:
        self._stream = stream
        self._policy = policy
        self._until = until

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        size, pieces = 0, aiter(self._stream)
        while True:
            try:
                async with asyncio.timeout_at(self._until):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise _slow(self._policy) from error
            size += len(piece)
            if size > self._policy.answer_bytes:
                raise OutboundRefused(
                    f"The answer is larger than {self._policy.answer_bytes} bytes."
                )
            yield piece

    @override
    async def aclose(self) -> None:
        await self._stream.aclose()


class _CheckedConnections(httpcore2.AsyncNetworkBackend):
    """Connects a host's name to an address of it that was checked, and to no other."""

    def __init__(self, policy: OutboundPolicy, resolve: Resolve) -> None:
        self._private = policy.private
        self._resolve = resolve
        self._sockets = httpcore2.AnyIOBackend()

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: "Iterable[httpcore2.SOCKET_OPTION] | None" = None,
    ) -> httpcore2.AsyncNetworkStream:
        failed: Exception | None = None
        for address in await self._addresses(host.lower(), port):
            try:
                return await self._sockets.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore2.ConnectError("the name has no address")

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        fixed = literal(host)
        try:
            found = [str(fixed)] if fixed is not None else await self._resolve(host, port)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise httpcore2.ConnectError("the name could not be resolved") from error
        for text in found:
            try:
                address = ipaddress.ip_address(text)
            except ValueError:
                raise _private(host) from None
            # One address inside is enough to refuse the name: the next answer may hold only that.
            if not is_public(address) and not self._private.holds(host, address):
                raise _private(host)
        return found[:ADDRESSES_MAX]


def _private(host: str) -> OutboundRefused:
    return OutboundRefused(f"{host[:100]} is not on the public internet.")


def _slow(policy: OutboundPolicy) -> OutboundRefused:
    return OutboundRefused(f"The answer took longer than {policy.answer_s:g} s.")
