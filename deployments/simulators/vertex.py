"""The Vertex AI simulator, under `/vertex/v1` and `/vertex/v1beta1`: Gemini, and one deployed agent."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import NoReturn

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from deployments.simulators.answer import estimate_tokens
from deployments.simulators.exchange import Exchange, Stage, mint, retry_headers
from deployments.simulators.faults import ErrorEvent, Status
from deployments.simulators.prompt_cache import SHORTEST_PREFIX
from deployments.simulators.reply import compose
from deployments.simulators.vertex_engine import DEPLOYED, answer_call, describe_engine
from deployments.simulators.vertex_errors import VertexWireError, scripted_error, stream_error
from deployments.simulators.vertex_models import MODELS, describe_model
from deployments.simulators.vertex_request import GenerateRequest, parse_request
from deployments.simulators.vertex_response import THOUGHT_TOKENS, Answer
from deployments.simulators.vertex_turns import (
    check_turns,
    count_tokens,
    describe_tools,
    read_prompt,
)

NAME = "vertex"
VERSIONS = ("v1", "v1beta1")
_METHODS = ("generateContent", "streamGenerateContent")
_EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_HEADERS: Mapping[str, str] = {"vary": "X-Origin, Referer", "server": "scaffolding on HTTPServer2"}


def vertex_app(stage: Stage) -> Starlette:
    """Return the simulator as an application to mount under `/vertex`."""

    def endpoint(
        answer: Callable[[Exchange], Response],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def handle(request: Request) -> Response:
            exchange = await stage.receive(NAME, request)
            try:
                _admit(exchange)
                return answer(exchange)
            except VertexWireError as error:
                headers = {**_HEADERS, **retry_headers(error.retry_after_s)}
                return exchange.reply_json(error.body, status=error.code, headers=headers)

        return handle

    place = "/{version}/projects/{project}/locations/{location}"
    return Starlette(
        routes=[
            Route(
                f"{place}/publishers/google/models/{{call}}", endpoint(_generate), methods=["POST"]
            ),
            Route(f"{place}/reasoningEngines/{{call}}", endpoint(_call_engine), methods=["POST"]),
            Route(f"{place}/reasoningEngines", endpoint(_list_engines), methods=["GET"]),
            Route(f"{place}/reasoningEngines/{{engine}}", endpoint(_show_engine), methods=["GET"]),
            Route(
                f"{place}/reasoningEngines/{{engine}}", endpoint(_delete_engine), methods=["DELETE"]
            ),
            Route("/{version}/publishers/google/models", endpoint(_list_models), methods=["GET"]),
            Route(
                "/{version}/publishers/google/models/{model}",
                endpoint(_show_model),
                methods=["GET"],
            ),
            Route("/{path:path}", endpoint(_no_such_url), methods=_EVERY_METHOD),
        ]
    )


def _generate(exchange: Exchange) -> Response:
    model, _, method = str(exchange.request.path_params["call"]).partition(":")
    if method not in _METHODS:
        _no_such_url(exchange)
    streams = method == "streamGenerateContent"
    if streams and exchange.request.query_params.get("alt") != "sse":
        # Without it Google streams the elements of one JSON array, which no SDK asks for.
        raise VertexWireError(400, "This simulator streams with alt=sse only.")
    request = parse_request(_body(exchange))
    if describe_model(model) is None:
        raise VertexWireError(404, _no_such_model(exchange, model))
    check_turns(request.contents)
    behaviour = exchange.take_behaviour()
    match behaviour:
        case Status():
            raise scripted_error(behaviour)
        case ErrorEvent(code=code, message=message) if not streams:
            # Without a stream there is no 200 to take back.
            raise stream_error(code, message)
    stage = exchange.stage
    prompt, thought = read_prompt(request), THOUGHT_TOKENS
    if prompt.max_tokens is not None:
        # One limit for both: a small one is used up by thinking, and nothing is said.
        thought = min(thought, prompt.max_tokens)
        prompt = replace(prompt, max_tokens=prompt.max_tokens - thought)
    answer = Answer(
        reply=compose(prompt, behaviour),
        stop_sequences=tuple(request.generation_config.stop_sequences),
        model=model,
        **_prompt_tokens(stage, model, request),
        thought_tokens=thought,
        response_id=mint("")[:22],
        created=stage.now().isoformat(),
    )
    if streams:
        fault = behaviour if isinstance(behaviour, ErrorEvent) else None
        return exchange.reply_events(
            answer.events(fault), headers=_HEADERS, behaviour=behaviour, pace=stage.pace
        )
    return exchange.reply_json(
        answer.whole(), headers=_HEADERS, behaviour=behaviour, pace=stage.pace
    )


def _call_engine(exchange: Exchange) -> Response:
    _, _, method = str(exchange.request.path_params["call"]).partition(":")
    if method not in ("query", "streamQuery"):
        _no_such_url(exchange)
    return answer_call(exchange, _body(exchange), streams=method == "streamQuery")


def _list_engines(exchange: Exchange) -> Response:
    engine = describe_engine(f"{_resource(exchange)}/{DEPLOYED}")
    return exchange.reply_json({"reasoningEngines": [engine]}, headers=_HEADERS)


def _show_engine(exchange: Exchange) -> Response:
    return exchange.reply_json(describe_engine(_resource(exchange)), headers=_HEADERS)


def _delete_engine(exchange: Exchange) -> Response:
    """Begin to delete it, and nothing more: the simulated agent is always there."""
    behaviour = exchange.take_behaviour()
    if isinstance(behaviour, Status):
        raise scripted_error(behaviour)
    operation = {"name": f"{_resource(exchange)}/operations/{mint('')[:19]}"}
    return exchange.reply_json(operation, headers=_HEADERS)


def _resource(exchange: Exchange) -> str:
    """The name of what is asked for."""
    _, _, name = exchange.request.url.path.partition("/projects/")
    return f"projects/{name}"


def _prompt_tokens(stage: Stage, model: str, request: GenerateRequest) -> dict[str, int]:
    """Count the prompt; Google caches a long beginning without being asked."""
    system = request.system_instruction.text
    tools = describe_tools(request)
    prefix = estimate_tokens(tools) + estimate_tokens(system)
    is_known = prefix >= SHORTEST_PREFIX and stage.cache.remember(NAME, model, tools, system)
    return {
        "prompt_tokens": prefix + count_tokens(request.contents),
        "cached_tokens": prefix if is_known else 0,
    }


def _admit(exchange: Exchange) -> None:
    scheme, _, token = exchange.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise VertexWireError(
            401,
            "Request is missing required authentication credential. Expected OAuth 2 access "
            "token, login cookie or other valid authentication credential.",
            reason="CREDENTIALS_MISSING",
        )
    if not exchange.stage.accepts(token):
        raise VertexWireError(401, reason="ACCESS_TOKEN_TYPE_UNSUPPORTED")
    if exchange.request.path_params.get("version", "v1") not in VERSIONS:
        _no_such_url(exchange)


def _body(exchange: Exchange) -> object:
    match exchange.body_fault:
        case "too_large":
            raise VertexWireError(413)
        case "not_json":
            raise VertexWireError(400, "Invalid JSON payload received. Unexpected token.")
        case None:
            return exchange.body


def _no_such_model(exchange: Exchange, model: str) -> str:
    named = exchange.request.path_params
    path = f"projects/{named['project']}/locations/{named['location']}/publishers/google/models"
    return (
        f"Publisher Model `{path}/{model}` was not found or your project does not have access to "
        "it. Please ensure you are using a valid model version."
    )


def _list_models(exchange: Exchange) -> Response:
    behaviour = exchange.take_list_behaviour()
    if isinstance(behaviour, Status):
        raise scripted_error(behaviour)
    models = [describe_model(model) for model in MODELS]
    return exchange.reply_json({"publisherModels": models}, headers=_HEADERS, behaviour=behaviour)


def _show_model(exchange: Exchange) -> Response:
    model = str(exchange.request.path_params["model"])
    found = describe_model(model)
    if found is None:
        raise VertexWireError(404, f"Publisher Model `{model}` was not found.")
    return exchange.reply_json(found, headers=_HEADERS)


def _no_such_url(exchange: Exchange) -> NoReturn:
    raise VertexWireError(404, f"The requested URL {exchange.request.url.path} was not found.")
