"""The gateway: every server behind one door, and one policy for whoever comes through it.

A client over HTTP and the tool loop of this process call the same methods, so there is nothing
that one may and the other may not.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from mcp import MCPError
from mcp_types import CallToolResult, TextContent

from actors.audit.errors import AuditUnavailable
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from deployments.mcp_gateway import call_log, policy
from deployments.mcp_gateway.approvals import Approvals
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.containment import contain, failed
from deployments.mcp_gateway.directory import Servers, rows_of
from deployments.mcp_gateway.limits import Limits
from deployments.mcp_gateway.shelf import Shelf
from deployments.mcp_gateway.tool import SEPARATOR, Approval, Tool, ToolOutcome
from deployments.mcp_gateway.tool_audit import ToolAudit
from deployments.mcp_gateway.tool_server import Exchange, ToolServer, UpstreamFailed
from deployments.security.principal import Principal
from deployments.security.trail import Trail
from routing.clock import Clock
from routing.errors import AccessError, RequestError
from routing.message import JsonObject

_log = logging.getLogger(__name__)

NO_EXCHANGE = Exchange()
MustStand = Callable[[Principal], Awaitable[None]]
"""Returns unless a caller was put out since they were let in; raises AccessError."""

_NEEDS_SIGN_ON = (
    "it takes somebody who signed on: this server knows its callers one by one, and an API key "
    "stands for nobody there."
)


class Gateway:
    """Servers of this process and federated ones, as one.

    `own` are the same for every tenant. `federated` tells the servers of a tenant; one with the
    name of an own server, or of one before it, is not reached. `shelf` has what is no tool.
    `must_stand` is asked before a call that changes something: an answer may be under way for
    minutes, and an approval for a day.
    """

    def __init__(
        self,
        own: Sequence[ToolServer],
        clock: Clock,
        approvals: Approvals | None = None,
        federated: Callable[[str], Sequence[ToolServer]] = lambda _tenant: (),
        trail: Trail | None = None,
        must_stand: MustStand | None = None,
    ) -> None:
        self._must_stand = must_stand
        self._servers = Servers(own, federated)
        self.shelf = Shelf(self._servers)
        self._clock = clock
        self._approvals = approvals
        self._limits = Limits(clock)
        self._audit = ToolAudit(trail)

    async def tools(self, caller: Caller) -> tuple[Tool, ...]:
        """What the caller may call, by name: a list that stays the same keeps prompts cached."""
        rows = await self._servers.gather(caller, lambda server: server.tools(caller))
        visible = (tool for _, tools in rows for tool in tools if policy.visible(caller, tool))
        return tuple(sorted(visible, key=lambda tool: tool.name))

    async def call(
        self,
        caller: Caller,
        name: str,
        arguments: JsonObject,
        *,
        idempotency_key: str | None = None,
        exchange: Exchange = NO_EXCHANGE,
    ) -> ToolOutcome:
        """Call a tool; whatever goes wrong behind the gateway is an outcome.

        Raises:
            AccessError: there is no such tool for this caller, in the same words whether it does
                not exist or is not theirs; or the caller was put out meanwhile.
            MCPError: a server behind the gateway answers with an error of the protocol.
        """
        began = self._clock.monotonic()
        ending: call_log.Ending = "cancelled"
        known: Tool | None = None
        if idempotency_key is not None:
            exchange = replace(exchange, idempotency_key=idempotency_key)
        try:
            server, tool = await self._must_find(caller, name)
            known = tool
            with self._limits.call(caller.principal) as wait_s:
                if wait_s is not None:
                    ending = "rate_limited"
                    return failed(tool, f"Too many calls; try again in {wait_s:.1f} s.")
                approval, held = await self._begun(caller, tool, arguments, exchange)
                if held is not None:
                    ending, outcome = held
                    return outcome
                ending, outcome = await self._run(server, tool, caller, arguments, exchange)
                if approval is not None:
                    if outcome.needs_input is not None:
                        ending, outcome = "failed", _asks_after_all(tool)
                    await self._keep(caller, approval, outcome)
                return outcome
        except AccessError:
            ending = "unknown" if known is None else "refused"
            raise
        except MCPError:
            ending = "failed"
            raise
        finally:
            took_s = self._clock.monotonic() - began
            call_log.write(caller, name, arguments, ending, took_s)
            self._audit.ended(caller, name, known, ending)

    async def decide(self, approver: Principal, approval_id: str, *, approved: bool) -> Approval:
        """Let a human decide a call that waits.

        Raises:
            AccessError: the approver may not, or there is nothing of that id in the tenant.
            AuditUnavailable: nothing was decided.
        """
        if self._approvals is None:
            raise AccessError("not_found", "Nothing waits for an approval here.")
        await self._audit.decided(approver, approval_id, approved=approved)
        return await self._approvals.decide(
            approver, approval_id, approved, partial(self._is_offered, approver)
        )

    async def confirm(self, requester: Principal, approval_id: str, *, approved: bool) -> Approval:
        """Take the word of the human in front of the client that asked.

        Raises:
            AccessError: that is not enough, or nothing of theirs waits under that id.
            AuditUnavailable: nothing was confirmed.
        """
        if self._approvals is None:
            raise AccessError("not_found", "Nothing waits for an approval here.")
        await self._audit.decided(requester, approval_id, approved=approved)
        return await self._approvals.confirm(
            requester, approval_id, approved, partial(self._is_offered, requester)
        )

    async def _begun(
        self, caller: Caller, tool: Tool, arguments: JsonObject, exchange: Exchange
    ) -> tuple[Approval | None, tuple[call_log.Ending, ToolOutcome] | None]:
        """The approval that a call uses up, and how it ends where it is not to be made now.

        Raises:
            AccessError: whoever it is for was put out.
        """
        try:
            if tool.side_effect != "read":
                await self._stands(caller.principal)
            await self._audit.begun(caller, tool)
            approval = await self._approval(caller, tool, arguments, exchange)
            if approval is not None and not await self._spent(caller, approval):
                return approval, await self._unapproved(caller, tool, approval)
        except (RequestError, DatabaseBusy, DatabaseUnavailable, AuditUnavailable) as error:
            return None, ("failed", failed(tool, f"Nothing was done: {error.detail}"))
        except AccessError:
            raise
        except Exception:  # noqa: BLE001  nothing moves because the queue could not be asked
            _log.exception("whether %s needs an approval could not be told", tool.name)
            return None, ("failed", failed(tool, "Nothing was done; the reason is in the log."))
        return approval, None

    async def _stands(self, principal: Principal) -> None:
        if self._must_stand is None:
            return
        try:
            await self._must_stand(principal)
        except AccessError as error:
            # Not "unauthenticated": whoever approved the call hears of it too.
            raise AccessError("forbidden", f"Nothing was done: {error.detail}") from error

    async def _is_offered(self, principal: Principal, name: str) -> bool:
        return await self._find(Caller(principal), name) is not None

    async def _must_find(self, caller: Caller, name: str) -> tuple[ToolServer, Tool]:
        found = await self._find(caller, name)
        if found is None:
            raise AccessError("not_found", f"Unknown tool: {name}")
        return found

    async def _find(self, caller: Caller, name: str) -> tuple[ToolServer, Tool] | None:
        """The tool and who answers for it, if the caller may see it."""
        for server in self._servers.of(caller):
            if server.name and not name.startswith(f"{server.name}{SEPARATOR}"):
                continue
            for tool in await rows_of(server, lambda asked: asked.tools(caller)):
                if tool.name == name and policy.visible(caller, tool):
                    return server, tool
        return None

    async def _approval(
        self, caller: Caller, tool: Tool, arguments: JsonObject, exchange: Exchange
    ) -> Approval | None:
        """The human's word on the call; None where it needs none.

        Raises:
            RequestError: whatever anybody said, the call could not be made.
        """
        if tool.is_personal and caller.subject_token is None:
            # Before a human's word is asked for or used up: it would be for nothing.
            raise RequestError("sign_on_needed", _NEEDS_SIGN_ON)
        reason = policy.needs_human(caller, tool)
        if self._approvals is None:
            if reason is None:
                return None
            return Approval("", tool.name, reason, "", "refused", self._clock.now())
        if reason is None and tool.side_effect != "read":
            key = exchange.idempotency_key
            reason = await self._approvals.reason(caller, tool, arguments, key)
        if reason is None:
            return None
        return await self._approvals.request(caller, tool, arguments, reason)

    async def _spent(self, caller: Caller, approval: Approval) -> bool:
        """Whether the approval lets the call through now; what it allows is then used up."""
        if self._approvals is None or approval.state != "approved":
            return False
        return await self._approvals.spend(caller.principal.tenant, approval.id)

    async def _keep(self, caller: Caller, approval: Approval, outcome: ToolOutcome) -> None:
        """Keep what came of an approved call. Where that fails the caller still learns it."""
        if self._approvals is None:
            return
        try:
            await self._approvals.finish(caller.principal.tenant, approval.id, outcome)
        except (DatabaseBusy, DatabaseUnavailable):
            _log.exception("what came of the approval %s could not be kept", approval.id)

    async def _unapproved(
        self, caller: Caller, tool: Tool, approval: Approval
    ) -> tuple[call_log.Ending, ToolOutcome]:
        """The outcome of a call that is not made now: it waits, was refused, or was made before."""
        match approval.state:
            case "refused":
                text = f"Nothing was done: {approval.reason}, and no human allowed it."
                return "refused", replace(failed(tool, text), needs_approval=approval)
            case "waiting":
                text = (
                    f"Nothing was done yet: {approval.reason}. A human has to approve it "
                    f"(approval {approval.id}); the same call with the same arguments then goes through."
                )
                return "waits_for_approval", replace(failed(tool, text), needs_approval=approval)
            case "approved":
                pass
        kept = None
        if self._approvals is not None:
            kept = await self._approvals.outcome(caller.principal.tenant, approval.id)
        if kept is None:
            text = "A human approved this call and it was begun; what came of it is not known yet."
            return "under_way", failed(tool, text)
        body, is_error = kept
        said = TextContent(text=json.dumps(body, ensure_ascii=False))
        result = CallToolResult(
            content=[said], structured_content=None if is_error else dict(body), is_error=is_error
        )
        return "repeated", contain(tool, result)

    async def _run(  # noqa: PLR0911
        self,
        server: ToolServer,
        tool: Tool,
        caller: Caller,
        arguments: JsonObject,
        exchange: Exchange,
    ) -> tuple[call_log.Ending, ToolOutcome]:
        """Call the tool within its time, and contain what comes back."""
        try:
            async with asyncio.timeout(tool.timeout_s):
                result = await server.call(caller, tool.local_name, arguments, exchange)
        except TimeoutError:
            return "timed_out", failed(tool, f"No answer within {tool.timeout_s:g} s.")
        except MCPError as error:
            if exchange.wire is not None:
                raise
            return "failed", failed(tool, error.message)
        except UpstreamFailed as error:
            return "failed", failed(tool, error.detail)
        except Exception:  # noqa: BLE001  whatever a tool raises, the caller gets an outcome
            _log.exception("the call of %s failed", tool.name)
            return "failed", failed(tool, "The call failed; the reason is in the log.")
        if isinstance(result, CallToolResult):
            return "tool_error" if result.is_error else "done", contain(tool, result)
        if exchange.wire is None:
            return "failed", failed(tool, "It asks its user something, and nobody is there to ask.")
        waits = ToolOutcome("", None, False, tool.trust, tool.name, needs_input=result)
        return "asks_client", waits


def _asks_after_all(tool: Tool) -> ToolOutcome:
    """For a call that a human allowed as it was: the answer to a question would make another of it."""
    text = (
        "It asks its user something, which a call that a human approved cannot; it may have begun."
    )
    return failed(tool, text)
