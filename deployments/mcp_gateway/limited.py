"""The limits at the gateway's endpoint: who is refused, in this protocol's words, and what answers tell."""

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response

from deployments.security.errors import RateLimited
from deployments.security.principal import Principal
from routing.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

    from deployments.security.gate import Gate

# JSON-RPC leaves -32000 to -32099 to servers; no code of the protocol stands for a limit.
_RATE_LIMITED = -32029


class Limited:
    """What the endpoint asks of the gate; without one, everybody passes. Refusals are told to `denied`."""

    def __init__(self, gate: "Gate | None", denied: "Callable[[str, Principal], None]") -> None:
        self._gate = gate
        self._denied = denied

    def refusal_of_address(self, request: "Request") -> Response | None:
        """The refusal of an address where nobody is served."""
        try:
            if self._gate is not None:
                self._gate.knock(request)
        except AccessError as error:
            self._denied(error.code, Principal("", ""))
            return refusal(error)
        return None

    async def run(
        self,
        principal: Principal,
        app: "Callable[[Scope, Receive, Send], Awaitable[None]]",
        scope: "Scope",
        receive: "Receive",
        send: "Send",
    ) -> None:
        """`app` for a caller who is let in, counted until its answer is out; else the refusal."""
        if self._gate is None:
            await app(scope, receive, send)
            return
        try:
            passage = await self._gate.admit(principal, "mcp")
        except RateLimited as error:
            self._denied(error.code, principal)
            await refusal(error)(scope, receive, send)
            return
        told = [(name.encode(), value.encode()) for name, value in passage.headers.items()]

        async def telling(message: "Message") -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *told]}
            await send(message)

        try:
            await app(scope, receive, telling)
        finally:
            passage.end()


def refusal(error: AccessError) -> Response:
    """A refusal as JSON-RPC has it for a request that was not read; it has no id therefore."""
    status, headers, code = 403, dict[str, str](), -32000
    if isinstance(error, RateLimited):
        status, code = 429, _RATE_LIMITED
        headers = {"retry-after": error.retry_after_header, **error.headers}
    told = {"code": code, "message": error.detail, "data": {"code": error.code}}
    return JSONResponse({"jsonrpc": "2.0", "id": None, "error": told}, status, headers)
