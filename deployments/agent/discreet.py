"""The gateway's door for one answer: servers of others are told tokens, our own the values."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from deployments.agent.hands import Door
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool import Tool, ToolOutcome
from deployments.privacy.names import NamesUnavailable
from deployments.privacy.seal import Seal
from deployments.privacy.sealer import aside
from routing.message import JsonObject


class DiscreetDoor:
    """Calls through `door`; of personal data, others get what their configuration reveals to them."""

    def __init__(self, door: Door, seal: Seal, offered: Sequence[Tool]) -> None:
        self._door = door
        self._seal = seal
        self._others: Mapping[str, Tool] = {
            tool.name: tool for tool in offered if tool.trust == "untrusted"
        }

    async def tools(self, caller: Caller) -> tuple[Tool, ...]:
        """What the caller may call."""
        return await self._door.tools(caller)

    async def call(
        self,
        caller: Caller,
        name: str,
        arguments: JsonObject,
        *,
        idempotency_key: str | None = None,
    ) -> ToolOutcome:
        """Call one of them; tokens that come back are opened, as the customer's own words are."""
        other = self._others.get(name)
        if other is None:
            return await self._door.call(caller, name, arguments, idempotency_key=idempotency_key)
        seal, reveals = self._seal, other.reveals
        try:
            told = await aside(seal, (arguments,), lambda: seal.arguments(arguments, reveals))
        except NamesUnavailable as error:
            # It is one call; the answer may do without.
            return ToolOutcome(f"Not called: {error.detail}", None, True, "own", name)
        outcome = await self._door.call(caller, name, told, idempotency_key=idempotency_key)
        return replace(outcome, text=self._seal.opened(outcome.text))
