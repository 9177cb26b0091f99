"""How much a request may bring, and for how long: counted while it arrives, so that nothing is held."""

import asyncio
from collections.abc import Callable, Mapping

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from routing.errors import RequestError

# 8 MiB, the largest there is, are 2.2 Mbit/s in that time; a message is there at once.
BODY_WITHIN_S = 30.0
Refuse = Callable[[str, Exception], Response]
"""The refusal of a request to a path, in the words that path is answered in."""


class BodyLimit:
    """ASGI middleware: a body over the limit is refused with 413, announced or not; a slow one with 408.

    `larger` has the paths that take more, each with its own limit.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, larger: Mapping[str, int], refuse: Refuse
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._larger = larger
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        limit = self._larger.get(path, self._max_bytes)
        received, is_whole = 0, True
        for name, value in scope["headers"]:
            if name == b"content-length":
                if int(value) > limit:
                    await self._refuse(path, _too_large(limit))(scope, receive, send)
                    return
                is_whole = value == b"0"
            elif name == b"transfer-encoding":
                is_whole = False
        until = asyncio.get_running_loop().time() + BODY_WITHIN_S

        async def counted() -> Message:
            nonlocal received, is_whole
            if is_whole:  # what else comes is word that the caller went away, and may never come
                message = await receive()
            else:
                try:
                    async with asyncio.timeout_at(until):
                        message = await receive()
                except TimeoutError:
                    raise _too_slow() from None
                is_whole = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > limit:
                raise _too_large(limit)
            return message

        await self._app(scope, counted, send)


def _too_slow() -> RequestError:
    message = f"The whole body is to be here within {BODY_WITHIN_S:g} seconds."
    return RequestError("body_too_slow", message)


def _too_large(limit: int) -> RequestError:
    return RequestError("body_too_large", f"At most {limit} bytes are taken.")
