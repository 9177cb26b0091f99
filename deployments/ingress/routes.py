"""The route table: each route says who may call it, how it is limited and how it is audited.

Validation, dispatch and the OpenAPI document come from the same rows, so none can
differ from another. A row that leaves a question open stops the start-up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.ingress import problem
from deployments.ingress.route_audit import Watched
from deployments.ingress.schema import Problem
from deployments.security.principal import Principal
from deployments.security.trail import Trail
from routing.errors import RequestError

PUBLIC = "public"
"""The permission of a route that needs no caller's identity: it has to be said."""
ANYBODY = "authenticated"
"""The permission of a route for everybody who says who they are, whatever else they may do."""
RateClass = Literal["chat", "read", "admin", "health"]
AuditLevel = Literal["none", "access", "action"]
Authenticate = Callable[[Request], Awaitable[Principal]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was admitted: who, what, and the request itself."""

    principal: Principal
    body: Any
    request: Request


Handler = Callable[[Call], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class ErrorShape:
    """How a route says what went wrong, whoever noticed it: authentication, parsing or handler.

    `body` and `media_type` describe what `response` makes; `unmet` is the status of a
    request that was understood and cannot be met as it is.
    """

    response: Callable[[Exception], Response]
    body: type[BaseModel]
    media_type: str
    unmet: Literal["400", "422"]


PROBLEM = ErrorShape(problem.response, Problem, "application/problem+json", unmet="422")
"""Problem documents: the shape of all routes that are not another vendor's."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One row. `body` and `answer` are the models of what comes and what goes.

    `headers` are the ones it takes, with their descriptions; a chat route that names none
    takes an Idempotency-Key. `max_body_bytes` is for a route whose bodies may be larger than
    the configuration says of all. `query` are the parameters it takes, with their descriptions,
    and `conflict` says what a 409 means there. `further` are other statuses it may end in, with
    what they mean; one below 400 has no body.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    permission: str
    rate: RateClass
    audit: AuditLevel
    handler: Handler
    answer: type[BaseModel] | None
    body: type[BaseModel] | None = None
    streams: bool = False
    errors: ErrorShape = PROBLEM
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    conflict: str = ""
    max_body_bytes: int | None = None
    further: Mapping[str, str] = field(default_factory=dict)


ANONYMOUS = Principal(tenant="", subject="anonymous")


def build(
    operations: Sequence[Operation],
    authenticate: Authenticate,
    known: frozenset[str],
    trail: Trail | None = None,
) -> list[Route]:
    """The rows as Starlette routes.

    Args:
        operations: the table.
        authenticate: who is calling; raises AccessError.
        known: every permission there is.
        trail: where requests are put on record; a table that is only looked at has none.

    Raises:
        ValueError: a row is not complete, names an unknown permission, or stands twice.
    """
    seen: set[tuple[str, str]] = set()
    for op in operations:
        where = f"{op.method} {op.path}"
        if not all((op.summary, op.permission, op.rate, op.audit)):
            raise ValueError(f"{where}: every route states summary, permission, rate and audit")
        if op.permission not in {PUBLIC, ANYBODY} and op.permission not in known:
            raise ValueError(f"{where}: nobody can have the permission {op.permission!r}")
        if op.body is not None and op.permission == PUBLIC:
            raise ValueError(f"{where}: a public route takes no body")
        if (op.method, op.path) in seen:
            raise ValueError(f"{where}: stands twice in the table")
        seen.add((op.method, op.path))
    return [
        Route(op.path, _endpoint(op, authenticate, trail), methods=[op.method]) for op in operations
    ]


def _endpoint(
    op: Operation, authenticate: Authenticate, trail: Trail | None
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        watched = Watched(trail, op, request)
        try:
            principal = ANONYMOUS
            if op.permission != PUBLIC:
                principal = await authenticate(request)
                watched.known(principal)
                if op.permission != ANYBODY:
                    principal.must(op.permission)
            body = await _parse(op.body, request) if op.body is not None else None
            await watched.allowed()
            response = await op.handler(Call(principal, body, request))
        except asyncio.CancelledError:
            watched.broken_off()
            raise
        except Exception as error:  # noqa: BLE001
            return watched.ended(op.errors.response(error), error)
        return watched.ended(response)

    return endpoint


async def _parse(model: type[BaseModel], request: Request) -> BaseModel:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestError("unsupported_media_type", "Send application/json.")
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        raise problem.from_validation(error) from error


def reply(data: object, status: int = 200) -> Response:
    """`data` as JSON."""
    return Response(orjson.dumps(data), status, media_type="application/json")
