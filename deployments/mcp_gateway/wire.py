"""The gateway as an MCP server: the protocol's words on one side, the gateway's on the other.

Every request carries all there is to know of it, so any replica answers any request. What a
request asks its client travels to the client and back sealed, under keys all replicas share.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from mcp import MCPError
from mcp.server import Server, ServerRequestContext
from mcp.server.caching import CacheHint
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    GetPromptRequestParams,
    GetPromptResult,
    InputRequiredResult,
    InputResponseRequestParams,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from actors.audit.errors import AuditUnavailable
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.tool import Approval
from deployments.mcp_gateway.tool_server import Exchange
from deployments.mcp_gateway.wire_words import wire_result, wire_tool
from routing.errors import AccessError, ConflictError

if TYPE_CHECKING:
    from starlette.requests import Request

CALLER = "supportmax.caller"
"""Where the endpoint leaves the Caller in the request's scope."""

IDEMPOTENCY_KEY = "supportmax/idempotencyKey"
"""In `_meta` of a call: a repeat with the same key and arguments is the same call."""
IDEMPOTENCY_KEY_MAX = 128

# The same in every replica: what one seals another opens only under the same name.
NAME = "supportmax"
# A minute: what a client may still show after a federated server has changed.
LIST_FRESH_MS = 60_000
# A human who is asked has ten minutes; then the call begins anew.
ASKED_S = 600.0

# Whose question the sealed state belongs to: a tool's own, or ours about an approval.
_TOOLS_OWN = "tool:"
_APPROVAL = "approval:"
_ANSWER = "approval"
_FORM = {
    "type": "object",
    "properties": {
        "approve": {
            "type": "boolean",
            "title": "Approve",
            "description": "Whether SupportMax may do this now, once",
        }
    },
    "required": ["approve"],
}

_Context = ServerRequestContext[Any, Any]


def mcp_server(gateway: Gateway, keys: Sequence[bytes], version: str) -> Server[Any]:
    """The server that speaks for `gateway`.

    Args:
        gateway: what it offers.
        keys: at least one of 32 bytes or more; the first seals, all open.
        version: what it tells clients of itself.
    """
    wire = _Wire(gateway)
    private = CacheHint(ttl_ms=LIST_FRESH_MS, scope="private")
    server: Server[Any] = Server(
        NAME,
        version=version,
        title="SupportMax",
        description="Customer support: what the company knows, its tools, and what was said before.",
        cache_hints={
            "tools/list": private,
            "prompts/list": private,
            "resources/list": private,
            "resources/templates/list": private,
            "resources/read": CacheHint(ttl_ms=0, scope="private"),
        },
        get_tool_input_schema=_no_headers,
        on_list_tools=wire.list_tools,
        on_call_tool=wire.call_tool,
        on_list_resources=wire.list_resources,
        on_list_resource_templates=wire.list_templates,
        on_read_resource=wire.read_resource,
        on_list_prompts=wire.list_prompts,
        on_get_prompt=wire.get_prompt,
        on_completion=wire.complete,
    )
    security = RequestStateSecurity(keys=keys, ttl=ASKED_S, bind_principal=_bound_to)
    server.middleware.append(RequestStateBoundary(security, default_audience=NAME))
    return server


class _Wire:
    """The handlers."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def list_tools(
        self, ctx: _Context, params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        tools = await self._gateway.tools(_caller(ctx))
        return ListToolsResult(tools=[wire_tool(tool) for tool in tools])

    async def call_tool(
        self, ctx: _Context, params: CallToolRequestParams
    ) -> CallToolResult | InputRequiredResult:
        caller, exchange = _caller(ctx), _exchange(ctx, params)
        state = params.request_state or ""
        asked = state.startswith(_APPROVAL) and caller.only is None
        if asked:
            await self._settle(caller, state.removeprefix(_APPROVAL), params)
            exchange = replace(exchange, answers=None)
        try:
            outcome = await self._gateway.call(
                caller, params.name, params.arguments or {}, exchange=exchange
            )
        except AccessError as error:
            raise MCPError(INVALID_PARAMS, error.detail) from error
        if outcome.needs_input is not None:
            return _of_the_tool(outcome.needs_input)
        approval = outcome.needs_approval
        if approval is not None and not asked and _can_confirm(ctx, caller, approval):
            return _question(approval)
        return wire_result(outcome)

    async def list_resources(
        self, ctx: _Context, params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        return ListResourcesResult(
            resources=list(await self._gateway.shelf.resources(_caller(ctx)))
        )

    async def list_templates(
        self, ctx: _Context, params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        found = await self._gateway.shelf.templates(_caller(ctx))
        return ListResourceTemplatesResult(resource_templates=list(found))

    async def read_resource(
        self, ctx: _Context, params: ReadResourceRequestParams
    ) -> ReadResourceResult | InputRequiredResult:
        uri = str(params.uri)
        try:
            found = await self._gateway.shelf.read(
                _caller(ctx), uri, exchange=_exchange(ctx, params)
            )
        except AccessError as error:
            raise MCPError(INVALID_PARAMS, error.detail, {"uri": uri}) from error
        return _of_the_tool(found) if isinstance(found, InputRequiredResult) else found

    async def list_prompts(
        self, ctx: _Context, params: PaginatedRequestParams | None
    ) -> ListPromptsResult:
        return ListPromptsResult(prompts=list(await self._gateway.shelf.prompts(_caller(ctx))))

    async def get_prompt(
        self, ctx: _Context, params: GetPromptRequestParams
    ) -> GetPromptResult | InputRequiredResult:
        arguments = params.arguments or {}
        exchange = _exchange(ctx, params)
        try:
            found = await self._gateway.shelf.prompt(
                _caller(ctx), params.name, arguments, exchange=exchange
            )
        except AccessError as error:
            raise MCPError(INVALID_PARAMS, error.detail) from error
        return _of_the_tool(found) if isinstance(found, InputRequiredResult) else found

    async def complete(self, ctx: _Context, params: CompleteRequestParams) -> CompleteResult:
        known = (params.context.arguments if params.context is not None else None) or {}
        argument = (params.argument.name, params.argument.value)
        try:
            found = await self._gateway.shelf.complete(_caller(ctx), params.ref, argument, known)
        except AccessError as error:
            raise MCPError(INVALID_PARAMS, error.detail) from error
        return CompleteResult(completion=found)

    async def _settle(
        self, caller: Caller, approval_id: str, params: InputResponseRequestParams
    ) -> None:
        """Take the human's word; one who closed the form has said nothing, and it goes on waiting."""
        answer = (params.input_responses or {}).get(_ANSWER)
        if not isinstance(answer, ElicitResult) or answer.action == "cancel":
            return
        approved = answer.action == "accept" and (answer.content or {}).get("approve") is True
        try:
            await self._gateway.confirm(caller.principal, approval_id, approved=approved)
        except (AccessError, ConflictError) as error:
            raise MCPError(INVALID_PARAMS, error.detail) from error
        except AuditUnavailable as error:
            raise MCPError(INTERNAL_ERROR, error.detail) from error


def _caller(ctx: _Context) -> Caller:
    request = cast("Request", ctx.request)
    return cast("Caller", request.scope[CALLER])


def _bound_to(ctx: _Context) -> str:
    """Who may go on with what was sealed: the same principal of the same tenant, and nobody else."""
    principal = _caller(ctx).principal
    return f"{principal.tenant}\n{principal.subject}"


def _exchange(ctx: _Context, params: InputResponseRequestParams) -> Exchange:
    if _caller(ctx).only is not None:
        # A vendor's cloud: nobody is in front of it to be asked, and what is told on the way, in
        # questions or in errors, would reach it as it was said. As an answer it is sealed.
        return Exchange(idempotency_key=_idempotency_key(ctx))
    state = params.request_state
    return Exchange(
        progress=ctx.session.report_progress,
        answers=params.input_responses,
        state=state.removeprefix(_TOOLS_OWN) if state and state.startswith(_TOOLS_OWN) else None,
        capabilities=ctx.session.client_capabilities,
        idempotency_key=_idempotency_key(ctx),
        wire=ctx,
    )


def _idempotency_key(ctx: _Context) -> str | None:
    """The key the client put beside the arguments, if it is one."""
    key = dict(ctx.meta or {}).get(IDEMPOTENCY_KEY)
    return key if isinstance(key, str) and 0 < len(key) <= IDEMPOTENCY_KEY_MAX else None


def _of_the_tool(asks: InputRequiredResult) -> InputRequiredResult:
    """A tool's question, its state marked as the tool's."""
    if asks.request_state is None:
        return asks
    return asks.model_copy(update={"request_state": _TOOLS_OWN + asks.request_state})


def _can_confirm(ctx: _Context, caller: Caller, approval: Approval) -> bool:
    """Whether there is a human at the client whose word is enough, and a client that can ask them."""
    if caller.only is not None or approval.state != "waiting" or not approval.can_confirm:
        return False
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return False
    declared = ctx.session.client_capabilities
    elicitation = declared.elicitation if declared is not None else None
    # A client that names neither form nor URL means forms.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def _question(approval: Approval) -> InputRequiredResult:
    message = f"{approval.summary or approval.tool}\n\nYou are asked because {approval.reason}."
    form = ElicitRequestFormParams(message=message, requested_schema=_FORM)
    return InputRequiredResult(
        input_requests={_ANSWER: ElicitRequest(params=form)},
        request_state=_APPROVAL + approval.id,
    )


def _no_headers(name: str) -> None:
    """The arguments of `name` that also travel as headers: of none.

    Without this answer the library lists all tools at every call that has arguments, to look for
    them: 1.7 of 3.3 ms of processor at 24 tools (November 2026).
    """
