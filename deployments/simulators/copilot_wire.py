"""What both of Copilot Studio's wires have in common: the door, the body, the answer's shape."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from deployments.simulators.copilot_errors import CopilotWireError, error_body
from deployments.simulators.exchange import Exchange, Stage, mint, retry_headers
from deployments.simulators.schema import as_object

NAME = "copilot"

Handler: TypeAlias = Callable[[Exchange], Response]


def endpoint(stage: Stage, answer: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint whose errors have Microsoft's shape."""

    async def handle(request: Request) -> Response:
        exchange = await stage.receive(NAME, request)
        try:
            return answer(exchange)
        except CopilotWireError as error:
            headers = {"x-ms-request-id": mint(""), **retry_headers(error.retry_after_s)}
            return exchange.reply_json(error_body(error), status=error.status, headers=headers)

    return handle


def reply(exchange: Exchange, payload: Mapping[str, object], status: int = 200) -> Response:
    """Answer with a JSON object, at once: what is slow on these wires is the agent."""
    return exchange.reply_json(payload, status=status, headers={"x-ms-request-id": mint("")})


def token_of(exchange: Exchange) -> str:
    """Return the token or secret of a request, "" where there is none."""
    scheme, _, token = exchange.request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def body_of(exchange: Exchange) -> Mapping[str, object]:
    """Return a request's JSON object.

    Raises:
        CopilotWireError: There is none.
    """
    if exchange.body_fault == "too_large":
        raise CopilotWireError(413, "The activity is too large")
    if exchange.body_fault is not None or not isinstance(exchange.body, dict):
        raise CopilotWireError(400, "The request body is not a JSON object")
    return as_object(exchange.body)


def now(stage: Stage) -> str:
    """Return the time as activities carry it."""
    return stage.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
