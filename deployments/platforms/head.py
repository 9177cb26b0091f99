"""The head of a vendor's request, written by the vendor's own SDK.

The SDK is given a transport that goes nowhere and asked for one call; the address and
headers it would have sent are kept for a minute. So credentials, API versions and
identification stay the SDK's business at a thousandth of its price per call.
"""

import asyncio
from collections.abc import Awaitable, Callable

import httpx2
from multidict import CIMultiDict
from typing_extensions import override
from yarl import URL

from deployments.platforms.transport import RequestHead

# Tokens that are refreshed (workload identity, Entra) are renewed minutes before they end.
LIFE_S = 60.0

# What belongs to one request and its connection, or says how the SDK itself was called.
_NOT_KEPT = frozenset(
    {"host", "connection", "content-length", "accept-encoding", "x-stainless-raw-response"}
)


class HeadRecorder(httpx2.AsyncBaseTransport):
    """A transport that sends nothing: it keeps the head of the request and answers `{}`."""

    def __init__(self) -> None:
        self._request: httpx2.Request | None = None

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Keep the request."""
        self._request = request
        return httpx2.Response(200, json={})

    def client(self) -> httpx2.AsyncClient:
        """The client to hand to an SDK as `http_client`."""
        return httpx2.AsyncClient(transport=self, trust_env=False)

    def head(self) -> RequestHead:
        """The head of the last request."""
        if self._request is None:
            message = "the SDK has sent nothing through this transport"
            raise RuntimeError(message)
        headers = CIMultiDict(
            (name, value)
            for name, value in self._request.headers.multi_items()
            if name not in _NOT_KEPT
        )
        return RequestHead(URL(str(self._request.url)), headers)


class SdkHead:
    """The head an SDK writes for one kind of call, renewed every `LIFE_S`.

    `ask` makes the SDK send that call through `recorder`. Two that renew at once ask twice,
    which harms nobody. `forget_token` drops the token a refused head was written with.
    """

    def __init__(
        self,
        recorder: HeadRecorder,
        ask: Callable[[], Awaitable[object]],
        forget_token: Callable[[], None] | None = None,
    ) -> None:
        self._recorder = recorder
        self._ask = ask
        self._forget_token = forget_token
        self._head: RequestHead | None = None
        self._renew_at = 0.0

    async def get(self) -> RequestHead:
        """The head to send now; raises what the SDK raises when it has no credential to give."""
        now = asyncio.get_running_loop().time()
        if self._head is None or now >= self._renew_at:
            await self._ask()
            self._head = self._recorder.head()
            self._renew_at = now + LIFE_S
        return self._head

    def forget(self) -> None:
        """Ask the SDK again next time: the vendor did not accept this credential."""
        self._head = None
        if self._forget_token is not None:
            self._forget_token()
