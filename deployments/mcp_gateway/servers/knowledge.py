"""The knowledge server: what the company knows, searched."""

from typing import Annotated

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

from config.gateway import Source
from deployments.mcp_gateway import caller
from deployments.mcp_gateway.business.binding import customer_of
from deployments.mcp_gateway.context import PASSAGES_MAX, ContextGateway
from deployments.mcp_gateway.mounted import Mounted, Rule
from deployments.security.reach import reach_of
from routing.errors import AccessError

NAME = "knowledge"
PERMISSION = "mcp:context"
# Every source has half a second; fusing them is microseconds.
TIMEOUT_S = 2.0


class FoundPassage(BaseModel):
    """One passage, and where it is from."""

    source: str
    id: str
    title: str
    text: str
    url: str | None


class Found(BaseModel):
    """The passages, best first; `degraded` names the sources that failed."""

    passages: list[FoundPassage]
    degraded: list[str]


async def knowledge_server(context: ContextGateway) -> Mounted:
    """The server over the sources of this process."""
    server: MCPServer[object] = MCPServer(NAME, title="Knowledge")

    @server.tool(title="Search what the company knows")
    async def search(
        query: Annotated[str, Field(min_length=1, max_length=2000)],
        sources: list[Source] | None = None,
        limit: Annotated[int, Field(ge=1, le=20)] = PASSAGES_MAX,
    ) -> Found:
        """Search articles, and the records of the customer the conversation is with, if it is with one."""
        asking = caller.current()
        customer = None
        if asking.customer is not None:
            try:
                customer = customer_of(asking, None)
            except AccessError as error:
                raise ToolError(f"{error.code}: {error.detail}") from error
        found = await context.get_context(
            asking.principal.tenant,
            query,
            customer,
            sources,
            limit,
            reach_of(asking.principal),
        )
        passages = [
            FoundPassage(source=p.source, id=p.id, title=p.title, text=p.text, url=p.url)
            for p in found.passages
        ]
        return Found(passages=passages, degraded=list(found.degraded))

    rule = Rule(permission=PERMISSION, side_effect="read", timeout_s=TIMEOUT_S)
    return await Mounted.mount(NAME, PERMISSION, server, {"search": rule})
