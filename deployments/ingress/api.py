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
    budget_schema,
    openai_chat_schema,
    openai_conversations_schema,
    openai_models_schema,
    openai_responses_answer,
    openai_responses_schema,
    openapi,
    problem,
    routes,
    savings_schema,
    schema,
    status_schema,
)
from deployments.ingress.anthropic_errors import ANTHROPIC_ERRORS
from deployments.ingress.budgets import BudgetRoutes
from deployments.ingress.chat import Chat
from deployments.ingress.compatible import Compatible
from deployments.ingress.conversations import ITEM_QUERY, PAGE_QUERY, Conversations
from deployments.ingress.evidence import Evidence
from deployments.ingress.limits import BodyLimit
from deployments.ingress.openai_errors import OPENAI_ERRORS
from deployments.ingress.platforms import Platforms
from deployments.ingress.routes import PROBLEM, PUBLIC, Authenticate, Call, Operation
from deployments.ingress.savings import QUERY as SAVINGS_QUERY
from deployments.ingress.savings import SavingsRoutes
from deployments.ingress.scim_errors import SCIM_ERRORS
from deployments.ingress.served import Served
from deployments.ingress.vendor_limits import REQUEST_HEADERS
from deployments.security.gate import Gate
from deployments.security.request_ids import RequestIds, tell
from deployments.security.trail import Trail

# 8 MiB: one image of the largest size there is (5 MiB of base64) and the text any request may
# bring, or several photographs. Text alone stays under the configured bound (compatible.py).
IMAGES_BODY_BYTES = 8 * 1024 * 1024
LOCKED = "Another run on this conversation is under way"


def operations(
    chat: Chat,
    platforms: Platforms,
    evidence: Evidence,
    compatible: Compatible,
    conversations: Conversations,
    budgets: BudgetRoutes,
    savings: SavingsRoutes,
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
            "platforms:read", "read", "access", platforms.status, status_schema.StatusBody,
        ),
        Operation(
            "GET", "/v3/decisions/{id}", "Why an answer came from where it came",
            "decisions:read", "read", "access", evidence.decision, schema.KeptDecision,
        ),
        Operation(
            "POST", "/v3/decisions/{id}/feedback", "How good the answer was",
            "decisions:rate", "read", "action", evidence.feedback, schema.FeedbackAnswer,
            schema.FeedbackBody, conflict="It has other feedback, or no answer yet",
        ),
        Operation(
            "GET", "/v3/savings", "What routing saved, against what else could have been done",
            "decisions:read", "read", "access", savings.report, savings_schema.SavingsBody,
            query=SAVINGS_QUERY,
        ),
        Operation(
            "GET", "/healthz", "This process is up",
            PUBLIC, "health", "none", platforms.healthz, schema.Health,
        ),
        Operation(
            "GET", "/readyz", "Platforms and stores can be used",
            PUBLIC, "health", "none", platforms.readyz, schema.Health,
        ),
        *_budgets(budgets),
        *_vendors(compatible),
        *_conversations(conversations),
    ]  # fmt: skip


def _budgets(budgets: BudgetRoutes) -> list[Operation]:
    """What may be spent."""
    configured = "It is in the configuration; change it there"
    return [
        Operation(
            "GET", "/v3/budgets", "What is left of the budgets today",
            "budgets:read", "read", "access", budgets.every, budget_schema.BudgetList,
        ),
        Operation(
            "GET", "/v3/budgets/{id}", "What is left of a budget today",
            "budgets:read", "read", "access", budgets.one, budget_schema.BudgetRow,
        ),
        Operation(
            "PUT", "/admin/budgets/{id}", "Make a budget, or change one",
            "budgets:configure", "admin", "action", budgets.put,
            budget_schema.BudgetRow, budget_schema.BudgetBody, conflict=configured,
            intent=budgets.intent,
        ),
        Operation(
            "DELETE", "/admin/budgets/{id}", "Take a budget away",
            "budgets:configure", "admin", "action", budgets.delete,
            budget_schema.BudgetDeleted, conflict=configured,
        ),
    ]  # fmt: skip


def _vendors(compatible: Compatible) -> list[Operation]:
    """The routes that the vendors' own clients call."""
    return [
        Operation(
            "POST", "/v1/chat/completions", "OpenAI's chat completions, over any platform",
            "chat:create", "chat", "action", compatible.chat_completions,
            openai_chat_schema.ChatCompletionAnswer, openai_chat_schema.ChatCompletionsBody,
            streams=True, errors=OPENAI_ERRORS, headers=REQUEST_HEADERS,
            max_body_bytes=IMAGES_BODY_BYTES,
        ),
        Operation(
            "POST", "/v1/responses", "OpenAI's responses, over any platform",
            "chat:create", "chat", "action", compatible.responses,
            openai_responses_answer.ResponsesAnswer, openai_responses_schema.ResponsesBody,
            streams=True, errors=OPENAI_ERRORS, headers=REQUEST_HEADERS, conflict=LOCKED,
            max_body_bytes=IMAGES_BODY_BYTES,
        ),
        Operation(
            "POST", "/v1/messages", "Anthropic's messages, over any platform",
            "chat:create", "chat", "action", compatible.messages,
            anthropic_schema.MessagesAnswer, anthropic_schema.MessagesBody,
            streams=True, errors=ANTHROPIC_ERRORS, headers=REQUEST_HEADERS,
            max_body_bytes=IMAGES_BODY_BYTES,
        ),
        Operation(
            "GET", "/v1/models", "What `model` may be on the vendors' routes",
            "platforms:read", "read", "access", compatible.models,
            openai_models_schema.ModelsAnswer, errors=OPENAI_ERRORS,
        ),
    ]  # fmt: skip


def _conversations(conversations: Conversations) -> list[Operation]:
    """OpenAI's conversations: what a run of /v1/responses may name."""
    one, items = "/v1/conversations/{id}", "/v1/conversations/{id}/items"
    schemas = openai_conversations_schema
    return [
        Operation(
            "POST", "/v1/conversations", "Begin a conversation",
            "chat:create", "read", "action", conversations.create,
            schemas.ConversationAnswer, schemas.ConversationBody, errors=OPENAI_ERRORS,
        ),
        Operation(
            "GET", one, "A conversation and its metadata",
            "chat:create", "read", "access", conversations.show,
            schemas.ConversationAnswer, errors=OPENAI_ERRORS,
        ),
        Operation(
            "POST", one, "Replace a conversation's metadata",
            "chat:create", "read", "action", conversations.relabel,
            schemas.ConversationAnswer, schemas.ConversationLabels, errors=OPENAI_ERRORS,
        ),
        Operation(
            "DELETE", one, "Delete a conversation with all its items",
            "chat:create", "read", "action", conversations.delete,
            schemas.ConversationDeleted, errors=OPENAI_ERRORS,
        ),
        Operation(
            "GET", items, "What was said in a conversation",
            "chat:create", "read", "access", conversations.items,
            schemas.ConversationItems, errors=OPENAI_ERRORS, query=PAGE_QUERY,
        ),
        Operation(
            "POST", items, "Add to a conversation without asking anybody",
            "chat:create", "read", "action", conversations.add,
            schemas.ConversationItems, schemas.ConversationItemsBody,
            errors=OPENAI_ERRORS, conflict=LOCKED,
        ),
        Operation(
            "GET", f"{items}/{{item}}", "One item of a conversation",
            "chat:create", "read", "access", conversations.item,
            schemas.ConversationItem, errors=OPENAI_ERRORS, query=ITEM_QUERY,
        ),
        Operation(
            "DELETE", f"{items}/{{item}}", "Delete one item of a conversation",
            "chat:create", "read", "action", conversations.drop,
            schemas.ConversationAnswer, errors=OPENAI_ERRORS, conflict=LOCKED,
        ),
    ]  # fmt: skip


def application(
    table: Sequence[Operation],
    authenticate: Authenticate,
    permissions: frozenset[str],
    max_body_bytes: int,
    trail: Trail | None = None,
    gate: Gate | None = None,
) -> Starlette:
    """The ASGI application of one replica. `gate` None lets everybody in who can say who they are.

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
            response = _refusal(request.url.path, error)
            tell(response.headers)  # it is sent past `RequestIds`, which the error passed
            return response
        response = _refusal(request.url.path, problem.from_http(error))
        if error.status_code == 405:
            response.headers["Allow"] = routes.methods_at(built, request)
        return response

    own = {op.path: max(op.max_body_bytes, max_body_bytes) for op in every if op.max_body_bytes}
    own |= {
        op.path: min(op.own_body.max_bytes, max_body_bytes)
        for op in every
        if op.own_body is not None and op.own_body.max_bytes is not None
    }

    def limit(app: ASGIApp) -> ASGIApp:
        return BodyLimit(app, max_body_bytes, own, _refusal)

    built = routes.build(every, authenticate, permissions, trail, gate, max_body_bytes)
    app = Starlette(
        routes=built,
        middleware=[
            Middleware(RequestIds),
            *([] if gate is None else [Middleware(Served, gate, _refusal)]),
            Middleware(limit),
        ],
        exception_handlers={HTTPException: refuse, Exception: refuse},
    )
    # A POST is not sent elsewhere for a slash too many: there is nothing at that address.
    app.router.redirect_slashes = False
    return app


def _refusal(path: str, error: Exception) -> Response:
    """What is refused where no row of the table answers for it, in the shape of its neighbours."""
    if path.startswith("/v1/messages"):
        return ANTHROPIC_ERRORS.response(error)
    if f"{path}/".startswith("/scim/v2/"):
        return SCIM_ERRORS.response(error)
    return (OPENAI_ERRORS if f"{path}/".startswith("/v1/") else PROBLEM).response(error)
