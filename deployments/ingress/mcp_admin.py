"""/admin/mcp/servers: which MCP servers of others a tenant has, and which of their tools pass."""

import logging
from typing import TYPE_CHECKING

from starlette.responses import Response

from config.upstreams import AddedServer
from deployments.ingress import mcp_admin_schema as schema
from deployments.ingress.routes import Call, Operation, reply
from routing.clock import rfc3339
from routing.message import JsonObject

if TYPE_CHECKING:
    from deployments.mcp_gateway.upstreams.administration import (
        Administration,
        ServerView,
        ToolView,
    )

_log = logging.getLogger(__name__)

PERMISSION = "mcp:configure"


class McpAdmin:
    """The routes of federated servers."""

    def __init__(self, administration: "Administration") -> None:
        self._administration = administration

    async def every(self, call: Call) -> Response:
        """All of the caller's tenant."""
        views = await self._administration.every(call.principal.tenant)
        degraded = [view.name for view in views if view.state != "ready"]
        return reply({"servers": [_server(view) for view in views], "degraded": degraded})

    async def put(self, call: Call) -> Response:
        """Add one or change it; every replica knows it within two seconds."""
        body: schema.ServerBody = call.body
        said = AddedServer.model_validate(body.model_dump(exclude={"name", "version"}))
        view = await self._administration.put(call.principal, body.name, said, body.version)
        by, version = call.principal.subject, view.version
        call.words.append(f"version:{version}")
        _log.warning("the MCP server %s is at version %s by the word of %s", body.name, version, by)
        return reply(_server(view))

    async def delete(self, call: Call) -> Response:
        """Take one away."""
        name = call.request.path_params["name"]
        await self._administration.delete(call.principal, name)
        call.words.append(f"server:{name}")
        _log.warning("the MCP server %s is gone by the word of %s", name, call.principal.subject)
        return reply({"name": name, "deleted": True})

    async def approve(self, call: Call) -> Response:
        """Let a tool pass as it was looked at."""
        body: schema.ApproveBody = call.body
        name, tool = call.request.path_params["name"], call.request.path_params["tool"]
        view = await self._administration.approve(call.principal, name, tool, body.hash)
        by = call.principal.subject
        call.words.append(f"server:{name}")
        _log.warning("the tool %s of %s passes as %s by the word of %s", tool, name, body.hash, by)
        return reply(_tool(view))

    def operations(self) -> list[Operation]:
        """The rows of the route table."""
        configured = "It is in the configuration, or it was changed meanwhile"
        one = "/admin/mcp/servers/{name}"
        return [
            Operation(
                "GET", "/admin/mcp/servers", "MCP servers of others, how they do, and their tools",
                PERMISSION, "read", "access", self.every, schema.ServerList,
            ),
            Operation(
                "POST", "/admin/mcp/servers", "Add an MCP server of others, or change one",
                PERMISSION, "admin", "action", self.put, schema.ServerRow, schema.ServerBody,
                conflict=configured, intent=lambda call: [f"server:{call.body.name}"],
            ),
            Operation(
                "DELETE", one, "Take an MCP server away, with what was approved of it",
                PERMISSION, "admin", "action", self.delete, schema.ServerDeleted,
                conflict=configured,
            ),
            Operation(
                "POST", f"{one}/tools/{{tool}}", "Let a tool pass exactly as it was looked at",
                PERMISSION, "admin", "action", self.approve, schema.ToolRow, schema.ApproveBody,
                conflict="The tool has changed since",
                intent=lambda call: [f"tool_sha256:{call.body.hash}"],
            ),
        ]  # fmt: skip


def _server(view: "ServerView") -> JsonObject:
    return {
        "name": view.name,
        "source": "configuration" if view.is_configured else "administrator",
        "version": view.version,
        "settings": view.settings,
        "state": view.state,
        "problem": view.problem,
        "breaker": view.breaker.value,
        "read_at": None if view.read_at is None else rfc3339(view.read_at),
        "tools": [_tool(tool) for tool in view.tools],
    }


def _tool(view: "ToolView") -> JsonObject:
    return {
        "name": view.name,
        "state": view.state,
        "reason": view.reason,
        "hash": view.hash,
        "side_effect": view.side_effect,
        "needs_approval": view.needs_approval,
        "permission": view.permission,
        "diff": list(view.diff),
    }
