"""The ways to an upstream: over HTTP with a session for each call, or a process of this machine.

A session is one caller's. What a server remembers of it is nobody else's, a call that hangs or
breaks takes no other along, and hanging up is what cancels it.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Protocol

import httpx2
from mcp import StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from typing_extensions import override

from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool_server import UpstreamFailed
from deployments.mcp_gateway.upstreams.credentials import Credentials
from deployments.mcp_gateway.upstreams.session import Catalogue, Session, greet, list_all
from deployments.security.outbound import OutboundPolicy, outbound_client, outbound_transport

if TYPE_CHECKING:
    from mcp_types import DiscoverResult

# One event of a stream; the SDK's own bound, which an answer of 64 KiB never comes near.
EVENT_MAX = 1024 * 1024
# Saying goodbye to an older server, which would otherwise keep the session for half an hour.
GOODBYE_S = 2.0
GOODBYES_MAX = 100
_SESSION = "mcp-session-id"
_NOT_YET = "It could not be reached since SupportMax started."


class Link(Protocol):
    """A way to one upstream."""

    async def catalogue(self) -> Catalogue:
        """All that it lists, as SupportMax itself sees it."""
        ...

    def session(self, caller: Caller, *, asks: bool) -> AbstractAsyncContextManager[Session]:
        """A session for one call of `caller`; with `asks` their client can ask its human.

        Raises:
            UpstreamFailed: there is none to be had.
        """
        ...

    @property
    def is_modern(self) -> bool:
        """Whether it speaks 2026-07-28, as far as is known."""
        ...

    async def aclose(self) -> None:
        """Give back what it holds."""
        ...


class HttpLink:
    """Streamable HTTP. Connections are shared, sessions never."""

    def __init__(self, url: str, credentials: Credentials, policy: OutboundPolicy) -> None:
        self._url = url
        self._credentials = credentials
        self._policy = policy
        self._pool = outbound_transport(policy)
        self._greeting: DiscoverResult | None = None
        self._is_known = False
        self._goodbyes = set[asyncio.Task[None]]()

    @property
    def is_modern(self) -> bool:
        """Whether it speaks 2026-07-28."""
        return self._greeting is not None

    async def catalogue(self) -> Catalogue:
        """Greet it anew, and read its lists."""
        async with self._open(None, asks=False) as session:
            self._greeting = await greet(session)
            self._is_known = True
            return await list_all(session)

    @asynccontextmanager
    async def session(self, caller: Caller, *, asks: bool) -> AsyncIterator[Session]:
        """A session, begun as the server was found to want it."""
        if not self._is_known:
            raise UpstreamFailed(_NOT_YET)
        async with self._open(caller, asks=asks) as session:
            if self._greeting is None:
                await session.initialize()
            else:
                session.adopt(self._greeting)
            yield session

    async def aclose(self) -> None:
        """Cut what is open."""
        for task in self._goodbyes:
            task.cancel()
        await asyncio.gather(*self._goodbyes, return_exceptions=True)
        await self._pool.aclose()

    @asynccontextmanager
    async def _open(self, caller: Caller | None, *, asks: bool) -> AsyncIterator[Session]:
        carried = dict(await self._credentials.headers(caller))
        kept: dict[str, str] = {}

        async def look(response: httpx2.Response) -> None:
            if response.status_code == 401:
                self._credentials.refused(caller)
            if (found := response.headers.get(_SESSION)) is not None:
                kept[_SESSION] = found

        http = outbound_client(self._policy, transport=_Shared(self._pool), headers=carried)
        http.event_hooks = {"response": [look]}
        try:
            async with (
                streamable_http_client(
                    self._url, http_client=http, terminate_on_close=False,
                    max_sse_event_size=EVENT_MAX,
                ) as streams,
                Session(streams, asks=asks) as session,
            ):  # fmt: skip
                yield session
        finally:
            if kept and len(self._goodbyes) < GOODBYES_MAX:
                task = asyncio.create_task(self._end(http, kept))
                self._goodbyes.add(task)
                task.add_done_callback(self._goodbyes.discard)

    async def _end(self, http: httpx2.AsyncClient, kept: Mapping[str, str]) -> None:
        with suppress(httpx2.HTTPError, TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                await http.delete(self._url, headers=dict(kept))


class _Shared(httpx2.AsyncBaseTransport):
    """The pool for one more client, which does not close it."""

    def __init__(self, pool: httpx2.AsyncBaseTransport) -> None:
        self._pool = pool

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._pool.handle_async_request(request)

    @override
    async def aclose(self) -> None:
        pass


class StdioLink:
    """A process of this machine, for development: one for all callers, as such servers are made."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = StdioServerParameters(command=command[0], args=list(command[1:]))
        self._session: Session | None = None
        self._holder: asyncio.Task[None] | None = None
        self._greeting: DiscoverResult | None = None

    @property
    def is_modern(self) -> bool:
        """Whether it speaks 2026-07-28."""
        return self._greeting is not None

    async def catalogue(self) -> Catalogue:
        """Read its lists; a process that ended is started again."""
        try:
            if self._session is None:
                await self._start()
            return await list_all(self._alive())
        except BaseException:
            await self.aclose()
            raise

    @asynccontextmanager
    async def session(self, caller: Caller, *, asks: bool) -> AsyncIterator[Session]:
        """The one session there is; it asks nobody anything."""
        yield self._alive()

    async def aclose(self) -> None:
        """End the process."""
        self._session = None
        if self._holder is not None:
            self._holder.cancel()
            await asyncio.gather(self._holder, return_exceptions=True)
            self._holder = None

    def _alive(self) -> Session:
        if self._session is None:
            raise UpstreamFailed(_NOT_YET)
        return self._session

    async def _start(self) -> None:
        # A session is entered and left by the same task, which is neither a caller's nor ours.
        begun: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self._holder = asyncio.create_task(self._hold(begun))
        self._session = await begun

    async def _hold(self, begun: "asyncio.Future[Session]") -> None:
        try:
            with open(os.devnull, "w") as silence:  # noqa: ASYNC230  it never blocks
                async with (
                    stdio_client(self._command, errlog=silence) as streams,
                    Session(streams, asks=False) as session,
                ):
                    self._greeting = await greet(session)
                    begun.set_result(session)
                    await asyncio.Event().wait()
        except BaseException as error:
            if not begun.done():
                said = "Its process could not be started, or said nothing."
                begun.set_exception(UpstreamFailed(said))
            if not isinstance(error, Exception):
                raise
        finally:
            self._session = None
