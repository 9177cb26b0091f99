"""POST /v3/mcp/context: what the company knows about a question, for whoever answers it."""

from typing import TYPE_CHECKING

from starlette.responses import Response

from deployments.ingress.routes import Call, reply
from deployments.mcp_gateway.context import ContextGateway
from deployments.security.reach import may_ask_about, reach_of
from routing.clock import Clock
from routing.errors import AccessError

if TYPE_CHECKING:
    from deployments.ingress.context_schema import ContextBody


class McpContext:
    """The route over the sources of this process."""

    def __init__(self, context: ContextGateway, clock: Clock) -> None:
        self._context = context
        self._clock = clock

    async def find(self, call: Call) -> Response:
        """The best passages of the sources asked; those that failed are named in `degraded`."""
        body: ContextBody = call.body
        principal = call.principal
        if body.user_id is not None and not may_ask_about(principal, body.user_id):
            raise AccessError("not_found", "There is no such customer.")
        began = self._clock.monotonic()
        found = await self._context.get_context(
            principal.tenant,
            body.query,
            body.user_id,
            body.sources,
            body.limit,
            reach_of(principal),
            body.max_tokens,
        )
        passages = [
            {
                "source": hit.passage.source,
                "id": hit.passage.id,
                "title": hit.passage.title,
                "text": hit.passage.text,
                "score": hit.score,
                "url": hit.passage.url,
                "audience": hit.passage.audience,
            }
            for hit in found.hits
        ]
        return reply(
            {
                "passages": passages,
                "took_ms": (self._clock.monotonic() - began) * 1000,
                "degraded": list(found.degraded),
                "cut": found.cut,
            }
        )
