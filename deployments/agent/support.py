"""SupportAgent: from a customer's question to a grounded answer, kept in its conversation."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace

from actors.database.conversations import TurnRow
from actors.memory import Episodes, Window, recall
from actors.randomness import random_name
from deployments.agent import prompt
from deployments.agent.budgets import payer_of
from deployments.agent.exchange import AgentEvent, Answer, Ask, Decided, Delta, Done, Grounded
from deployments.agent.executor import Resumed
from deployments.agent.hands import Calling, Hands, Made
from deployments.agent.keeper import Keeper, Traces, owner_of
from deployments.agent.links import AllowedLinks
from deployments.agent.outside import taint
from deployments.agent.pseudonym import Pseudonyms
from deployments.agent.road import Arrival, Departure, Limits, Road
from deployments.agent.tool_loop import TURNS_RESERVED
from deployments.agent.toolbox import Earlier, Situation, Toolbox
from deployments.agent.wording import messages_of, search_of, told_of
from deployments.mcp_gateway.context import Context, ContextGateway
from deployments.privacy.seal import Seal
from deployments.privacy.sealer import Sealer
from deployments.security.principal import Principal
from routing.capability import Capability
from routing.clock import Clock
from routing.decision import Decision
from routing.errors import (
    AccessError,
    BudgetExceeded,
    NoPlatformAvailable,
    RequestError,
)
from routing.exchange import ChatRequest, TextDelta
from routing.message import Message


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A question with its context and its decision, before anyone is asked."""

    conversation_id: str
    context: Context
    departure: Departure
    traces: Traces


class SupportAgent:
    """Answers questions over whichever platform the limits and the moment allow."""

    def __init__(
        self,
        road: Road,
        context: ContextGateway,
        episodes: Episodes,
        max_tokens: int,
        clock: Clock,
        pseudonyms: Pseudonyms,
        toolbox: Toolbox | None = None,
        links: AllowedLinks | None = None,
        sealer: Sealer | None = None,
    ) -> None:
        """`toolbox` None offers no tools, `links` None leaves no link in an answer.

        Without a `sealer` platforms are told what people are called, and all the rest.
        """
        self._sealer = sealer
        self._pseudonyms = pseudonyms
        self._toolbox = toolbox
        self._links = AllowedLinks() if links is None else links
        self._road = road
        self._context = context
        self._episodes = episodes
        self._max_tokens = max_tokens
        self._clock = clock
        self._keeper = Keeper(episodes, toolbox, clock)

    async def aclose(self) -> None:
        """Wait for the turns that are still being kept."""
        await self._keeper.aclose()

    async def decide(self, principal: Principal, ask: Ask) -> Decision:
        """The decision alone; nobody is called and nothing is kept."""
        departure = (await self._prepare(principal, ask)).departure
        departure.settle()
        return departure.decision

    async def answer(self, principal: Principal, ask: Ask) -> Answer:
        """The whole answer, once it is kept in its conversation."""
        ready = await self._prepare(principal, ask)
        try:
            arrival = await self._road.complete(ready.departure, ready.traces.hands)
        except BaseException:
            self._broken_off(principal, ask, ready, "")
            raise
        text = self._links.cleaned(arrival.executed.reply.text)
        return await self._finish(principal, ask, ready, arrival, text)

    async def stream(self, principal: Principal, ask: Ask) -> AsyncGenerator[AgentEvent, None]:
        """What happens, as it happens; `Done` is the last event of an answer that is whole."""
        ready = await self._prepare(principal, ask)
        cleaner, said, is_whole = self._links.cleaner(), "", False
        try:
            yield Decided(ready.departure.decision)
            yield Grounded(ready.context)
            running = self._road.stream(ready.departure, ready.traces.hands)
            async with contextlib.aclosing(running) as steps:
                async for step in steps:
                    match step:
                        case TextDelta(text):
                            if clean := cleaner.feed(text):
                                said += clean
                                yield Delta(clean)
                        case Resumed() | Calling() | Made():
                            yield step
                        case Arrival():
                            # What was not streamed, such as why a model declines, is told at the end.
                            whole = "" if said else step.executed.reply.text
                            if clean := cleaner.end() or self._links.cleaned(whole):
                                said += clean
                                yield Delta(clean)
                            is_whole = True
                            yield Done(await self._finish(principal, ask, ready, step, said))
        finally:
            # Also where the caller left before anybody was asked.
            ready.departure.settle()
            if not is_whole:
                self._broken_off(principal, ask, ready, said)

    def _broken_off(self, principal: Principal, ask: Ask, ready: _Prepared, said: str) -> None:
        """Whoever asked is gone, or nobody could go on: what was done is kept."""
        answer_id = ready.departure.journey.answer_id
        self._keeper.keep_broken_off(
            principal, ask, ready.conversation_id, answer_id, said, ready.traces
        )

    async def _prepare(self, principal: Principal, ask: Ask) -> _Prepared:
        began = self._clock.monotonic()
        conversation_id = ask.conversation_id or f"conv_{random_name()}"
        window = await self._window(principal, ask)
        seal = await self._seal(principal, ask, conversation_id)
        query = await search_of(seal, ask.message)
        context = await self._context.get_context(principal.tenant, query, ask.user_id, ask.sources)
        if window.is_degraded:
            context = replace(context, degraded=(*context.degraded, "memory_cache"))
        told = await told_of(seal, ask.message, window, context.passages)
        recalled = recall(told.window, prompt.room(told.passages, told.message))
        shown = {turn.seq for turn in recalled.turns}
        history = [turn for turn in window.turns if turn.seq in shown]
        earlier, hands = await self._hands(principal, ask, conversation_id, history, context, seal)
        # Whether or not this answer has tools: the next one may, and reads what this one says.
        tainted = earlier.tainted or taint(context.passages)
        is_sealed = seal is not None
        tenant, named = principal.tenant, self._pseudonyms
        safety_id = await named.safety_id(tenant, ask.user_id)
        thread_key = await named.thread_key(tenant, ask.user_id, conversation_id)

        def asked(*, with_tools: bool) -> ChatRequest:
            return ChatRequest(
                model="",
                messages=prompt.messages(recalled.turns, told.message),
                system=prompt.system_text(
                    told.passages, recalled.summary, with_tools=with_tools, sealed=is_sealed
                ),
                stable_system_chars=len(prompt.rules(with_tools=with_tools, sealed=is_sealed)),
                max_tokens=ask.max_tokens or self._max_tokens,
                safety_id=safety_id,
                thread_key=thread_key,
            )

        payer, limits = payer_of(principal, ask.user_id, conversation_id), _grounding(ask.limits)
        if hands is not None:
            before = await messages_of(seal, earlier.messages)
            equipped = _equipped(asked(with_tools=True), before, hands)
            try:
                departure = await self._road.depart(payer, equipped, limits, began, TURNS_RESERVED)
                self._host(departure, hands)
                departure = replace(departure, seal=seal)
                traces = Traces(hands, tainted, earlier.is_kept)
                return _Prepared(conversation_id, context, departure, traces)
            except (RequestError, NoPlatformAvailable, BudgetExceeded):
                if ask.tools != "auto":
                    raise
            # An answer without tools is better than none, where nobody insists on them.
            context = replace(context, degraded=(*context.degraded, "tools"))
        departure = await self._road.depart(payer, asked(with_tools=False), limits, began)
        traces = Traces(None, tainted, earlier.is_kept)
        return _Prepared(conversation_id, context, replace(departure, seal=seal), traces)

    async def _seal(self, principal: Principal, ask: Ask, conversation_id: str) -> Seal | None:
        """What personal data is sealed with; None where it leaves as it is."""
        if self._sealer is None:
            return None
        customer = owner_of(principal, ask)
        return await self._sealer.seal(principal.tenant, conversation_id, customer)

    def _host(self, departure: Departure, hands: Hands) -> None:
        """Let vendors who are configured for it call what only reads by themselves.

        Not within a limit of cost: how often a vendor then runs its model nobody can bound.
        """
        journey = departure.journey
        if self._toolbox is not None and journey.left_usd is None:
            journey.request = replace(journey.request, hosted=self._toolbox.vendors_own(hands))
            hands.tainted = hands.tainted or journey.request.hosted is not None

    async def _hands(
        self,
        principal: Principal,
        ask: Ask,
        conversation_id: str,
        history: Sequence[TurnRow],
        context: Context,
        seal: Seal | None,
    ) -> tuple[Earlier, Hands | None]:
        """What the answer may do with tools, and what the conversation did with them before."""
        if self._toolbox is None:
            if ask.tools not in {"auto", "none"}:
                raise RequestError("unknown_tool", "No tools are configured.")
            return Earlier(), None
        earlier = Earlier()
        if ask.conversation_id is not None:
            earlier = await self._toolbox.earlier(principal.tenant, conversation_id)
        said = (*(turn.text for turn in history if turn.role == "user"), ask.message)
        answered = tuple(turn.text for turn in history if turn.role == "assistant")
        situation = Situation(
            principal, ask.user_id, conversation_id, said, context.passages, answered, earlier, seal
        )
        hands = await self._toolbox.hands(situation, ask.tools)
        if hands is not None:
            hands.once = ask.once
        return earlier, hands

    async def _window(self, principal: Principal, ask: Ask) -> Window:
        # Before anybody is paid: an answer that could not be kept is not asked for.
        await self._episodes.ready(principal.tenant)
        if ask.conversation_id is None:
            return Window()
        window = await self._episodes.window(
            principal.tenant, ask.conversation_id, owner_of(principal, ask)
        )
        if window is None:
            raise AccessError("not_found", f"There is no conversation {ask.conversation_id}.")
        return window

    async def _finish(
        self, principal: Principal, ask: Ask, ready: _Prepared, arrival: Arrival, text: str
    ) -> Answer:
        """The answer whose text is `text`, without links that lead elsewhere."""
        journey = ready.departure.journey
        reply = replace(arrival.executed.reply, text=text)
        context, traces = ready.context, ready.traces
        if Capability.SYSTEM_PROMPT not in arrival.executed.profile.capabilities:
            # An agent at a vendor, with sources and tools of its own that are not seen here.
            traces = replace(traces, tainted=True)
        keeping = self._keeper.keep(
            principal, ask, ready.conversation_id, journey.answer_id, text, traces
        )
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
            calls=ready.traces.made,
            ending=arrival.ending,
        )


def _equipped(request: ChatRequest, earlier: Sequence[Message], hands: Hands) -> ChatRequest:
    """The request with tools, and with what the conversation did with them before."""
    *before, now = request.messages
    return replace(request, messages=(*before, *earlier, now), tools=hands.specs)


def _grounding(limits: Limits) -> Limits:
    """Where the road chooses, only platforms that are told the rules and read the passages."""
    if limits.platform is not None:
        return limits
    return replace(limits, needs=limits.needs | {Capability.SYSTEM_PROMPT})
