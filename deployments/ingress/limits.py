"""How much a request may bring: counted while it arrives, so that nothing large is ever held."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.ingress import problem
from routing.errors import RequestError


class BodyLimit:
    """ASGI middleware: a body over the limit is refused with 413, announced or not."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > self._max_bytes:
                await problem.response(self._refusal())(scope, receive, send)
                return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise self._refusal()
            return message

        await self._app(scope, counted, send)

    def _refusal(self) -> RequestError:
        return RequestError("body_too_large", f"At most {self._max_bytes} bytes are taken.")
