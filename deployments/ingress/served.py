"""Nobody is answered who calls from where the service is not: before anything of the request is read."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.ingress.limits import Refuse
from deployments.security.gate import Gate
from routing.errors import AccessError


class Served:
    """ASGI middleware: an address that is not served gets 403, whatever it asks for."""

    def __init__(self, app: ASGIApp, gate: Gate, refuse: Refuse) -> None:
        self._app = app
        self._gate = gate
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        answer = self._app
        if scope["type"] == "http":
            try:
                self._gate.knock(Request(scope))
            except AccessError as error:
                answer = self._refuse(scope["path"], error)
        await answer(scope, receive, send)
