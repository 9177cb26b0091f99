"""The route table: each route says who may call it, how it is limited and how it is audited.

Validation, dispatch and the OpenAPI document come from the same rows, so none can
differ from another. A row that leaves a question open stops the start-up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp

from deployments.ingress import problem
from deployments.ingress.answers import checked
from deployments.ingress.fit_text import must_ask, must_keep, must_name
from deployments.ingress.limits import must_be_images
from deployments.ingress.pages import readable
from deployments.ingress.parameters import Parameter, must_be_as_long
from deployments.ingress.route_audit import Watched, is_change
from deployments.ingress.said_once import must_say_once
from deployments.ingress.schema import Problem
from deployments.ingress.visit import Visit
from deployments.security.gate import Gate
from deployments.security.principal import Principal
from deployments.security.trail import Trail
from routing.errors import RequestError

PUBLIC = "public"
"""The permission of a route that needs no caller's identity: it has to be said."""
ANYBODY = "authenticated"
"""The permission of a route for everybody who says who they are, whatever else they may do."""
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
# An identity provider's id of somebody may have a slash in it, as base64 does: of a path's parts those that
# name people reach beyond one. Nothing else is below them but what their own row says.
_PEOPLE = ("user_id", "subject")
RateClass = Literal["chat", "read", "admin", "health"]
AuditLevel = Literal["none", "access", "action"]
Authenticate = Callable[[Request], Awaitable[Principal]]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was admitted: who, what, and the request itself.

    What a handler puts into `words` stands at the end of the record of what was done: what exactly it
    was, in words of ours. Names of our own making, of the policy or the configuration, states and
    amounts; nothing a caller wrote.
    """

    principal: Principal
    body: Any
    request: Request
    words: list[str] = field(default_factory=list)


Handler = Callable[[Call], Awaitable[Response]]
Intent = Callable[[Call], Iterable[str]]
"""What a change is to be, in such words."""


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


@dataclass(frozen=True, slots=True)
class OwnBody:
    """A body that a handler reads by itself, as one has to whose caller need not be known.

    One of at most `max_bytes`, where that is less than the configuration says of all.
    """

    model: type[BaseModel]
    media_type: str
    required: bool = True
    max_bytes: int | None = None


PROBLEM = ErrorShape(problem.response, Problem, "application/problem+json", unmet="422")
"""Problem documents: the shape of all routes that are not another vendor's."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One row. `body` and `answer` are the models of what comes and what goes.

    `headers` are the ones it takes, with their descriptions; a chat route that names none
    takes an Idempotency-Key. `max_body_bytes` is for a route whose bodies may be larger than
    the configuration says of all. `own_body` is what its handler reads without one of `body`. `query`
    are the parameters it takes, and `conflict` says what a 409 means there. `further` are other statuses it may end in, with
    what they mean; one below 400 has no body. `media_type` is of the bodies, both ways; what comes
    as plain JSON is taken as well. `lines` is the type of an answer in lines, where one may be asked for. Where `in_browser`
    people are led, a refusal is a page for who takes pages; its errors are problem documents. What `intent` says of a change is on record before it begins, and
    again when it is done.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
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
    query: Mapping[str, Parameter] = field(default_factory=dict)
    conflict: str = ""
    max_body_bytes: int | None = None
    further: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON
    intent: Intent | None = None
    own_body: OwnBody | None = None
    lines: str = ""
    in_browser: bool = False


ANONYMOUS = Principal(tenant="", subject="anonymous")


def build(
    operations: Sequence[Operation],
    authenticate: Authenticate,
    known: frozenset[str],
    trail: Trail | None = None,
    gate: Gate | None = None,
    max_text_bytes: int | None = None,
) -> list[Route]:
    """The rows as Starlette routes.

    Args:
        operations: the table.
        authenticate: who is calling; raises AccessError.
        known: every permission there is.
        trail: where requests are put on record; a table that is only looked at has none.
        gate: the limits of who comes in; None has none.
        max_text_bytes: what a chat may bring besides images where its row takes more for these.

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
    if gate is not None:
        authenticate = gate.watching(authenticate)
    return [
        Route(
            _pattern(op.path),
            _endpoint(op, authenticate, trail, gate, max_text_bytes),
            methods=[op.method],
        )
        for op in operations
    ]


def _pattern(path: str) -> str:
    """The path as Starlette matches it, which is after %2F became a slash."""
    for name in _PEOPLE:
        path = path.replace(f"{{{name}}}", f"{{{name}:path}}")
    return path


def methods_at(built: Sequence[BaseRoute], request: Request) -> str:
    """Every method an address takes, as `Allow` lists them: each row of the table is one of them.

    An address that stands in the table to the letter is none of those that only look like it.
    """
    there = [
        route
        for route in built
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    ]
    itself = [route for route in there if route.path == request.url.path]
    return ", ".join(sorted(set().union(*(route.methods or set() for route in itself or there))))


def _endpoint(
    op: Operation,
    authenticate: Authenticate,
    trail: Trail | None,
    gate: Gate | None,
    max_text_bytes: int | None,
) -> Callable[[Request], Awaitable[ASGIApp]]:
    async def endpoint(request: Request) -> ASGIApp:
        watched, visit = Watched(trail, op, request), Visit(gate, op.rate, request)
        try:
            principal = ANONYMOUS
            if op.permission == PUBLIC:
                visit.enter_unnamed()
            else:
                principal = await visit.enter(authenticate, watched)
                _must_have(principal, op.permission)
            must_name(request)
            if op.query:
                must_ask(request)
                must_be_as_long(request, op.query)
            body = await _parse(op, request, max_text_bytes)
            if body is not None and is_change(op):
                # A body may take half a minute: whose right ended in it changes nothing any more.
                principal = await visit.who(authenticate, watched)
                _must_have(principal, op.permission)
            call = Call(principal, body, request)
            if op.intent is not None:
                call.words.extend(op.intent(call))
            await watched.allowed(call.words)
            response = checked(op, await op.handler(call))
        except asyncio.CancelledError:
            watched.broken_off()
            visit.broken_off()
            raise
        except Exception as error:  # noqa: BLE001
            refusal = op.errors.response(error)
            if op.in_browser:
                refusal = readable(request, refusal)
            return visit.over(watched.ended(refusal, error), error)
        return visit.over(watched.ended(response, words=call.words))

    return endpoint


def _must_have(principal: Principal, permission: str) -> None:
    if permission != ANYBODY:
        principal.must(permission)


async def _parse(op: Operation, request: Request, max_text_bytes: int | None) -> BaseModel | None:
    if op.body is None:
        return None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in {JSON, op.media_type}:
        raise RequestError("unsupported_media_type", f"Send {op.media_type}.")
    sent = await request.body()
    # Images: what there is besides them is as bounded as any other body.
    takes_images = op.max_body_bytes is not None and op.rate == "chat"
    if takes_images and max_text_bytes is not None:
        must_be_images(sent, max_text_bytes)
    must_keep(sent)
    try:
        body = op.body.model_validate_json(sent)
    except ValidationError as error:
        raise problem.from_validation(error) from error
    # 13 ms for a body of 5 MB, which is too much to learn nothing by.
    if not takes_images:
        must_say_once(sent)
    return body


def reply(data: object, status: int = 200) -> Response:
    """`data` as JSON."""
    return Response(orjson.dumps(data), status, media_type="application/json")
