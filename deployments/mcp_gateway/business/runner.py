"""Runs a business tool: arguments checked, customer bound, limits kept, and each call made once."""

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from pydantic import BaseModel, ValidationError
from sqlalchemy import Connection

from actors.database import Database
from actors.database.approval_outcomes import keep_outcome
from actors.database.approvals import ApprovalRow, Approvals
from actors.database.sealing import Keys
from actors.database.tool_calls import (
    Begun,
    Known,
    NewCall,
    Outcome,
    Postponed,
    ToolCalls,
    Unfinished,
)
from deployments.mcp_gateway.business.binding import customer_of
from deployments.mcp_gateway.business.declaration import (
    BusinessTool,
    Call,
    CustomerArguments,
    InTransaction,
    Limit,
    OverNetwork,
    ToolRegistry,
)
from deployments.mcp_gateway.business.refusals import invalid, refusal, told
from deployments.mcp_gateway.business.sealing import args_hash, canonical, live_key
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool import offered_name
from deployments.security.money_limits import MoneyLimits
from routing.clock import Clock
from routing.errors import AccessError, ConflictError, RequestError
from routing.message import JsonObject

_log = logging.getLogger(__name__)

SERVER = "tools"
"""The server whose tools these are; the gateway offers them as tools__NAME."""

KEY_MAX = 256
"""Characters of an idempotency key."""

# A call that leaves the house is over, or its process is dead, so long after its own deadline.
_LEASE_MARGIN_S = 10.0

Transaction: TypeAlias = Callable[[Connection], Outcome | Postponed]
_REFUSALS = (RequestError, AccessError, ConflictError)


@dataclass(frozen=True, slots=True)
class Ready:
    """A call that may be made: everything is checked but what only its transaction can know."""

    tool: BusinessTool
    arguments: BaseModel
    call: Call
    caller: Caller
    hashed: str


class ToolRunner:
    """The tools of one registry over one database."""

    def __init__(
        self, registry: ToolRegistry, database: Database, limits: MoneyLimits, clock: Clock
    ) -> None:
        self.registry = registry
        self._database = database
        self._limits = limits
        self._clock = clock
        self._calls = ToolCalls(database)
        self._approvals = Approvals(database)

    async def run(
        self,
        caller: Caller,
        name: str,
        arguments: JsonObject,
        idempotency_key: str | None = None,
    ) -> Outcome:
        """What the call comes to; a refusal is an outcome, with `is_error`.

        The same key again gives the first outcome, for the same caller and arguments. A call that
        was approved has the approval for its key.

        Raises:
            SupportMaxError: the database cannot take it now; nothing was done.
        """
        try:
            if idempotency_key is not None and not 0 < len(idempotency_key) <= KEY_MAX:
                message = f"An idempotency key has 1 to {KEY_MAX} characters."
                raise RequestError("invalid_idempotency_key", message)
            ready = self.prepare(caller, name, arguments)
        except _REFUSALS as error:
            return refusal(error)
        if ready.tool.side_effect == "read":
            return await self._read(ready)
        now = self._clock.now()
        approval = await self._approvals.living(
            caller.principal.tenant, live_key(caller, ready.hashed), now
        )
        if approval is not None and approval.spent_at is None:
            approval = None
        call = self._new_call(ready, idempotency_key, approval)
        ready = replace(ready, call=replace(ready.call, id=call.id))
        if ready.tool.work is not None:
            keys = await self._database.sealing.to_seal(call.tenant)
            transaction = self._transaction(ready, ready.tool.work, approval, keys)
            done = await self._calls.once(call, transaction)
        else:
            done = await self._asking(ready, call, approval)
        return told(done, may_repeat=ready.tool.repeatable)

    async def knows(self, caller: Caller, idempotency_key: str | None) -> bool:
        """Whether a call was made under the key: another one is answered from it, or refused."""
        if idempotency_key is None:
            return False
        call_id = _id_of(caller, f"key:{idempotency_key}")
        return await self._calls.knows(caller.principal.tenant, call_id)

    def prepare(self, caller: Caller, name: str, arguments: JsonObject) -> Ready:
        """Check a call without making it.

        Raises:
            AccessError: there is no such tool, or no such customer, for this caller.
            RequestError: the arguments are not the tool's.
        """
        tool = self.registry.by_name.get(name)
        if tool is None or not caller.principal.may(tool.permission):
            raise AccessError("not_found", f"Unknown tool: {name[:64]}")
        try:
            checked = tool.arguments.model_validate_json(canonical(arguments))
        except ValidationError as error:
            raise invalid(error) from error
        customer = ""
        if isinstance(checked, CustomerArguments):
            customer = customer_of(caller, checked.user_id)
        principal = caller.principal
        call = Call("", principal.tenant, principal.subject, customer, self._clock.now())
        hashed = args_hash(offered_name(SERVER, name), caller.customer, arguments)
        return Ready(tool, checked, call, caller, hashed)

    async def over_limit(self, ready: Ready, roles: frozenset[str]) -> str | None:
        """Why these roles may not let this call through alone, None where they may.

        Raises:
            AccessError: the tool would refuse the call whatever was approved.
            RequestError: the same.
        """
        limit = ready.tool.limit
        if limit is None:
            return None
        return await self._database.write(
            lambda connection: self._exceeded(connection, limit, ready, roles)
        )

    async def _read(self, ready: Ready) -> Outcome:
        tool, call = ready.tool, replace(ready.call, id=_fresh_id())
        try:
            if tool.work is not None:
                work = tool.work
                result = await self._database.read(lambda c: work(c, call, ready.arguments))
                return _result(tool, result)
            if tool.ask is None:
                raise TypeError(tool.name)
            async with asyncio.timeout(tool.timeout_s):
                return _result(tool, await tool.ask(call, ready.arguments))
        except _REFUSALS as error:
            return refusal(error)
        except TimeoutError:
            return refusal(RequestError("timed_out", f"No answer within {tool.timeout_s:g} s."))

    def _new_call(self, ready: Ready, key: str | None, approval: ApprovalRow | None) -> NewCall:
        """The call under its key: the approval's, the caller's, or one that nobody can say again."""
        principal, caller = ready.caller.principal, ready.caller
        if approval is not None:
            kept = f"approval:{approval.id}"
        else:
            kept = f"random:{secrets.token_hex(16)}" if key is None else f"key:{key}"
        return NewCall(
            tenant=principal.tenant,
            principal=principal.subject,
            key=kept,
            id=_id_of(caller, kept),
            tool=ready.tool.name,
            args_hash=ready.hashed,
            customer=ready.call.customer or None,
            conversation_id=caller.conversation_id,
            approval_id=None if approval is None else approval.id,
            at=ready.call.now,
        )

    def _transaction(
        self, ready: Ready, work: InTransaction, approval: ApprovalRow | None, keys: Keys
    ) -> Transaction:
        roles = ready.caller.principal.roles
        if approval is not None:
            roles |= approval.decided_roles

        def transact(connection: Connection) -> Outcome | Postponed:
            try:
                if ready.tool.limit is not None:
                    over = self._exceeded(connection, ready.tool.limit, ready, roles)
                    if over is not None and approval is None:
                        return Postponed(over)
                    if over is not None:
                        raise RequestError("over_limit", f"Nothing was done: {over}.")
                # A tool that refuses leaves nothing half done, whatever it had written before.
                with connection.begin_nested():
                    outcome = _result(ready.tool, work(connection, ready.call, ready.arguments))
            except _REFUSALS as error:
                outcome = refusal(error)
            if approval is not None:
                now, is_error = ready.call.now, outcome.is_error
                keep_outcome(
                    connection, keys, approval.tenant, approval.id, outcome.body, now, is_error
                )
            return outcome

        return transact

    def _exceeded(
        self, connection: Connection, limit: Limit, ready: Ready, roles: frozenset[str]
    ) -> str | None:
        reached = limit.reached_cents(connection, ready.call, ready.arguments)
        allowed = self._limits.of(limit.name, roles)
        if reached <= allowed:
            return None
        words = limit.name.replace("_", " ")
        return (
            f"it comes to ${reached / 100:,.2f} of {words}, and ${allowed / 100:,.2f} may go alone"
        )

    async def _asking(
        self, ready: Ready, call: NewCall, approval: ApprovalRow | None
    ) -> Known | Postponed:
        """A tool of another system: written down before and after."""
        tool = ready.tool
        if tool.ask is None:
            raise TypeError(tool.name)
        begun = await self._calls.begin(
            call, tool.timeout_s + _LEASE_MARGIN_S, may_repeat=tool.repeatable
        )
        if not isinstance(begun, Begun):
            return begun
        outcome = await self._asked(tool, tool.ask, ready)
        if isinstance(outcome, Unfinished):
            return outcome
        now = self._clock.now()
        await self._calls.finish(call, begun, outcome, now)
        if approval is not None:
            await self._approvals.finish(
                approval.tenant, approval.id, outcome.body, now, is_error=outcome.is_error
            )
        return outcome

    async def _asked(
        self, tool: BusinessTool, ask: OverNetwork, ready: Ready
    ) -> Outcome | Unfinished:
        try:
            async with asyncio.timeout(tool.timeout_s):
                return _result(tool, await ask(ready.call, ready.arguments))
        except _REFUSALS as error:
            return refusal(error)
        except Exception:  # noqa: BLE001  whatever it was, whether the other side acted is unknown
            _log.exception("whether %s did its work is unknown", tool.name)
            return Unfinished()


def _result(tool: BusinessTool, result: object) -> Outcome:
    if not isinstance(result, tool.result):
        raise TypeError(f"{tool.name} gave a {type(result).__name__}, not a {tool.result.__name__}")
    return Outcome(result.model_dump(mode="json"), is_error=False)


def _id_of(caller: Caller, key: str) -> str:
    name = f"{caller.principal.tenant}\n{caller.principal.subject}\n{key}"
    return hashlib.sha256(name.encode()).hexdigest()[:24]


def _fresh_id() -> str:
    return secrets.token_hex(12)
