"""The OpenAI simulator: responses, conversations and models below `/openai/v1`, on OpenAI's wire."""

from collections.abc import Callable
from typing import NoReturn

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import override

from deployments.simulators.conversations_api import Conversations
from deployments.simulators.embeddings_api import Embeddings
from deployments.simulators.exchange import Exchange, Stage, mint
from deployments.simulators.faults import Status
from deployments.simulators.openai_errors import OpenAIWireError, scripted_error
from deployments.simulators.openai_models import MODELS, describe_model
from deployments.simulators.responses_api import Dialect, Responses, answered, limit_headers

NAME = "openai"
_EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def openai_app(stage: Stage) -> Starlette:
    """Return the simulator as an application to mount under `/openai`."""
    dialect = _OpenAI(stage)
    conversations = Conversations(stage, dialect)
    responses = Responses(stage, dialect, conversations)

    def route(method: str, path: str, answer: Callable[[Exchange], Response]) -> Route:
        return Route(path, answered(stage, dialect, answer), methods=[method])

    conversation = "/v1/conversations/{conversation}"
    return Starlette(
        routes=[
            route("POST", "/v1/embeddings", Embeddings(dialect).create),
            Route(
                "/v1/responses",
                answered(stage, dialect, responses.create, responses.create),
                methods=["POST"],
            ),
            route("GET", "/v1/responses/{response}", responses.show),
            route("DELETE", "/v1/responses/{response}", responses.delete),
            route("POST", "/v1/conversations", conversations.create),
            route("GET", conversation, conversations.show),
            route("POST", conversation, conversations.update),
            route("DELETE", conversation, conversations.delete),
            route("GET", f"{conversation}/items", conversations.list_items),
            route("POST", f"{conversation}/items", conversations.add_items),
            route("GET", f"{conversation}/items/{{item}}", conversations.show_item),
            route("DELETE", f"{conversation}/items/{{item}}", conversations.delete_item),
            Route("/v1/models", answered(stage, dialect, dialect.list_models), methods=["GET"]),
            Route(
                "/v1/models/{model}", answered(stage, dialect, dialect.show_model), methods=["GET"]
            ),
            Route("/{path:path}", answered(stage, dialect, _no_such_url), methods=_EVERY_METHOD),
        ]
    )


class _OpenAI(Dialect):
    """How OpenAI itself speaks the Responses wire."""

    name = NAME

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @override
    def admit(self, exchange: Exchange) -> None:
        scheme, _, key = exchange.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise OpenAIWireError(
                401,
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            )
        if not exchange.stage.accepts(key):
            raise OpenAIWireError(401, "Incorrect API key provided.", code="invalid_api_key")

    @override
    def find_model(self, name: str) -> str:
        if describe_model(name) is None:
            raise OpenAIWireError(
                404,
                f"The model `{name}` does not exist or you do not have access to it.",
                param="model",
                code="model_not_found",
            )
        return name

    @override
    def scripted_error(self, fault: Status) -> OpenAIWireError:
        return scripted_error(fault)

    @override
    def headers(
        self, tokens: int = 0, *, processing_s: float = 0.0, retry_after_s: float | None = None
    ) -> dict[str, str]:
        return {
            "x-request-id": mint("req_"),
            "openai-version": "2020-10-01",
            "openai-processing-ms": str(round(processing_s * 1_000)),
            **limit_headers(self._stage, NAME, tokens, retry_after_s),
        }

    def list_models(self, exchange: Exchange) -> Response:
        """Answer `GET /models`."""
        behaviour = exchange.take_list_behaviour()
        if isinstance(behaviour, Status):
            raise scripted_error(behaviour)
        page = {"object": "list", "data": [describe_model(model) for model in MODELS]}
        return exchange.reply_json(page, headers=self.headers(), behaviour=behaviour)

    def show_model(self, exchange: Exchange) -> Response:
        """Answer `GET /models/{id}`."""
        model = str(exchange.request.path_params["model"])
        found = describe_model(model)
        if found is None:
            raise OpenAIWireError(
                404, f"The model '{model}' does not exist", param="model", code="model_not_found"
            )
        return exchange.reply_json(found, headers=self.headers())


def _no_such_url(exchange: Exchange) -> NoReturn:
    request = exchange.request
    raise OpenAIWireError(404, f"Invalid URL ({request.method} {request.url.path})")
