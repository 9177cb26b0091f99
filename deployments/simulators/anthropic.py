"""The Anthropic simulator: `/anthropic/v1/messages` and `/v1/models` on the wire of Anthropic."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NoReturn

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.simulators.answer import estimate_tokens
from deployments.simulators.anthropic_errors import (
    AnthropicWireError,
    error_body,
    scripted_error,
)
from deployments.simulators.anthropic_models import MAX_OUTPUT_TOKENS, MODELS, describe_model
from deployments.simulators.anthropic_request import MessagesRequest, parse_request
from deployments.simulators.anthropic_response import (
    AnthropicUsage,
    build_message,
    stream_message,
)
from deployments.simulators.anthropic_turns import (
    cacheable_prefixes,
    check_turns,
    count_tokens,
    describe_tools,
    read_prompt,
    read_system,
)
from deployments.simulators.exchange import Exchange, Stage, mint, retry_headers
from deployments.simulators.faults import ContentFilter, ErrorEvent, Status
from deployments.simulators.hosted import Hosted, anthropic_blocks, anthropic_hosted
from deployments.simulators.prompt_cache import SHORTEST_PREFIX
from deployments.simulators.reply import Reply, compose
from deployments.simulators.schema import as_list

NAME = "anthropic"
VERSIONS = ("2023-06-01", "2026-10-21")
WITHOUT_SAMPLING = "2026-10-21"  # the version which took temperature, top_p and top_k away
A_MINUTE = {
    "requests": 4_000,
    "tokens": 2_400_000,
    "input-tokens": 2_000_000,
    "output-tokens": 400_000,
}
_EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def anthropic_app(stage: Stage) -> Starlette:
    """Return the simulator as an application to mount under `/anthropic`."""

    def endpoint(
        answer: Callable[[Exchange], Response],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            exchange = await stage.receive(NAME, request)
            try:
                _admit(exchange)
                if answer is _create_message:
                    exchange, hosted = await anthropic_hosted(exchange)
                    return _create_message(exchange, hosted)
                return answer(exchange)
            except AnthropicWireError as error:
                headers = _headers(stage, retry_after_s=error.retry_after_s)
                body = error_body(error.type, error.message, headers["request-id"], error.code)
                return exchange.reply_json(body, status=error.status, headers=headers)

        return handle

    return Starlette(
        routes=[
            Route("/v1/messages", endpoint(_create_message), methods=["POST"]),
            Route("/v1/models", endpoint(_list_models), methods=["GET"]),
            Route("/v1/models/{model}", endpoint(_show_model), methods=["GET"]),
            Route("/{path:path}", endpoint(_no_such_url), methods=_EVERY_METHOD),
        ]
    )


def _create_message(exchange: Exchange, hosted: Hosted | None = None) -> Response:
    request = parse_request(_body(exchange))
    _check_model(request)
    _check_sampling(exchange, request)
    check_turns(request.messages)
    behaviour = exchange.take_behaviour()
    match behaviour:
        case Status():
            raise scripted_error(behaviour)
        case ContentFilter():
            raise AnthropicWireError(400, "Output blocked by content filtering policy")
        case ErrorEvent(code=code, message=message) if not request.stream:
            # Without a stream there is no 200 to take back.
            raise AnthropicWireError(529, message or "Overloaded", type=code)
    prompt = read_prompt(request)
    if hosted is not None:
        found = tuple(call.result for call in hosted.calls)
        prompt = replace(prompt, results=(*prompt.results, *found))
    reply = compose(prompt, behaviour)
    usage = _usage(exchange.stage, request, reply)
    answer = build_message(request, reply, usage, message_id=mint("msg_"))
    if hosted is not None:
        did = anthropic_blocks(hosted, [mint("mcptoolu_") for _ in hosted.calls])
        answer["content"] = [*did, *as_list(answer["content"])]
    headers = _headers(exchange.stage, usage.input_tokens, usage.output_tokens)
    pace = exchange.stage.pace
    if request.stream:
        fault = behaviour if isinstance(behaviour, ErrorEvent) else None
        events = stream_message(answer, reply, fault)
        return exchange.reply_events(events, headers=headers, behaviour=behaviour, pace=pace)
    return exchange.reply_json(answer, headers=headers, behaviour=behaviour, pace=pace)


def _admit(exchange: Exchange) -> None:
    headers = exchange.request.headers
    scheme, _, token = headers.get("authorization", "").partition(" ")
    key = headers.get("x-api-key") or (token if scheme.lower() == "bearer" else None)
    if not key:
        raise AnthropicWireError(401, "x-api-key header is required")
    if not exchange.stage.accepts(key):
        raise AnthropicWireError(401, "invalid x-api-key")
    version = headers.get("anthropic-version")
    if version is None:
        raise AnthropicWireError(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise AnthropicWireError(400, f'anthropic-version: "{version}" is not a valid version')


def _body(exchange: Exchange) -> object:
    match exchange.body_fault:
        case "too_large":
            raise AnthropicWireError(413, "Request exceeds the maximum size")
        case "not_json":
            raise AnthropicWireError(400, "The request body is not valid JSON")
        case None:
            return exchange.body


def _check_model(request: MessagesRequest) -> None:
    if describe_model(request.model) is None:
        raise AnthropicWireError(404, f"model: {request.model}")
    if request.max_tokens > MAX_OUTPUT_TOKENS:
        raise AnthropicWireError(
            400,
            f"max_tokens: {request.max_tokens} > {MAX_OUTPUT_TOKENS}, which is the maximum allowed "
            f"number of output tokens for {request.model}",
        )


def _check_sampling(exchange: Exchange, request: MessagesRequest) -> None:
    if exchange.request.headers["anthropic-version"] != WITHOUT_SAMPLING:
        return
    for name in ("temperature", "top_p", "top_k"):
        if getattr(request, name) is not None:
            raise AnthropicWireError(
                400, f"{name}: not supported in API version {WITHOUT_SAMPLING}"
            )


def _usage(stage: Stage, request: MessagesRequest, reply: Reply) -> AnthropicUsage:
    prefix = estimate_tokens(describe_tools(request)) + estimate_tokens(read_system(request))
    written = read = 0
    for marked in cacheable_prefixes(request):
        tokens = estimate_tokens(marked)
        if tokens >= SHORTEST_PREFIX:
            # Each breakpoint is looked up, and the longest prefix that is known is read.
            read = tokens if stage.cache.remember(NAME, request.model, marked) else read
            written = tokens
    created = written - read
    return AnthropicUsage(
        input_tokens=prefix - created - read + count_tokens(request.messages),
        output_tokens=reply.tokens,
        cache_creation_tokens=created,
        cache_read_tokens=read,
    )


def _list_models(exchange: Exchange) -> Response:
    behaviour = exchange.take_list_behaviour()
    if isinstance(behaviour, Status):
        raise scripted_error(behaviour)
    models = [describe_model(model) for model in MODELS]
    page = {"data": models, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]}
    return exchange.reply_json(page, headers=_headers(exchange.stage), behaviour=behaviour)


def _show_model(exchange: Exchange) -> Response:
    model = str(exchange.request.path_params["model"])
    found = describe_model(model)
    if found is None:
        raise AnthropicWireError(404, f"model: {model}")
    return exchange.reply_json(found, headers=_headers(exchange.stage))


def _no_such_url(_: Exchange) -> NoReturn:
    raise AnthropicWireError(404, "Not Found")


def _headers(
    stage: Stage, read: int = 0, written: int = 0, *, retry_after_s: float | None = None
) -> dict[str, str]:
    """Return the headers of every answer; the limits are stated, not enforced."""
    spent = {
        "requests": 1,
        "tokens": read + written,
        "input-tokens": read,
        "output-tokens": written,
    }
    left = stage.allowances.take(NAME, A_MINUTE, spent, stage.now(), retry_after_s)
    headers = {
        "request-id": mint("req_"),
        "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
        **retry_headers(retry_after_s),
    }
    for unit, limit in A_MINUTE.items():
        headers[f"anthropic-ratelimit-{unit}-limit"] = str(limit)
        headers[f"anthropic-ratelimit-{unit}-remaining"] = str(left.units[unit])
        headers[f"anthropic-ratelimit-{unit}-reset"] = f"{left.resets_at:%Y-%m-%dT%H:%M:%SZ}"
    return headers
