"""GET /.well-known/oauth-protected-resource/mcp: how a client that knows only /mcp gets in."""

from pydantic import BaseModel, Field
from starlette.responses import Response

from config.gateway import GatewaySecurity
from deployments.ingress.routes import PUBLIC, Call, Operation, reply
from deployments.mcp_gateway import hosts
from deployments.mcp_gateway.resource_metadata import METADATA_PATH, PATH, metadata, resource_url


class ProtectedResource(BaseModel):
    """The OAuth protected resource metadata of RFC 9728."""

    resource: str = Field(description="The address of the MCP gateway.")
    resource_name: str
    bearer_methods_supported: list[str]
    scopes_supported: list[str]
    authorization_servers: list[str] | None = Field(
        default=None, description="Who issues tokens; absent where API keys are the credentials."
    )


class McpMetadata:
    """The route; the gateway itself is another application, below /mcp."""

    def __init__(self, security: GatewaySecurity) -> None:
        self._security = security

    def operations(self) -> list[Operation]:
        """Its row of the route table."""
        return [
            Operation(
                "GET", METADATA_PATH, "How MCP clients get in (RFC 9728)",
                PUBLIC, "read", "none", self.describe, ProtectedResource,
            )
        ]  # fmt: skip

    async def describe(self, call: Call) -> Response:
        """The document, for the address it was asked at or the configured one."""
        request, allowed = call.request, self._security
        if hosts.foreign(request.headers, allowed.allowed_hosts, allowed.allowed_origins):
            return Response("This Host or Origin is not allowed.", 421)
        return reply(metadata(allowed, resource_url(allowed, request, PATH)))
