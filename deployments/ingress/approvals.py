"""/v3/approvals: the calls of business tools that wait for a human, and what the human said."""

import re
from typing import TYPE_CHECKING

from starlette.responses import Response

from actors.database.approvals import STATES, ApprovalRow, Approvals
from deployments.ingress.parameters import number, word
from deployments.ingress.routes import Call, reply
from deployments.mcp_gateway.business.approval_queue import DECIDE, requester_of
from routing.clock import Clock, rfc3339
from routing.errors import AccessError, RequestError, Violation
from routing.message import Json, JsonObject

if TYPE_CHECKING:
    from deployments.ingress.approval_schema import ApprovalBody
    from deployments.mcp_gateway.gateway import Gateway

LIMIT = 50
LIMIT_MAX = 200
QUERY = {
    "state": word("how far they are; without it all", *STATES),
    "limit": number(f"how many; {LIMIT} without it", 1, LIMIT_MAX),
}
_NUMBER = re.compile(r"[0-9]{1,3}")


class ApprovalRoutes:
    """The routes; `gateway` makes a call that was approved."""

    def __init__(self, approvals: Approvals, gateway: "Gateway", clock: Clock) -> None:
        self._approvals = approvals
        self._gateway = gateway
        self._clock = clock

    async def every(self, call: Call) -> Response:
        """The tenant's, the newest first."""
        asked = call.request.query_params
        if unknown := sorted(set(asked) - set(QUERY)):
            raise _unusable(f"/{unknown[0]}", f"There are: {', '.join(QUERY)}.")
        state = next((known for known in STATES if known == asked.get("state")), None)
        if state is None and "state" in asked:
            raise _unusable("/state", f"It is one of {', '.join(STATES)}.")
        limit = asked.get("limit", str(LIMIT))
        if not _NUMBER.fullmatch(limit) or not 1 <= int(limit) <= LIMIT_MAX:
            raise _unusable("/limit", f"It is a number from 1 to {LIMIT_MAX}.")
        rows = await self._approvals.list(
            call.principal.tenant, state, self._clock.now(), int(limit)
        )
        return reply({"approvals": [_row(row) for row in rows]})

    async def one(self, call: Call) -> Response:
        """One of them, for whoever may decide it and for whoever asked for it."""
        row = await self._found(call)
        if row.principal != call.principal.subject and not call.principal.may(DECIDE):
            raise _unknown(row.id)
        return reply(_row(row))

    async def decide(self, call: Call) -> Response:
        """Approve or deny one. What is approved is made at once, and once, whoever says it how often."""
        body: ApprovalBody = call.body
        approver, approved = call.principal, body.decision == "approve"
        row = await self._found(call)
        decided = await self._gateway.decide(approver, row.id, approved=approved)
        if decided.state == "approved" and row.finished_at is None:
            # In the name of who asked, by the very road their own call takes: the sealed arguments,
            # the same limits, and the approval that allows it once.
            await self._gateway.call(requester_of(row, approver), row.tool, row.arguments)
        return reply(_row(await self._found(call)))

    async def _found(self, call: Call) -> ApprovalRow:
        wanted = call.request.path_params["id"]
        row = await self._approvals.get(call.principal.tenant, wanted, self._clock.now())
        if row is None:
            raise _unknown(wanted)
        return row


def _row(row: ApprovalRow) -> JsonObject:
    outcome: Json = None
    if row.outcome is not None:
        outcome = {"is_error": bool(row.is_error), "result": row.outcome}
    return {
        "id": row.id,
        "state": row.state,
        "tool": row.tool,
        "arguments": row.arguments,
        "reason": row.reason,
        "summary": row.summary,
        "requested_by": row.principal,
        "user_id": row.customer,
        "conversation_id": row.conversation_id,
        "requested_at": rfc3339(row.requested_at),
        "expires_at": rfc3339(row.expires_at),
        "first_approved_by": row.first_by,
        "decided_by": row.decided_by,
        "decided_at": None if row.decided_at is None else rfc3339(row.decided_at),
        "outcome": outcome,
    }


def _unknown(wanted: str) -> AccessError:
    return AccessError("not_found", f"There is no approval {wanted[:64]}.")


def _unusable(where: str, message: str) -> RequestError:
    return RequestError("invalid_request", message, (Violation(where, message),))
