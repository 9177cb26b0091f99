"""What a vendor's cloud reads at the gateway when it calls tools by itself: tokens, as in its prompt."""

from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel

from deployments.mcp_gateway.wire import CALLER
from deployments.privacy.sealer import Sealer, aside

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from starlette.requests import Request

    from deployments.mcp_gateway.caller import Caller
    from deployments.privacy.seal import Seal


class HostedSeal:
    """Middleware of the protocol's server: it seals what goes to callers with a token of ours.

    Whoever comes with a key of their own reads what they may read anywhere.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def __call__(
        self, ctx: "ServerRequestContext[Any, Any]", call_next: "CallNext"
    ) -> "HandlerResult":
        """One request; where there is no key to seal with, it fails."""
        caller = cast("Caller", cast("Request", ctx.request).scope[CALLER])
        if ctx.method != "tools/call" or caller.only is None:
            return await call_next(ctx)
        seal = await self._sealer.seal(
            caller.principal.tenant, caller.conversation_id or "", caller.customer
        )
        result = await call_next(ctx)
        body = _plain(result)
        size = len(str(body.get("content"))) + len(str(body.get("structuredContent")))
        return await aside(seal, size, lambda: _sealed(seal, body))


def _plain(result: "HandlerResult") -> dict[str, Any]:
    if isinstance(result, BaseModel):
        return result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return dict(result or {})


def _sealed(seal: "Seal", body: dict[str, Any]) -> dict[str, Any]:
    """The answer with tokens in its texts; pictures and sounds are not looked into."""
    told = dict(body)
    if "content" in body:
        told["content"] = [_block(seal, block) for block in body["content"]]
    if "structuredContent" in body:
        told["structuredContent"] = seal.json(body["structuredContent"])
    return told


def _block(seal: "Seal", block: dict[str, Any]) -> dict[str, Any]:
    told = dict(block)
    if isinstance(block.get("text"), str):
        told["text"] = seal.text(block["text"])
    if isinstance(block.get("resource"), dict):
        told["resource"] = _block(seal, block["resource"])
    return told
