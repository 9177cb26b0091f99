"""What the gateway asks of whoever keeps approvals."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool import Approval, Tool, ToolOutcome
from deployments.security.principal import Principal
from routing.message import JsonObject

Offered: TypeAlias = Callable[[str], Awaitable[bool]]
"""Whether somebody is offered a tool of that name themselves."""


class Approvals(Protocol):
    """A queue of calls that wait for a human."""

    async def reason(
        self, caller: Caller, tool: Tool, arguments: JsonObject, idempotency_key: str | None
    ) -> str | None:
        """Why this call needs a human by the tenant's own rules; None where it needs none.

        A call that was made under this key before needs none: it is not made again.
        """
        ...

    async def request(
        self, caller: Caller, tool: Tool, arguments: JsonObject, reason: str
    ) -> Approval:
        """The approval of exactly this call for exactly this caller.

        The one made before while it lives, with what was decided since; else a new one that waits.
        """
        ...

    async def decide(
        self, approver: Principal, approval_id: str, approved: bool, offered: Offered
    ) -> Approval:
        """Decide what somebody else of the approver's tenant asked for, once.

        Nobody approves a call of a tool that they are not `offered`.

        Raises:
            AccessError: the approver may not, or there is no such approval in the tenant.
            ConflictError: it was decided otherwise, or expired.
        """
        ...

    async def confirm(
        self, requester: Principal, approval_id: str, approved: bool, offered: Offered
    ) -> Approval:
        """Take the word of the human in front of the client that asked, where that is enough.

        Raises:
            AccessError: it is not, or there is no such approval of the requester's.
            ConflictError: it was decided otherwise, or expired.
        """
        ...

    async def spend(self, tenant: str, approval_id: str) -> bool:
        """Use an approved one up: true exactly once, so that it allows exactly one call.

        A tool that itself makes an approved call once is allowed it until the call has ended.
        """
        ...

    async def finish(self, tenant: str, approval_id: str, outcome: ToolOutcome) -> None:
        """Keep what came of an approved call; the first word stays."""
        ...

    async def outcome(self, tenant: str, approval_id: str) -> tuple[JsonObject, bool] | None:
        """What came of it, and whether that is an error; None while it has not ended."""
        ...
