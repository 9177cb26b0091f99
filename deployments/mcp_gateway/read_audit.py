"""What goes on record of reading at the gateway: lists, resources and prompts, whoever asked for them.

Calls of tools are not here: `tool_audit` records those, wherever they come from. An address or a name
is recorded under a pseudonym, and no word of what was read.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from mcp import MCPError
from mcp_types import INTERNAL_ERROR

from deployments.mcp_gateway.wire import CALLER
from deployments.security.trail import Deed, Trail

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from starlette.requests import Request

    from actors.audit import Outcome
    from deployments.mcp_gateway.caller import Caller

# What each is called on record, and where its parameters say what is read.
_READS: Mapping[str, str | None] = {
    "tools/list": None,
    "resources/list": None,
    "resources/templates/list": None,
    "resources/read": "uri",
    "prompts/list": None,
    "prompts/get": "name",
    "completion/complete": None,
}


class ReadAudit:
    """Middleware of the protocol's server: one record for each read, when it is over."""

    def __init__(self, trail: Trail) -> None:
        self._trail = trail

    async def __call__(
        self, ctx: "ServerRequestContext[Any, Any]", call_next: "CallNext"
    ) -> "HandlerResult":
        """One request."""
        if ctx.method not in _READS:
            return await call_next(ctx)
        outcome: Outcome = "failed"
        reason = "cancelled"
        try:
            result = await call_next(ctx)
        except MCPError as error:
            # Everything but a fault of ours is a refusal: it does not exist, or not for this caller.
            is_ours = error.error.code == INTERNAL_ERROR
            outcome, reason = ("failed", "failed") if is_ours else ("denied", "unknown")
            raise
        except Exception:
            reason = "failed"
            raise
        else:
            outcome, reason = "done", "done"
            return result
        finally:
            caller = cast("Caller", cast("Request", ctx.request).scope[CALLER])
            deed = Deed(f"mcp:{ctx.method}", outcome, _named(ctx), reason=reason)
            self._trail.note(caller.principal, deed)


def _named(ctx: "ServerRequestContext[Any, Any]") -> str:
    place = _READS[ctx.method]
    return "" if place is None or ctx.params is None else str(ctx.params.get(place, ""))
