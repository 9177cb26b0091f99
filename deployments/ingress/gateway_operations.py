"""The rows over the MCP gateway for those who speak plain HTTP: context, and approvals of tools."""

from deployments.ingress import approval_schema, context_schema
from deployments.ingress.approvals import QUERY as APPROVALS_QUERY
from deployments.ingress.approvals import ApprovalRoutes
from deployments.ingress.mcp_context import McpContext
from deployments.ingress.routes import Operation


def context_operations(context: McpContext) -> list[Operation]:
    """What the company knows, for those who answer by other means than /v3/chat."""
    return [
        Operation(
            "POST", "/v3/mcp/context", "Find what the company knows about a question",
            "mcp:context", "read", "access", context.find, context_schema.ContextAnswer,
            context_schema.ContextBody, further={"404": "There is no such customer"},
        ),
    ]  # fmt: skip


def approval_operations(approvals: ApprovalRoutes) -> list[Operation]:
    """What business tools may not do alone, and the human's word on it.

    A call's arguments may be a customer's own data: who looks at them is on record before they do.
    """
    one, schemas = "/v3/approvals/{id}", approval_schema
    return [
        Operation(
            "GET", "/v3/approvals", "Calls of business tools that wait for a human, or did",
            "approvals:decide", "admin", "action", approvals.every, schemas.ApprovalList,
            query=APPROVALS_QUERY,
        ),
        Operation(
            "GET", one, "One of them, and what came of it",
            "mcp:tools", "admin", "action", approvals.one, schemas.ApprovalRow,
        ),
        Operation(
            "POST", one, "Approve a call, which makes it once, or deny it",
            "approvals:decide", "admin", "action", approvals.decide,
            schemas.ApprovalRow, schemas.ApprovalBody, conflict="It was decided otherwise, or expired",
            intent=lambda call: [call.body.decision],
        ),
    ]  # fmt: skip
