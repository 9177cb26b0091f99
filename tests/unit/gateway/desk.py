"""Approvals that a test decides."""

from deployments.mcp_gateway.approvals import Offered
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool import Approval, ApprovalState, Tool, ToolOutcome
from deployments.security.principal import Principal
from routing.message import JsonObject


class Desk:
    """One approval; `rules` is what the tenant's own rules say of every call."""

    def __init__(self, rules: str | None = None, *, away: bool = False) -> None:
        self.state: ApprovalState = "waiting"
        self._spent = False
        self._kept: ToolOutcome | None = None
        self._rules = rules
        self._away = away

    async def reason(
        self, caller: Caller, tool: Tool, arguments: JsonObject, idempotency_key: str | None
    ) -> str | None:
        if self._away:
            raise ConnectionError
        return self._rules

    async def request(
        self, caller: Caller, tool: Tool, arguments: JsonObject, reason: str
    ) -> Approval:
        return Approval("apr_1", tool.name, reason, "pay", self.state, 0.0)

    async def decide(
        self, approver: Principal, approval_id: str, approved: bool, offered: Offered
    ) -> Approval:
        self.state = "approved" if approved else "refused"
        return Approval(approval_id, "", "", "", self.state, 0.0)

    async def confirm(
        self, requester: Principal, approval_id: str, approved: bool, offered: Offered
    ) -> Approval:
        return await self.decide(requester, approval_id, approved, offered)

    async def spend(self, tenant: str, approval_id: str) -> bool:
        first, self._spent = not self._spent, True
        return first

    async def finish(self, tenant: str, approval_id: str, outcome: ToolOutcome) -> None:
        self._kept = outcome

    async def outcome(self, tenant: str, approval_id: str) -> tuple[JsonObject, bool] | None:
        return None if self._kept is None else ({"text": self._kept.text}, self._kept.is_error)
