"""What a vendor's cloud reads at the gateway when it calls tools by itself: tokens, as in its prompt."""

import re
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote

from pydantic import BaseModel

from deployments.mcp_gateway.wire import CALLER
from deployments.privacy.find import CORE
from deployments.privacy.sealer import Sealer, aside

if TYPE_CHECKING:
    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
    from starlette.requests import Request

    from deployments.mcp_gateway.caller import Caller
    from deployments.privacy.seal import Seal

# What is no words of anybody: which kind a block is, of whom it is for, and what is not looked into.
_AS_IT_IS = frozenset({"type", "mimeType", "data", "blob", "audience"})
_BELOW = frozenset({"resource", "annotations"})
_BRACKETED = re.compile(rf"\[({CORE})\]")
# What RFC 3986 reserves; the letters, digits and four marks that it does not stay in any case.
_OF_ADDRESSES = ":/?#[]@!$&'()*+,;="


class HostedSeal:
    """Middleware of the protocol's server: it seals what goes to callers with a token of ours.

    Whoever comes with a key of their own reads what they may read anywhere. Answers are all that
    such a token gets: `wire` gives it no questions and no progress.
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
        said = (body.get("content"), body.get("structuredContent"))
        return await aside(seal, said, lambda: _sealed(seal, body))


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
    """A block so: every word in it, of whichever member, and of the resource within it."""
    told = dict[str, Any]()
    for name, value in block.items():
        if name in _AS_IT_IS:
            told[name] = value
        elif name in _BELOW and isinstance(value, dict):
            told[name] = _block(seal, value)
        elif name == "uri" and isinstance(value, str):
            told[name] = _address(seal, value)
        else:
            sealed = seal.json(value)
            # A size or a priority is a number or is not there: a client refuses what is another thing.
            if isinstance(sealed, str) == isinstance(value, str):
                told[name] = sealed
    return told


def _address(seal: "Seal", uri: str) -> str:
    """An address so: as it would be read, and without brackets, for which a client would refuse it."""
    plain = unquote(uri)
    sealed = _BRACKETED.sub(r"\1", seal.text(plain))
    return uri if sealed == plain else quote(sealed, safe=_OF_ADDRESSES)
