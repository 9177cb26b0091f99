"""The queue of calls that wait for a human: who may decide which, and that each yes is used once."""

import secrets
from collections.abc import Mapping
from typing import Literal

import orjson

from actors.database.approvals import ApprovalRow, Approvals, NewApproval
from actors.database.directory_rows import name_key
from actors.subjects import is_person
from deployments.mcp_gateway.approvals import Offered
from deployments.mcp_gateway.business.runner import SERVER, Ready, ToolRunner
from deployments.mcp_gateway.business.sealing import args_hash, canonical, live_key
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool import Approval, ApprovalState, Tool, ToolOutcome
from deployments.security.principal import Principal
from routing.clock import Clock
from routing.errors import AccessError, ConflictError, RequestError
from routing.message import JsonObject

DECIDE = "approvals:decide"
"""What it takes to decide what others asked for."""

CONFIRM = "approvals:confirm"
"""What it takes to confirm, as the human in front of a client, what one's own client asked for."""

# The people who decide go home and come back: a working day, and the night before it.
LIVES_S = 24 * 3600.0
# What a person reads before saying yes; longer arguments are shown cut here and whole over HTTP.
_SHOWN = 500

_NOBODY = (
    "Who approves is somebody: sign on, or use a key that a person made or that was made for one."
)

_WIRE_STATES: dict[str, ApprovalState] = {
    "waiting": "waiting",
    "approved": "approved",
    "denied": "refused",
    "expired": "refused",
}


class ApprovalQueue:
    """What the gateway asks for a human's word, over the approvals of the database."""

    def __init__(self, store: Approvals, runner: ToolRunner, clock: Clock) -> None:
        self._store = store
        self._runner = runner
        self._clock = clock

    async def reason(
        self, caller: Caller, tool: Tool, arguments: JsonObject, idempotency_key: str | None
    ) -> str | None:
        """Why this call needs a human by the tenant's own rules; None where it needs none."""
        if self._is_ours(tool.name) and await self._runner.knows(caller, idempotency_key):
            return None
        try:
            hashed = args_hash(tool.name, caller.customer, arguments)
            tenant, now = caller.principal.tenant, self._clock.now()
            living = await self._store.living(tenant, live_key(caller, hashed), now)
            if living is not None:
                return living.reason
            ready = self._ready(caller, tool.name, arguments)
            if ready is None:
                return None
            return await self._runner.over_limit(ready, caller.principal.roles)
        except (RequestError, AccessError, ConflictError):
            return None  # The tool refuses it in the same words, whoever would approve it.

    async def request(
        self, caller: Caller, tool: Tool, arguments: JsonObject, reason: str
    ) -> Approval:
        """The approval of exactly this call for exactly this caller.

        The one made before while it lives, with what was decided since; else a new one that waits.

        Raises:
            RequestError: the arguments are no JSON, or too many calls wait already.
        """
        principal, now = caller.principal, self._clock.now()
        hashed = args_hash(tool.name, caller.customer, arguments)
        row = await self._store.request(
            NewApproval(
                tenant=principal.tenant,
                id=f"apr_{secrets.token_hex(12)}",
                live_key=live_key(caller, hashed),
                tool=tool.name,
                arguments=orjson.loads(canonical(arguments)),
                args_hash=hashed,
                reason=reason,
                summary=_summary(caller, tool, arguments),
                principal=principal.subject,
                roles=tuple(sorted(principal.roles)),
                customer=caller.customer,
                conversation_id=caller.conversation_id,
                tainted=caller.tainted,
                requested_at=now,
                expires_at=now + LIVES_S,
                person=principal.person,
            )
        )
        if row is None:
            raise RequestError("too_many_approvals", "Too many calls wait for a human already.")
        return await self._shown(row, principal)

    async def decide(
        self, approver: Principal, approval_id: str, approved: bool, offered: Offered
    ) -> Approval:
        """Decide what somebody else asked for, once; the same word again changes nothing.

        What a key asked for that is nobody's takes the yes of two people, and waits after the first.

        Raises:
            AccessError: there is none in the tenant, the approver may not decide this one, or was
                put out, of which this replica may not have heard.
            ConflictError: it was decided otherwise, or expired.
        """
        approver.must(DECIDE)
        row = await self._found(approver.tenant, approval_id)
        if _is_one(row.principal, approver.subject) or _is_one(row.person, approver.person):
            # Their own word by another key of theirs is their own word.
            raise AccessError("forbidden", "Who asks for a call does not approve it.")
        if approved:
            if not approver.is_somebody:
                raise AccessError("forbidden", _NOBODY)
            if row.state == "waiting" and not is_person(row.person or row.principal):
                return await self._agreed(row, approver, offered)
        return await self._decided(row, approver, offered, approved=approved)

    async def confirm(
        self, requester: Principal, approval_id: str, approved: bool, offered: Offered
    ) -> Approval:
        """Take the word of the human in front of the very client that asked.

        It can lift a doubt about who wrote the request. It cannot lift a limit: that takes a
        colleague.

        Raises:
            AccessError: there is none of the requester's, or it is not theirs to confirm.
            ConflictError: it was decided otherwise, or expired.
        """
        requester.must(CONFIRM)
        row = await self._found(requester.tenant, approval_id)
        if row.principal != requester.subject:
            raise _unknown(approval_id)
        return await self._decided(row, requester, offered, approved=approved)

    async def spend(self, tenant: str, approval_id: str) -> bool:
        """Take an approved one to act on it: true once.

        For our own business tools it is true until the call has ended: they do an approved call
        once by themselves, so one that was cut off can be made again.
        """
        if await self._store.spend(tenant, approval_id, self._clock.now()):
            return True
        row = await self._store.get(tenant, approval_id, self._clock.now())
        return (
            row is not None
            and row.state == "approved"
            and row.finished_at is None
            and self._is_ours(row.tool)
        )

    async def finish(self, tenant: str, approval_id: str, outcome: ToolOutcome) -> None:
        """Keep what came of an approved call; the first word stays.

        Our own business tools keep theirs in the transaction that did it, and nobody else's word
        counts: a call that seemed too slow may still have been done.
        """
        row = await self._store.get(tenant, approval_id, self._clock.now())
        if row is None or self._is_ours(row.tool):
            return
        structured = outcome.structured
        body = structured if isinstance(structured, Mapping) else {"text": outcome.text}
        await self._store.finish(
            tenant, approval_id, body, self._clock.now(), is_error=outcome.is_error
        )

    async def outcome(self, tenant: str, approval_id: str) -> tuple[JsonObject, bool] | None:
        """What came of it and whether that is an error; None while it has not ended."""
        row = await self._store.get(tenant, approval_id, self._clock.now())
        if row is None or row.outcome is None:
            return None
        return row.outcome, bool(row.is_error)

    def _is_ours(self, tool: str) -> bool:
        server, _, name = tool.partition("__")
        return server == SERVER and name in self._runner.registry.by_name

    def _ready(self, caller: Caller, tool: str, arguments: JsonObject) -> Ready | None:
        if not self._is_ours(tool):
            return None
        return self._runner.prepare(caller, tool.partition("__")[2], arguments)

    async def _found(self, tenant: str, approval_id: str) -> ApprovalRow:
        row = await self._store.get(tenant, approval_id, self._clock.now())
        if row is None:
            raise _unknown(approval_id)
        return row

    async def _agreed(self, row: ApprovalRow, approver: Principal, offered: Offered) -> Approval:
        """One of the two words it takes: whoever holds the key that asked may be one of them."""
        await self._must_be_able(row, approver, offered)
        now = self._clock.now()
        found = await self._store.agree(row.tenant, row.id, approver.person, now)
        is_second = found is not None and not _is_one(found.first_by, approver.person)
        if found is not None and found.state == "waiting" and is_second:
            # The first may be put out at this moment, and their yes with them.
            await self._must_be_able(found, approver, offered)
            found = await self._store.second(
                row.tenant, row.id, found.first_by, approver.person, approver.subject,
                tuple(sorted(approver.roles)), now,
            )  # fmt: skip
        if found is not None and found.state == "waiting":
            return await self._shown(found, approver)
        return await self._told(row.id, found, "approved", approver)

    async def _must_be_able(self, row: ApprovalRow, approver: Principal, offered: Offered) -> None:
        """Return if the approver could have had this done themselves; raises AccessError."""
        if self._is_ours(row.tool):
            approver.must(self._runner.registry.by_name[row.tool.partition("__")[2]].permission)
        elif not await offered(row.tool):
            raise AccessError("forbidden", "Who approves a call is offered its tool themselves.")
        if row.state == "waiting":
            over = await self._beyond(row, approver)
            if over is not None:
                raise AccessError("forbidden", f"It takes somebody with a higher limit: {over}.")

    async def _decided(
        self, row: ApprovalRow, approver: Principal, offered: Offered, *, approved: bool
    ) -> Approval:
        word: Literal["approved", "denied"] = "approved" if approved else "denied"
        if approved:
            await self._must_be_able(row, approver, offered)
        decided = await self._store.decide(
            row.tenant, row.id, word, approver.person, approver.subject,
            tuple(sorted(approver.roles)), self._clock.now(),
        )  # fmt: skip
        return await self._told(row.id, decided, word, approver)

    async def _told(
        self, approval_id: str, decided: ApprovalRow | None, word: str, reader: Principal
    ) -> Approval:
        """What was decided; raises what `decide` does where that is not the reader's word."""
        if decided is None:
            raise _unknown(approval_id)
        if decided.state == "expired":
            raise ConflictError("approval_expired", "It expired before it was decided.")
        if decided.state != word:
            raise ConflictError("approval_decided", f"It was {decided.state} already.")
        return await self._shown(decided, reader)

    async def _beyond(self, row: ApprovalRow, approver: Principal) -> str | None:
        """Why the approver's own limit is not enough; the call is the requester's in all else."""
        try:
            ready = self._ready(requester_of(row, approver), row.tool, row.arguments)
            return None if ready is None else await self._runner.over_limit(ready, approver.roles)
        except (RequestError, AccessError, ConflictError):
            return None  # The tool will refuse it, and say why.

    async def _shown(self, row: ApprovalRow, reader: Principal) -> Approval:
        is_their_own = row.principal == reader.subject and reader.may(CONFIRM)
        can_confirm = (
            row.state == "waiting" and is_their_own and await self._beyond(row, reader) is None
        )
        return Approval(
            row.id,
            row.tool,
            row.reason,
            row.summary,
            _WIRE_STATES[row.state],
            row.expires_at,
            can_confirm=can_confirm,
        )


def _is_one(one: str | None, other: str | None) -> bool:
    """Whether two names are of one, in whatever spelling: a call of before may have been kept in another."""
    return one is not None and other is not None and name_key(one) == name_key(other)


def requester_of(row: ApprovalRow, authority: Principal) -> Caller:
    """Who asked, to whom the call belongs; what they may is what `authority` may.

    The permissions somebody had when they asked are not kept. The one who approves lends theirs:
    nobody can have done by others what they may not do themselves. Who was put out since they asked
    stands no more, whoever approves it.
    """
    asked = Principal(
        row.tenant, row.principal, row.roles, authority.permissions, row.requested_at, row.person
    )
    return Caller(asked, row.customer, row.conversation_id, row.tainted)


def _summary(caller: Caller, tool: Tool, arguments: JsonObject) -> str:
    said = canonical(arguments).decode()
    if len(said) > _SHOWN:
        said = said[:_SHOWN] + "…"
    whom = f" for customer {caller.customer}" if caller.customer is not None else ""
    return f"{tool.title}{whom}: {said}"


def _unknown(approval_id: str) -> AccessError:
    return AccessError("not_found", f"There is no approval {approval_id[:64]}.")
