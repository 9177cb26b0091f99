"""Which of the gateway's tools an answer is offered, and what the conversation did with them before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeAlias

import orjson

from actors.database.approvals import ApprovalRow, State
from actors.database.tool_turns import KeptTools, ToolTurns
from actors.knowledge.document import Passage
from deployments.agent.discreet import DiscreetDoor
from deployments.agent.hands import Door, Hands, Made
from deployments.agent.outside import quoted, records, taint
from deployments.agent.provenance import Sources, voice_of
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool import Tool, Trust
from deployments.privacy.seal import Seal
from deployments.security.gateway_tokens import GatewayTokens, Granted
from deployments.security.principal import Principal
from deployments.security.reach import ANY_CUSTOMER
from routing.clock import Clock
from routing.errors import RequestError, Violation
from routing.exchange import HostedTools
from routing.message import Json, JsonObject, Message, ToolCall, ToolResult

Wanted: TypeAlias = Literal["auto", "none"] | tuple[str, ...]
"""The caller's word: what the configuration offers, nothing, or these by name."""

_WHOM = frozenset({"user_id"})
"""Arguments that say whom a call is about: the request says it, and the model is not asked."""
_BINDS = "tools"
"""The server that puts in whom it is about; another's argument of that name is its own affair."""
ANSWERS_MAX = 4
"""Answers with tools that a follow-up is shown: an approval is asked after at once or next time."""
_KEPT_MAX = 4_000
"""Characters of a result kept for the follow-up; who needs it whole calls again."""
_BECAME: dict[State, str] = {
    "waiting": "It still waits for a human (approval {}). Nothing was done yet.",
    "denied": "A human denied it (approval {}). Nothing was done.",
    "expired": "No human decided in time (approval {}). Nothing was done.",
    "approved": "A human approved it (approval {}); what came of it is not known yet.",
}


class ApprovalBook(Protocol):
    """Where approvals are kept."""

    async def get(self, tenant: str, approval_id: str, now: float) -> ApprovalRow | None:
        """The tenant's approval of that id."""
        ...


class ToolMemory(Protocol):
    """Where the tool calls of conversations are kept."""

    async def append(
        self, tenant: str, conversation_id: str, turns: ToolTurns, *, tainted: bool
    ) -> None:
        """Keep what one answer did."""
        ...

    async def of(self, tenant: str, conversation_id: str, limit: int) -> KeptTools:
        """The last answers that used tools."""
        ...


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the conversation did with tools before, as messages, and as texts of records.

    `is_kept`: that it is tainted is on record, and stays there as long as the conversation.
    """

    messages: tuple[Message, ...] = ()
    own: tuple[str, ...] = ()
    untrusted: tuple[str, ...] = ()
    tainted: bool = False
    is_kept: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """Who asks whom, and what is in the conversation already.

    `said` are the customer's own messages, `answered` the answers to them; `passages` is what was
    found for the question. `seal` keeps personal data from servers of others.
    """

    principal: Principal
    customer: str | None
    conversation_id: str
    said: tuple[str, ...]
    passages: Sequence[Passage] = ()
    answered: tuple[str, ...] = ()
    earlier: Earlier = field(default_factory=Earlier)
    seal: Seal | None = None


@dataclass(frozen=True, slots=True)
class Hosting:
    """Where a vendor's cloud finds the gateway, and what makes its tokens."""

    address: str
    tokens: GatewayTokens


class Toolbox:
    """Offers the configured tools; `offered` are names, `*` at the end stands for any."""

    def __init__(
        self,
        door: Door,
        offered: Sequence[str],
        approvals: ApprovalBook,
        memory: ToolMemory,
        clock: Clock,
        hosting: Hosting | None = None,
    ) -> None:
        """`hosting` None: no vendor calls tools itself."""
        self._hosting = hosting
        self._door = door
        self._names = frozenset(one for one in offered if not one.endswith("*"))
        self._beginnings = tuple(one[:-1] for one in offered if one.endswith("*"))
        self._approvals = approvals
        self._memory = memory
        self._clock = clock

    async def hands(self, at: Situation, wanted: Wanted) -> Hands | None:
        """What the answer may do; None where it is nothing.

        Raises:
            RequestError: a tool was asked for by name that the caller cannot have.
        """
        if wanted == "none":
            return None
        principal = at.principal
        whom = at.customer
        if whom is None and not principal.may(ANY_CUSTOMER):
            whom = principal.subject
        caller = Caller(principal, whom, at.conversation_id)
        found = [tool for tool in await self._door.tools(caller) if self._is_offered(tool.name)]
        # Nobody is bound, so the model would have to say who: nothing of a customer's is offered.
        usable = [tool for tool in found if whom is not None or not _about_customer(tool)]
        if wanted != "auto":
            names = {tool.name for tool in usable}
            if missing := [name for name in wanted if name not in names]:
                message = f"Unknown tool: {missing[0][:64]}. There are: {', '.join(sorted(names))}."
                raise RequestError("unknown_tool", message, (Violation("/tools", message),))
            usable = [tool for tool in usable if tool.name in wanted]
        if not usable:
            return None
        earlier = at.earlier
        sources = Sources(
            at.said,
            (*earlier.own, *records(at.passages)),
            (*earlier.untrusted, *quoted(at.passages)),
            at.answered,
        )
        bound = [_bound(tool) for tool in usable]
        tainted = earlier.tainted or taint(at.passages)
        door = self._door if at.seal is None else DiscreetDoor(self._door, at.seal, usable)
        return Hands(door, caller, bound, sources, self._clock, tainted=tainted)

    async def earlier(self, tenant: str, conversation_id: str) -> Earlier:
        """What the conversation's last answers did, with what became of it since."""
        kept = await self._memory.of(tenant, conversation_id, ANSWERS_MAX)
        messages: list[Message] = []
        own: list[str] = []
        untrusted: list[str] = []
        stained = False
        for answer in kept.answers:
            calls: list[ToolCall] = []
            results: list[ToolResult] = []
            for index, call in enumerate(answer.calls):
                # The ids of one answer may be another's: ours are unlike any other's here.
                made = _read(call, f"call_{answer.answer_id[-12:]}_{index}")
                became = await self._became(tenant, call)
                text, is_error, trust = became or (
                    str(call.get("text", "")),
                    call.get("status") not in {"done", "repeated"},
                    _trust_of(call),
                )
                stained = stained or trust == "untrusted"
                calls.append(made)
                results.append(ToolResult(made.id, text, is_error))
                is_own = voice_of(made.name, trust) == "own" and not is_error
                (own if is_own else untrusted).append(text)
            if calls:
                messages.append(Message("assistant", tool_calls=tuple(calls)))
                messages.append(Message("user", tool_results=tuple(results)))
        tainted = kept.tainted or stained
        return Earlier(tuple(messages), tuple(own), tuple(untrusted), tainted, kept.tainted)

    async def keep(
        self,
        tenant: str,
        conversation_id: str,
        answer_id: str,
        made: Sequence[Made],
        at: float,
        *,
        tainted: bool,
    ) -> None:
        """Keep what an answer did and whether it had read words of others, for those after it.

        Raises:
            DatabaseBusy: Nothing was written.
            DatabaseUnavailable: The same.
        """
        turns = ToolTurns(answer_id, [_kept(one) for one in made], at)
        await self._memory.append(tenant, conversation_id, turns, tainted=tainted)

    def vendors_own(self, hands: Hands) -> HostedTools | None:
        """What of the offered tools a vendor may call by itself: those that only read.

        What they then tell the model is not seen here, so it counts as words of others.
        """
        if self._hosting is None:
            return None
        names = hands.reading
        if not names:
            return None
        caller = hands.caller
        granted = Granted(
            caller.principal, caller.customer, caller.conversation_id, frozenset(names)
        )
        token = self._hosting.tokens.mint(granted, hands.permissions_of(names))
        return HostedTools(self._hosting.address, token, names)

    def _is_offered(self, name: str) -> bool:
        return name in self._names or name.startswith(self._beginnings)

    async def _became(self, tenant: str, call: JsonObject) -> tuple[str, bool, Trust] | None:
        """What a call that waited for a human came to, whether that is an error, and whose words it is.

        None of one that did not wait.
        """
        waited = call.get("approval_id")
        if not isinstance(waited, str) or not waited:
            return None
        row = await self._approvals.get(tenant, waited, self._clock.now())
        if row is None:
            return None
        if row.state == "approved" and row.outcome is not None:
            return _outcome(call, row.outcome, is_error=bool(row.is_error))
        return _BECAME[row.state].format(row.id), True, "own"


def _outcome(call: JsonObject, outcome: JsonObject, *, is_error: bool) -> tuple[str, bool, Trust]:
    """What an approved call came to; a result of somebody else's tool between marks."""
    text = orjson.dumps({"approved_by_a_human": True, "result": outcome}).decode()
    if call.get("speaker") != "untrusted":
        return text, is_error, "own"
    # Here and not above: the process that deploys has no use for the protocol's library.
    from deployments.mcp_gateway.containment import clean, label  # noqa: PLC0415

    return label(str(call.get("name", "")), clean(text)), is_error, "untrusted"


def _about_customer(tool: Tool) -> bool:
    properties = tool.input_schema.get("properties")
    return isinstance(properties, Mapping) and not _WHOM.isdisjoint(properties)


def _bound(tool: Tool) -> Tool:
    """The tool as a model is shown it: without the arguments that are bound by the server."""
    if tool.server != _BINDS:
        return tool
    properties = tool.input_schema.get("properties")
    if not isinstance(properties, Mapping) or _WHOM.isdisjoint(properties):
        return tool
    schema = {**tool.input_schema}
    schema["properties"] = {n: of for n, of in properties.items() if n not in _WHOM}
    required = schema.get("required")
    if isinstance(required, Sequence) and not isinstance(required, str):
        schema["required"] = [name for name in required if name not in _WHOM]
    return replace(tool, input_schema=schema)


def _kept(made: Made) -> JsonObject:
    return {
        "name": made.call.name,
        "arguments": dict(made.call.arguments),
        "status": made.status,
        "text": made.text[:_KEPT_MAX],
        "trust": made.trust,
        "speaker": made.speaker,
        "approval_id": None if made.approval is None else made.approval.id,
    }


def _trust_of(call: JsonObject) -> Trust:
    return "own" if call.get("trust") == "own" else "untrusted"


def _read(call: JsonObject, call_id: str) -> ToolCall:
    arguments: Json = call.get("arguments")
    said = arguments if isinstance(arguments, Mapping) else {}
    return ToolCall(call_id, str(call.get("name", "")), said)
