"""The gateway's HTTP endpoint: who may knock, and then the protocol.

An ASGI application of its own, below one path. Sessions there are none, so there is nothing to
GET and nothing to DELETE.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from mcp.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from config.gateway import GatewaySecurity
from deployments.mcp_gateway import hosts
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.limited import Limited, refusal
from deployments.mcp_gateway.resource_metadata import PATH, SCOPES, metadata_url, resource_url
from deployments.mcp_gateway.wire import CALLER
from deployments.security.errors import TurnedAway
from deployments.security.gate import Gate
from deployments.security.gateway_tokens import GatewayTokens, Granted
from deployments.security.principal import Principal
from deployments.security.reach import may_ask_about
from deployments.security.request_ids import RequestIds
from deployments.security.timely import BodyTooSlow, timely
from deployments.security.trail import Deed, Trail
from routing.errors import AccessError, MisdirectedRequest

_log = logging.getLogger(__name__)

Authenticate = Callable[[Request], Awaitable[Principal]]
MustStand = Callable[[Principal], Awaitable[None]]
"""Raises AccessError of a caller who was let in before and put out since."""

# 4 MiB: the arguments of one call and the answers to its questions; the protocol's own bound.
BODY_MAX = 4 * 1024 * 1024
# Names of customers and conversations are shorter; what is longer is not one.
NAME_MAX = 128
NOBODY = Principal("", "")
CUSTOMER = "x-supportmax-customer"
"""The header that names whom a connection is about; the client's settings say it, never a model."""
CONVERSATION = "x-supportmax-conversation"


class _NoLonger(Exception):
    """Whoever was let in is not any more; `refusal` says so."""

    def __init__(self, refusal: Response) -> None:
        super().__init__()
        self.refusal = refusal


class Endpoint:
    """One replica's endpoint; Serve runs its lifespan."""

    def __init__(
        self,
        server: Server[Any],
        authenticate: Authenticate,
        security: GatewaySecurity,
        tokens: GatewayTokens | None = None,
        must_stand: MustStand | None = None,
        trail: Trail | None = None,
        gate: Gate | None = None,
    ) -> None:
        """`tokens` reads those of vendors that call tools themselves; None lets none of them in.

        For whom such a token was made is asked by `must_stand` at each use. Whoever is not let in
        is put on `trail`. `gate` has the limits; None has none.
        """
        authenticate = authenticate if gate is None else gate.watching(authenticate)
        self._authenticate = authenticate
        self._tokens = tokens
        self._must_stand = must_stand
        self._limited = Limited(gate, self._denied)
        self._security = security
        self._trail = trail
        self._named = RequestIds(self._answer)
        self._sessions = StreamableHTTPSessionManager(
            server,
            stateless=True,
            # A stream only where something is told on the way; and with it a caller who hangs up
            # ends the call, which plain JSON does not notice.
            json_response=False,
            max_request_body_size=BODY_MAX,
            # Checked below, before anything else.
            security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the replica's life."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        await self._named(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, which has its id."""
        receive = timely(scope, receive)
        request = Request(scope, receive)
        refused = self._knock(request)
        if refused is None:
            caller = await self._caller(request)
            if isinstance(caller, Caller):
                await self._limited.run(caller.principal, self._handle, scope, receive, send)
                return
            refused = caller
        await refused(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of a caller who is let in, and is still once all of it is here."""

        async def asked_again() -> Message:
            message = await receive()
            if CALLER not in scope and not message.get("more_body", False):
                # A body may take half a minute: whose right ended in it calls nothing any more.
                caller = await self._caller(Request(scope))
                if isinstance(caller, Response):
                    raise _NoLonger(caller)
                scope[CALLER] = caller
            return message

        try:
            await self._sessions.handle_request(scope, asked_again, send)
        except _NoLonger as error:
            await error.refusal(scope, receive, send)
        except BodyTooSlow as error:
            # Nothing is answered before all of it is here. What is still to come of it is nobody's.
            headers = {"Connection": "close"}
            await _refusal(408, error.code, error.detail, headers)(scope, receive, send)

    def _knock(self, request: Request) -> Response | None:
        """The refusal of what need not be authenticated first."""
        if (refused := self._limited.refusal_of_address(request)) is not None:
            return refused
        allowed = self._security
        match hosts.foreign(request.headers, allowed.allowed_hosts, allowed.allowed_origins):
            case "host":
                self._denied("invalid_host")
                return _refusal(
                    421, "invalid_host", "This Host is not in mcp.security.allowed_hosts."
                )
            case "origin":
                self._denied("invalid_origin")
                return _refusal(
                    403, "invalid_origin", "This Origin is not in mcp.security.allowed_origins."
                )
            case None:
                pass
        path = _mounted_at(request)
        if request.scope["path"] not in {path, f"{path}/"}:
            return _refusal(404, "not_found", f"The MCP endpoint is {path}.")
        if request.method != "POST":
            return Response(status_code=405, headers={"Allow": "POST"})
        return None

    async def _caller(self, request: Request) -> Caller | Response:
        """For whom the request is made, or why it is not."""
        bearer = _access_token(request)
        granted = None if self._tokens is None or bearer is None else self._tokens.read(bearer)
        if granted is not None:
            return await self._of_token(request, granted)
        principal = await self._principal(request)
        if isinstance(principal, Response):
            return principal
        if not any(principal.may(scope) for scope in SCOPES):
            self._denied("insufficient_scope", principal)
            return self._challenge(
                request, 403, "insufficient_scope", f"This needs one of: {', '.join(SCOPES)}."
            )
        named = [request.headers.get(header) for header in (CUSTOMER, CONVERSATION)]
        if any(name is not None and not 0 < len(name) <= NAME_MAX for name in named):
            return _refusal(400, "invalid_header", f"Names have 1 to {NAME_MAX} characters.")
        if named[0] is not None and not may_ask_about(principal, named[0]):
            # Not 404, which tells clients of this protocol that their session is over.
            self._denied("access_denied", principal, named[0])
            return _refusal(403, "access_denied", "There is no such customer.")
        # Whose words are in the client's conversation we cannot see, so the cautious rules hold.
        return Caller(
            principal, named[0], named[1], tainted=True, subject_token=_access_token(request)
        )

    async def _of_token(self, request: Request, granted: Granted) -> Caller | Response:
        """For whom a token of ours was made, unless they were put out since."""
        if self._must_stand is not None:
            try:
                await self._must_stand(granted.principal)
            except AccessError as error:
                why = error.why if isinstance(error, TurnedAway) else error.code
                self._denied(why, granted.principal)
                return self._challenge(request, 401, "invalid_token", error.detail)
            except Exception:  # noqa: BLE001  the directory is away, or anything else of ours
                _log.exception("a caller could not be held against the directory")
                return _refusal(503, "unavailable", "Try again in a moment.", {"Retry-After": "1"})
        # Whom it is about and what may be called stand in the token, and in no header.
        return Caller(
            granted.principal,
            granted.customer,
            granted.conversation_id,
            tainted=True,
            only=granted.tools,
        )

    async def _principal(self, request: Request) -> Principal | Response:
        try:
            return await self._authenticate(request)
        except AccessError as error:
            if isinstance(error, TurnedAway):
                self._denied(error.why, error.who)
            else:
                self._denied(error.code)
            if error.code in {"rate_limited", "address_not_allowed"}:
                return refusal(error)
            if error.code == "unauthenticated":
                return self._challenge(request, 401, "invalid_token", error.detail)
            return self._challenge(request, 403, "insufficient_scope", error.detail)
        except MisdirectedRequest as error:
            self._denied(error.code)
            return _refusal(421, error.code, error.detail)
        except Exception:  # noqa: BLE001  the store of keys is away, or anything else of ours
            _log.exception("a caller could not be authenticated")
            return _refusal(503, "unavailable", "Try again in a moment.", {"Retry-After": "1"})

    def _denied(self, reason: str, who: Principal = NOBODY, about: str = "") -> None:
        """Put on record who is not let in; `about` is whom they asked about."""
        if self._trail is not None:
            self._trail.turned_away(who, Deed("POST /mcp", "denied", about, reason=reason))

    def _challenge(self, request: Request, status: int, error: str, detail: str) -> Response:
        where = metadata_url(resource_url(self._security, request, _mounted_at(request)))
        scope = " ".join(SCOPES)
        value = f'Bearer error="{error}", resource_metadata="{where}", scope="{scope}"'
        return _refusal(status, error, detail, {"WWW-Authenticate": value})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        async with self._sessions.run():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


def _access_token(request: Request) -> str | None:
    """The token the caller was let in by, if it is one of an authorization server."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.count(".") == 2 else None


def _mounted_at(request: Request) -> str:
    """The path Serve sends here."""
    return str(request.scope.get("root_path") or PATH)


def _refusal(
    status: int, error: str, detail: str, headers: dict[str, str] | None = None
) -> Response:
    # The shape of RFC 6750 and of what OAuth clients read.
    return JSONResponse({"error": error, "error_description": detail}, status, headers)
