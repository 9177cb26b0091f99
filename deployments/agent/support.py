"""SupportAgent: from a customer's question to a grounded answer, kept in its conversation."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from actors.database.conversations import Conversations, NewTurn, TurnRow
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from deployments.agent import prompt
from deployments.agent.budgets import payer_of
from deployments.agent.exchange import AgentEvent, Answer, Ask, Decided, Delta, Done, Grounded
from deployments.agent.executor import Resumed
from deployments.agent.pseudonym import safety_id, thread_key
from deployments.agent.road import Arrival, Departure, Limits, Road
from deployments.mcp_gateway.context import Context, ContextGateway
from deployments.security.principal import Principal
from routing.capability import Capability
from routing.clock import Clock
from routing.decision import Decision
from routing.errors import AccessError
from routing.exchange import ChatRequest, TextDelta

_log = logging.getLogger(__name__)

# Ten exchanges: what a support conversation refers back to.
HISTORY_TURNS = 20
# An append takes half a millisecond; a store that needs this long must not hold an answer back, nor
# does an answer wait for it beyond its caller's limit.
KEEP_S = 0.5


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A question with its context and its decision, before anyone is asked."""

    conversation_id: str
    context: Context
    departure: Departure


class SupportAgent:
    """Answers questions over whichever platform the limits and the moment allow."""

    def __init__(
        self,
        road: Road,
        context: ContextGateway,
        conversations: Conversations,
        max_tokens: int,
        clock: Clock,
    ) -> None:
        self._road = road
        self._context = context
        self._conversations = conversations
        self._max_tokens = max_tokens
        self._clock = clock
        # No more than are answered within `KEEP_S`, after which each gives up.
        self._keeping: set[asyncio.Task[bool]] = set()

    async def aclose(self) -> None:
        """Wait for the turns that are still being kept."""
        if self._keeping:
            await asyncio.wait(self._keeping)

    async def decide(self, principal: Principal, ask: Ask) -> Decision:
        """The decision alone; nobody is called and nothing is kept."""
        departure = (await self._prepare(principal, ask)).departure
        departure.settle()
        return departure.decision

    async def answer(self, principal: Principal, ask: Ask) -> Answer:
        """The whole answer, once it is kept in its conversation."""
        ready = await self._prepare(principal, ask)
        arrival = await self._road.complete(ready.departure)
        return await self._finish(principal, ask, ready, arrival)

    async def stream(self, principal: Principal, ask: Ask) -> AsyncGenerator[AgentEvent, None]:
        """What happens, as it happens; `Done` is the last event of an answer that is whole."""
        ready = await self._prepare(principal, ask)
        try:
            yield Decided(ready.departure.decision)
            yield Grounded(ready.context)
            async with contextlib.aclosing(self._road.stream(ready.departure)) as steps:
                async for step in steps:
                    match step:
                        case TextDelta(text):
                            yield Delta(text)
                        case Resumed():
                            yield step
                        case Arrival():
                            yield Done(await self._finish(principal, ask, ready, step))
        finally:
            # Also where the caller left before anybody was asked.
            ready.departure.settle()

    async def _prepare(self, principal: Principal, ask: Ask) -> _Prepared:
        began = self._clock.monotonic()
        conversation_id = ask.conversation_id or f"conv_{uuid.uuid4().hex}"
        history = await self._history(principal, ask)
        context = await self._context.get_context(
            principal.tenant, ask.message, ask.user_id, ask.sources
        )
        request = ChatRequest(
            model="",
            messages=prompt.messages(history, ask.message),
            system=prompt.system_text(context.passages),
            stable_system_chars=len(prompt.RULES),
            max_tokens=ask.max_tokens or self._max_tokens,
            safety_id=safety_id(principal.tenant, ask.user_id),
            thread_key=thread_key(principal.tenant, ask.user_id, conversation_id),
        )
        payer = payer_of(principal, ask.user_id, conversation_id)
        departure = await self._road.depart(payer, request, _grounding(ask.limits), began)
        return _Prepared(conversation_id, context, departure)

    async def _history(self, principal: Principal, ask: Ask) -> Sequence[TurnRow]:
        if ask.conversation_id is None:
            return ()
        turns = await self._conversations.history(
            principal.tenant, ask.conversation_id, HISTORY_TURNS, user_id=ask.user_id
        )
        if turns is None:
            raise AccessError("not_found", f"There is no conversation {ask.conversation_id}.")
        return turns

    async def _finish(
        self, principal: Principal, ask: Ask, ready: _Prepared, arrival: Arrival
    ) -> Answer:
        journey = ready.departure.journey
        reply = arrival.executed.reply
        context = ready.context
        keeping = asyncio.ensure_future(self._keep(principal, ask, ready, reply.text))
        self._keeping.add(keeping)
        keeping.add_done_callback(self._keeping.discard)
        elapsed_s = self._clock.monotonic() - journey.began
        left_s = ready.departure.decision.question.within_s - elapsed_s
        # When the caller's time is over it goes on by itself: an answer nobody remembers is half a loss.
        await asyncio.wait({keeping}, timeout=max(left_s, 0.0))
        if not keeping.done() or not keeping.result():
            context = replace(context, degraded=(*context.degraded, "conversation"))
        self._road.handed_over(ready.departure)
        return Answer(
            id=journey.answer_id,
            conversation_id=ready.conversation_id,
            reply=reply,
            context=context,
            platform=arrival.executed.platform,
            simulated=arrival.simulated,
            cost_usd=arrival.cost_usd,
            cost_is_estimate=arrival.cost_is_estimate,
            latency_ms=(self._clock.monotonic() - journey.began) * 1000,
            attempts=arrival.executed.tried,
            decision=ready.departure.decision,
        )

    async def _keep(self, principal: Principal, ask: Ask, ready: _Prepared, text: str) -> bool:
        """Add the turn to its conversation; whether that worked."""
        now = self._clock.now()
        turns = (
            NewTurn("user", ask.message, now),
            NewTurn("assistant", text, now, ready.departure.journey.answer_id),
        )
        try:
            async with asyncio.timeout(KEEP_S):
                await self._conversations.append(
                    principal.tenant, ready.conversation_id, ask.user_id, turns
                )
        except (DatabaseBusy, DatabaseUnavailable, TimeoutError):
            # The answer is paid for and the customer waits: give it, and say what is missing.
            _log.exception("conversation %s was not kept", ready.conversation_id)
            return False
        return True


def _grounding(limits: Limits) -> Limits:
    """Where the road chooses, only platforms that are told the rules and read the passages."""
    if limits.platform is not None:
        return limits
    return replace(limits, needs=limits.needs | {Capability.SYSTEM_PROMPT})
