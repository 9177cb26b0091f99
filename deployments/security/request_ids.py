"""One id of each request: it is on record under it, and every answer tells it, whoever gives that answer."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.randomness import random_name
from deployments.security.trail import request_id

REQUEST_ID = "x-supportmax-request"
"""The response header under which a caller can name the request to whoever reads the log."""
USUAL = "x-request-id"
"""The header in which most look for it. A vendor's client is told its answer's id there, as it knows it.

Serve adds one of its own behind ours, with what the caller sent under that name if there was anything;
the lines of `deployments.haproxy` leave the first.
"""


class RequestIds:
    """ASGI middleware, around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id.set(f"req_{random_name()}")

        async def naming(message: Message) -> None:
            if message["type"] == "http.response.start":
                tell(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, naming)


def tell(headers: MutableHeaders) -> None:
    """Put the id of the request under way into the headers of its answer."""
    headers[REQUEST_ID] = request_id.get()
    headers.setdefault(USUAL, request_id.get())
