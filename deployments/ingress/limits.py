"""How much a request may bring, and for how long: counted while it arrives, so that nothing is held."""

import string
from collections.abc import Callable, Mapping

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.security.timely import timely
from routing.errors import RequestError

Refuse = Callable[[str, Exception], Response]
"""The refusal of a request to a path, in the words that path is answered in."""


# Of images in base64; a backslash is JSON's before a slash. No structure of JSON is among them.
_OF_IMAGES = f"{string.ascii_letters}{string.digits}+/=\\".encode()


class BodyLimit:
    """ASGI middleware: a body over the limit is refused with 413, announced or not; a slow one with 408.

    `own` has the paths that take more or less, each with its limit.
    """

    def __init__(
        self, app: ASGIApp, max_bytes: int, own: Mapping[str, int], refuse: Refuse
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._own = own
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        limit = self._own.get(path, self._max_bytes)
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > limit:
                await self._refuse(path, _too_large(limit))(scope, receive, send)
                return
        received, in_time = 0, timely(scope, receive)

        async def counted() -> Message:
            nonlocal received
            message = await in_time()
            received += len(message.get("body", b""))
            if received > limit:
                raise _too_large(limit)
            return message

        await self._app(scope, counted, send)


def must_be_images(body: bytes, max_text_bytes: int) -> None:
    """Return if what is too much for a text may be images; 4 ms for 8 MiB, before anything is read.

    What no image has in it is counted, so there are as few values to read as in any other body; what
    could be an image, and is none, is for who reads it.

    Raises:
        RequestError: `body_too_large`.
    """
    if len(body) > max_text_bytes and len(body.translate(None, _OF_IMAGES)) > max_text_bytes:
        detail = f"At most {max_text_bytes} bytes are taken besides images."
        raise RequestError("body_too_large", detail)


def _too_large(limit: int) -> RequestError:
    return RequestError("body_too_large", f"At most {limit} bytes are taken.")
