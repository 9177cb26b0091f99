"""What goes on record of tools: a call that changes something before it is made, all when they are over.

No argument and no answer is in it. Whom a call is about is recorded under a pseudonym.
"""

from typing import TYPE_CHECKING

from deployments.security.principal import Principal
from deployments.security.trail import Deed, Trail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.audit import Outcome
    from deployments.mcp_gateway.call_log import Ending
    from deployments.mcp_gateway.caller import Caller
    from deployments.mcp_gateway.tool import Tool

# What is not done, or not yet, was not allowed as it was asked.
_OUTCOMES: "Mapping[Ending, Outcome]" = {
    "done": "done", "repeated": "done",
    "tool_error": "failed", "timed_out": "failed", "failed": "failed", "cancelled": "failed",
    "waits_for_approval": "denied", "asks_client": "denied", "rate_limited": "denied",
    "refused": "denied", "unknown": "denied", "under_way": "denied",
}  # fmt: skip


class ToolAudit:
    """The gateway's part of the trail; without one nothing is recorded."""

    def __init__(self, trail: Trail | None) -> None:
        self._trail = trail

    async def begun(self, caller: "Caller", tool: "Tool") -> None:
        """A call is about to be made. Of one that changes something this is on disk at its return.

        Raises:
            AuditUnavailable: it is not, and the call must not be made.
        """
        if self._trail is not None and tool.side_effect != "read":
            deed = Deed(f"tool:{tool.name}", "begun", caller.customer or "", tool.permission)
            await self._trail.commit(caller.principal, deed)

    def ended(self, caller: "Caller", name: str, tool: "Tool | None", ending: "Ending") -> None:
        """What came of a call. The name of a tool that nobody offers is the caller's own words."""
        if self._trail is None:
            return
        deed = Deed("tool", _OUTCOMES[ending], name, reason=ending)
        if tool is not None:
            about = caller.customer or ""
            deed = Deed(f"tool:{tool.name}", _OUTCOMES[ending], about, tool.permission, ending)
        self._trail.note(caller.principal, deed)

    async def decided(self, who: Principal, approval_id: str, *, approved: bool) -> None:
        """A human's word is about to be taken.

        Raises:
            AuditUnavailable: it is not on record, and must not be taken.
        """
        if self._trail is not None:
            action = "approval:approve" if approved else "approval:deny"
            await self._trail.commit(who, Deed(action, "begun", approval_id))
