"""The Azure OpenAI simulator: OpenAI's Responses wire behind Azure's addresses, keys and words.

It answers under `/azure/openai/v1/` and, where an `api-version` is given, under the older
`/azure/openai/`. A deployment is called like its model, or ends with its name behind a
dash: `support-gpt-6-luna`.
"""

import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import override

from deployments.simulators.azure_errors import AzureWireError, known_error, scripted_error
from deployments.simulators.embeddings_api import Embeddings
from deployments.simulators.exchange import Exchange, Stage
from deployments.simulators.faults import Status
from deployments.simulators.openai_errors import OpenAIWireError
from deployments.simulators.openai_models import MODELS, describe_model
from deployments.simulators.responses_api import Dialect, Responses, answered, limit_headers

NAME = "azure"
REGION = "Sweden Central"
_EVERY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")


def azure_app(stage: Stage) -> Starlette:
    """Return the simulator as an application to mount under `/azure`."""
    dialect = _Azure(stage)
    responses = Responses(stage, dialect)

    def versioned(answer: Callable[[Exchange], Response]) -> Callable[[Exchange], Response]:
        def checked(exchange: Exchange) -> Response:
            if not _API_VERSION.fullmatch(exchange.request.query_params.get("api-version", "")):
                raise _no_such_resource()
            return answer(exchange)

        return checked

    older_create = answered(stage, dialect, versioned(responses.create))
    older_models = answered(stage, dialect, versioned(dialect.list_models))
    models = answered(stage, dialect, dialect.list_models)
    model = answered(stage, dialect, dialect.show_model)
    create = answered(stage, dialect, responses.create)
    embeddings = answered(stage, dialect, Embeddings(dialect).create)
    nothing = answered(stage, dialect, _refuse)
    return Starlette(
        routes=[
            Route("/openai/v1/responses", create, methods=["POST"]),
            Route("/openai/v1/embeddings", embeddings, methods=["POST"]),
            Route("/openai/v1/models", models, methods=["GET"]),
            Route("/openai/v1/models/{model}", model, methods=["GET"]),
            Route("/openai/responses", older_create, methods=["POST"]),
            Route("/openai/models", older_models, methods=["GET"]),
            Route("/{path:path}", nothing, methods=_EVERY_METHOD),
        ]
    )


class _Azure(Dialect):
    """How Azure speaks the Responses wire."""

    name = NAME

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @override
    def admit(self, exchange: Exchange) -> None:
        headers = exchange.request.headers
        scheme, _, token = headers.get("authorization", "").partition(" ")
        key = headers.get("api-key") or (token if scheme.lower() == "bearer" else None)
        if not exchange.stage.accepts(key):
            raise known_error(401)

    @override
    def find_model(self, name: str) -> str:
        model = next((m for m in MODELS if name == m or name.endswith(f"-{m}")), None)
        if model is None:
            raise known_error(404)
        return model

    @override
    def scripted_error(self, fault: Status) -> OpenAIWireError:
        return scripted_error(fault)

    @override
    def headers(
        self, tokens: int = 0, *, processing_s: float = 0.0, retry_after_s: float | None = None
    ) -> dict[str, str]:
        return {
            "apim-request-id": str(uuid.uuid4()),
            "x-request-id": str(uuid.uuid4()),
            "x-ms-region": REGION,
            "x-envoy-upstream-service-time": str(round(processing_s * 1_000)),
            **limit_headers(self._stage, NAME, tokens, retry_after_s),
        }

    def list_models(self, exchange: Exchange) -> Response:
        """Answer `GET /models`: the base models of the region, not the deployments."""
        behaviour = exchange.take_list_behaviour()
        if isinstance(behaviour, Status):
            raise scripted_error(behaviour)
        page = {"object": "list", "data": [_describe(model) for model in MODELS]}
        return exchange.reply_json(page, headers=self.headers(), behaviour=behaviour)

    def show_model(self, exchange: Exchange) -> Response:
        """Answer `GET /models/{id}`."""
        model = str(exchange.request.path_params["model"])
        if model not in MODELS:
            raise _no_such_resource()
        return exchange.reply_json(_describe(model), headers=self.headers())


def _describe(model: str) -> dict[str, object]:
    """Return a model as Azure lists it: OpenAI's fields, and the end as a second of inference."""
    known = describe_model(model) or {}
    ends = known.get("shutdown_date")
    described: dict[str, object] = {
        "id": model,
        "object": "model",
        "created": known.get("created"),
        "created_at": known.get("created"),
        "owned_by": "system",
        "status": "succeeded",
        "lifecycle_status": "deprecated" if ends else "generally-available",
        "capabilities": {"inference": True, "chat_completion": True, "fine_tune": False},
    }
    if isinstance(ends, str):
        second = datetime.fromisoformat(ends).replace(tzinfo=UTC).timestamp()
        described["deprecation"] = {"inference": int(second)}
    return described


def _no_such_resource() -> AzureWireError:
    return AzureWireError(404, "404", "Resource not found")


def _refuse(_: Exchange) -> NoReturn:
    raise _no_such_resource()
