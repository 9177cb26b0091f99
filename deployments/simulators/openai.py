"""The OpenAI simulator: `/openai/v1/responses` and `/openai/v1/models` on the wire of OpenAI."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.simulators.answer import estimate_tokens
from deployments.simulators.exchange import Exchange, Stage, mint, retry_headers
from deployments.simulators.faults import ErrorEvent, Status
from deployments.simulators.openai_errors import OpenAIWireError, scripted_error
from deployments.simulators.openai_items import Item, Items, check_calls_answered
from deployments.simulators.openai_models import MODELS, describe_model, takes_temperature
from deployments.simulators.openai_prompt import (
    count_tokens,
    describe_tools,
    read_instructions,
    read_prompt,
)
from deployments.simulators.openai_request import ResponsesRequest, parse_request
from deployments.simulators.openai_response import (
    OpenAIUsage,
    build_response,
    fail,
    stream_response,
)
from deployments.simulators.prompt_cache import SHORTEST_PREFIX
from deployments.simulators.reply import Reply, compose

NAME = "openai"
MAX_STORED = 100  # responses kept for previous_response_id
REQUESTS_A_MINUTE = 10_000
TOKENS_A_MINUTE = 2_000_000
_EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def openai_app(stage: Stage) -> Starlette:
    """Return the simulator as an application to mount under `/openai`."""
    simulator = _OpenAI(stage)

    def endpoint(
        answer: Callable[[Exchange], Response],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            exchange = await stage.receive(NAME, request)
            try:
                _admit(exchange)
                return answer(exchange)
            except OpenAIWireError as error:
                headers = _headers(retry_after_s=error.retry_after_s)
                return exchange.reply_json(error.body, status=error.status, headers=headers)

        return handle

    return Starlette(
        routes=[
            Route("/v1/responses", endpoint(simulator.create_response), methods=["POST"]),
            Route("/v1/models", endpoint(_list_models), methods=["GET"]),
            Route("/v1/models/{model}", endpoint(_show_model), methods=["GET"]),
            Route("/{path:path}", endpoint(_no_such_url), methods=_EVERY_METHOD),
        ]
    )


class _OpenAI:
    """The simulator's memory: the responses it stored."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._stored: OrderedDict[str, list[Item]] = OrderedDict()

    def create_response(self, exchange: Exchange) -> Response:
        request = parse_request(_body(exchange))
        _check_model(request)
        items = [*self._earlier(request), *request.input]
        check_calls_answered(items)
        behaviour = exchange.take_behaviour()
        if isinstance(behaviour, Status):
            raise scripted_error(behaviour)
        reply = compose(read_prompt(request, items), behaviour)
        usage = self._usage(request, items, reply)
        response = build_response(
            request, reply, usage, response_id=mint("resp_"), created_at=self._stage.now()
        )
        pace = self._stage.pace
        headers = _headers(usage.input_tokens, processing_s=pace.first_byte_s)
        fault = behaviour if isinstance(behaviour, ErrorEvent) else None
        if request.store is not False and fault is None:
            self._store(response, items)
        if request.stream:
            events = stream_response(response, reply, fault)
            return exchange.reply_events(events, headers=headers, behaviour=behaviour, pace=pace)
        answer = fail(response, fault) if fault else response
        return exchange.reply_json(answer, headers=headers, behaviour=behaviour, pace=pace)

    def _earlier(self, request: ResponsesRequest) -> list[Item]:
        if request.conversation is not None:
            raise OpenAIWireError(404, "Conversation not found.", param="conversation")
        previous = request.previous_response_id
        if previous is None:
            return []
        if previous not in self._stored:
            raise OpenAIWireError(
                404,
                f"Previous response with id '{previous}' not found.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        return self._stored[previous]

    def _store(self, response: dict[str, object], items: Sequence[Item]) -> None:
        self._stored[str(response["id"])] = [*items, *Items.validate_python(response["output"])]
        if len(self._stored) > MAX_STORED:
            self._stored.popitem(last=False)

    def _usage(self, request: ResponsesRequest, items: Sequence[Item], reply: Reply) -> OpenAIUsage:
        instructions = read_instructions(request, items)
        tools = describe_tools(request)
        prefix = estimate_tokens(tools) + estimate_tokens(instructions)
        cached = written = 0
        if prefix >= SHORTEST_PREFIX:
            known = self._stage.cache.remember(NAME, request.model, tools, instructions)
            cached, written = (prefix, 0) if known else (0, prefix)
        spoken = reply.text + "".join(f"{call.name}{call.arguments}" for call in reply.calls)
        return OpenAIUsage(
            input_tokens=prefix + count_tokens(items),
            output_tokens=estimate_tokens(spoken),
            cached_tokens=cached,
            cache_write_tokens=written,
        )


def _admit(exchange: Exchange) -> None:
    scheme, _, key = exchange.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise OpenAIWireError(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization "
            "header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )
    if not exchange.stage.accepts(key):
        raise OpenAIWireError(401, "Incorrect API key provided.", code="invalid_api_key")


def _body(exchange: Exchange) -> object:
    match exchange.body_fault:
        case "too_large":
            raise OpenAIWireError(413, "The request body is too large.")
        case "not_json":
            raise OpenAIWireError(400, "We could not parse the JSON body of your request.")
        case None:
            return exchange.body


def _check_model(request: ResponsesRequest) -> None:
    if describe_model(request.model) is None:
        raise OpenAIWireError(
            404,
            f"The model `{request.model}` does not exist or you do not have access to it.",
            param="model",
            code="model_not_found",
        )
    for name, value in (("temperature", request.temperature), ("top_p", request.top_p)):
        if value is not None and not takes_temperature(request.model):
            raise OpenAIWireError(
                400,
                f"Unsupported parameter: '{name}' is not supported with this model.",
                param=name,
                code="unsupported_parameter",
            )


def _list_models(exchange: Exchange) -> Response:
    models = [describe_model(model) for model in MODELS]
    return exchange.reply_json({"object": "list", "data": models}, headers=_headers())


def _show_model(exchange: Exchange) -> Response:
    model = str(exchange.request.path_params["model"])
    found = describe_model(model)
    if found is None:
        raise OpenAIWireError(
            404, f"The model '{model}' does not exist", param="model", code="model_not_found"
        )
    return exchange.reply_json(found, headers=_headers())


def _no_such_url(exchange: Exchange) -> NoReturn:
    request = exchange.request
    raise OpenAIWireError(404, f"Invalid URL ({request.method} {request.url.path})")


def _headers(
    tokens: int = 0, *, processing_s: float = 0.0, retry_after_s: float | None = None
) -> dict[str, str]:
    """Return the headers of every answer; the limits are stated, not enforced."""
    is_limited = retry_after_s is not None
    reset = f"{retry_after_s:g}s" if is_limited else "6ms"
    return {
        "x-request-id": mint("req_"),
        "openai-version": "2020-10-01",
        "openai-processing-ms": str(round(processing_s * 1_000)),
        "x-ratelimit-limit-requests": str(REQUESTS_A_MINUTE),
        "x-ratelimit-limit-tokens": str(TOKENS_A_MINUTE),
        "x-ratelimit-remaining-requests": str(0 if is_limited else REQUESTS_A_MINUTE - 1),
        "x-ratelimit-remaining-tokens": str(0 if is_limited else max(TOKENS_A_MINUTE - tokens, 0)),
        "x-ratelimit-reset-requests": reset,
        "x-ratelimit-reset-tokens": reset,
        **retry_headers(retry_after_s),
    }
