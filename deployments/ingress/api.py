"""The HTTP surface: the route table, and the Starlette application made of it."""

import importlib.metadata
from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from deployments.ingress import (
    anthropic_schema,
    openai_chat_schema,
    openai_models_schema,
    openai_responses_schema,
    openapi,
    problem,
    routes,
    schema,
)
from deployments.ingress.anthropic_errors import ANTHROPIC_ERRORS
from deployments.ingress.chat import Chat
from deployments.ingress.compatible import REQUEST_HEADERS, Compatible
from deployments.ingress.evidence import Evidence
from deployments.ingress.limits import BodyLimit
from deployments.ingress.openai_errors import OPENAI_ERRORS
from deployments.ingress.platforms import Platforms
from deployments.ingress.routes import PUBLIC, Authenticate, Call, Operation


def operations(
    chat: Chat, platforms: Platforms, evidence: Evidence, compatible: Compatible
) -> list[Operation]:
    """The route table."""
    answer, body = schema.AnswerBody, schema.ChatBody
    return [
        Operation(
            "POST", "/v3/chat", "Answer a customer over the platform that fits best",
            "chat:create", "chat", "action", chat.auto, answer, body, streams=True,
        ),
        Operation(
            "POST", "/v3/openai/chat", "Answer over OpenAI",
            "chat:create", "chat", "action", chat.openai, answer, schema.FixedChatBody, streams=True,
        ),
        Operation(
            "POST", "/v3/anthropic/chat", "Answer over Anthropic Claude",
            "chat:create", "chat", "action", chat.anthropic, answer, schema.FixedChatBody, streams=True,
        ),
        Operation(
            "POST", "/v3/azure/chat", "Answer over Azure OpenAI",
            "chat:create", "chat", "action", chat.azure, answer, schema.FixedChatBody, streams=True,
        ),
        Operation(
            "POST", "/v3/google/vertex", "Answer over Google Vertex AI",
            "chat:create", "chat", "action", chat.vertex, answer, schema.FixedChatBody, streams=True,
        ),
        Operation(
            "POST", "/v3/microsoft/copilot", "Answer over Microsoft Copilot Studio",
            "chat:create", "chat", "action", chat.copilot, answer, schema.FixedChatBody, streams=True,
        ),
        Operation(
            "POST", "/v3/platforms/route", "Answer over a named platform, or only decide",
            "platforms:route", "chat", "action", chat.route, schema.RouteAnswer, schema.RouteBody, streams=True,
        ),
        Operation(
            "GET", "/v3/platforms/status", "How every platform does",
            "platforms:read", "read", "access", platforms.status, schema.StatusBody,
        ),
        Operation(
            "GET", "/v3/decisions/{id}", "Why an answer came from where it came",
            "decisions:read", "read", "access", evidence.decision, schema.KeptDecision,
        ),
        Operation(
            "GET", "/healthz", "This process is up",
            PUBLIC, "health", "none", platforms.healthz, schema.Health,
        ),
        Operation(
            "GET", "/readyz", "Platforms and stores can be used",
            PUBLIC, "health", "none", platforms.readyz, schema.Health,
        ),
        *_vendors(compatible),
    ]  # fmt: skip


def _vendors(compatible: Compatible) -> list[Operation]:
    """The routes that the vendors' own clients call."""
    return [
        Operation(
            "POST", "/v1/chat/completions", "OpenAI's chat completions, over any platform",
            "chat:create", "chat", "action", compatible.chat_completions,
            openai_chat_schema.ChatCompletionAnswer, openai_chat_schema.ChatCompletionsBody,
            streams=True, errors=OPENAI_ERRORS, headers=REQUEST_HEADERS,
        ),
        Operation(
            "POST", "/v1/responses", "OpenAI's responses, over any platform",
            "chat:create", "chat", "action", compatible.responses,
            openai_responses_schema.ResponsesAnswer, openai_responses_schema.ResponsesBody,
            streams=True, errors=OPENAI_ERRORS, headers=REQUEST_HEADERS,
        ),
        Operation(
            "POST", "/v1/messages", "Anthropic's messages, over any platform",
            "chat:create", "chat", "action", compatible.messages,
            anthropic_schema.MessagesAnswer, anthropic_schema.MessagesBody,
            streams=True, errors=ANTHROPIC_ERRORS, headers=REQUEST_HEADERS,
        ),
        Operation(
            "GET", "/v1/models", "What `model` may be on the vendors' routes",
            "platforms:read", "read", "access", compatible.models,
            openai_models_schema.ModelsAnswer, errors=OPENAI_ERRORS,
        ),
    ]  # fmt: skip


def application(
    table: Sequence[Operation],
    authenticate: Authenticate,
    permissions: frozenset[str],
    max_body_bytes: int,
) -> Starlette:
    """The ASGI application of one replica.

    Raises:
        ValueError: a row of the table is not complete.
    """
    version = importlib.metadata.version("supportmax")
    document: dict[str, object] = {}

    async def describe(call: Call) -> Response:
        return routes.reply(document)

    described = Operation(
        "GET", "/openapi.json", "This description", PUBLIC, "read", "none", describe, None
    )
    every = [*table, described]
    document.update(openapi.document(every, version))

    async def refuse(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            return problem.response(error)
        response = problem.response(problem.from_http(error))
        response.headers.update(error.headers or {})  # 405 says what is allowed
        return response

    def limit(app: ASGIApp) -> ASGIApp:
        return BodyLimit(app, max_body_bytes)

    app = Starlette(
        routes=routes.build(every, authenticate, permissions),
        middleware=[Middleware(limit)],
        exception_handlers={HTTPException: refuse, Exception: refuse},
    )
    # A POST is not sent elsewhere for a slash too many: there is nothing at that address.
    app.router.redirect_slashes = False
    return app
