"""UnifiedAgent: the road from a question to an answer, once for JSON and once for streams."""

import asyncio
import contextlib
import hashlib
import logging
import random
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from actors.database.conversations import Conversations, NewTurn, TurnRow
from actors.database.decisions import Decisions
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from deployments.agent import prompt
from deployments.agent.attempt import Journey
from deployments.agent.exchange import (
    AgentEvent,
    Answer,
    Ask,
    Decided,
    Delta,
    Done,
    Grounded,
)
from deployments.agent.executor import Executed, Executor
from deployments.mcp_gateway.context import Context, ContextGateway
from deployments.security.principal import Principal
from routing.capability import Capability
from routing.clock import Clock
from routing.decision import Decision, decide
from routing.errors import AccessError
from routing.estimate import TaskFacts, count_input_bytes
from routing.exchange import ChatRequest, TextDelta
from routing.platform_profile import PlatformProfile
from routing.policy import Policy, Strategy
from routing.scorecard import Snapshot

_log = logging.getLogger(__name__)

# Ten exchanges: what a support conversation refers back to.
HISTORY_TURNS = 20


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """What the configuration says about deciding when a caller does not."""

    strategy: Strategy
    policies: Mapping[Strategy, Policy]
    fallback_platforms: tuple[str, ...]
    max_attempts: int
    max_tokens: int
    deadline_s: float
    max_deadline_s: float


class Scoreboard(Protocol):
    """Where the last snapshot is: the coordinator's client, seen from here."""

    @property
    def snapshot(self) -> Snapshot:
        """The last one received."""
        ...


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Everything an attempt needs, before the first one is made."""

    conversation_id: str
    context: Context
    decision: Decision
    journey: Journey


class UnifiedAgent:
    """Answers questions over whichever platform the limits and the moment allow."""

    def __init__(
        self,
        profiles: Mapping[str, PlatformProfile],
        scoreboard: Scoreboard,
        executor: Executor,
        context: ContextGateway,
        conversations: Conversations,
        decisions: Decisions,
        options: AgentOptions,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self._profiles = profiles
        self._profiles_in_order = tuple(profiles.values())
        self._scoreboard = scoreboard
        self._executor = executor
        self._context = context
        self._conversations = conversations
        self._decisions = decisions
        self._background: set[asyncio.Task[None]] = set()
        self._options = options
        self._clock = clock
        self._chance = chance

    async def decide(self, principal: Principal, ask: Ask) -> Decision:
        """The decision alone; nobody is called and nothing is kept."""
        return (await self._prepare(principal, ask)).decision

    async def answer(self, principal: Principal, ask: Ask) -> Answer:
        """The whole answer, once it is kept in its conversation."""
        ready = await self._prepare(principal, ask)
        executed = await self._executor.complete(ready.journey)
        return await self._finish(principal, ask, ready, executed)

    async def stream(self, principal: Principal, ask: Ask) -> AsyncGenerator[AgentEvent, None]:
        """What happens, as it happens; `Done` is the last event of an answer that is whole."""
        ready = await self._prepare(principal, ask)
        yield Decided(ready.decision)
        yield Grounded(ready.context)
        async with contextlib.aclosing(self._executor.stream(ready.journey)) as steps:
            async for step in steps:
                match step:
                    case TextDelta(text):
                        yield Delta(text)
                    case Executed():
                        yield Done(await self._finish(principal, ask, ready, step))

    async def _prepare(self, principal: Principal, ask: Ask) -> _Prepared:
        began, options = self._clock.monotonic(), self._options
        limit_ms = ask.requirements.max_latency_ms
        history = await self._history(principal, ask)
        context = await self._context.get_context(
            principal.tenant, ask.message, ask.user_id, ask.sources
        )
        request = ChatRequest(
            model="",
            messages=prompt.messages(history, ask.message),
            system=prompt.system_text(context.passages),
            max_tokens=ask.max_tokens or options.max_tokens,
            safety_id=_safety_id(principal.tenant, ask.user_id),
        )
        facts = _facts(request, ask)
        decision = decide(
            self._profiles_in_order,
            self._scoreboard.snapshot,
            ask.requirements,
            facts,
            strategy=Strategy(ask.strategy) if ask.strategy else options.strategy,
            platform=ask.platform,
            fallback_platforms=self._fallbacks(ask),
            deadline_s=options.deadline_s if limit_ms is None else options.max_deadline_s,
            now=self._clock.now(),
            seed=self._chance.getrandbits(53),
            decision_id=f"dec_{uuid.uuid4().hex}",
            policies=options.policies,
            max_attempts=options.max_attempts,
        )
        journey = Journey(
            plan=decision.plan,
            request=request,
            tenant=principal.tenant,
            answer_id=f"ans_{uuid.uuid4().hex}",
            began=began,
            input_tokens_bound=facts.input_tokens_bound,
            left_usd=ask.requirements.max_cost_usd,
        )
        conversation_id = ask.conversation_id or f"conv_{uuid.uuid4().hex}"
        return _Prepared(conversation_id, context, decision, journey)

    async def _history(self, principal: Principal, ask: Ask) -> Sequence[TurnRow]:
        if ask.conversation_id is None:
            return ()
        turns = await self._conversations.history(
            principal.tenant, ask.conversation_id, HISTORY_TURNS, user_id=ask.user_id
        )
        if turns is None:
            raise AccessError("not_found", f"There is no conversation {ask.conversation_id}.")
        return turns

    def _fallbacks(self, ask: Ask) -> tuple[str, ...]:
        if ask.fallback_platforms is not None:
            return ask.fallback_platforms
        return () if ask.platform is not None else self._options.fallback_platforms

    async def _finish(
        self, principal: Principal, ask: Ask, ready: _Prepared, executed: Executed
    ) -> Answer:
        profile = self._profiles[executed.platform]
        reply = executed.reply
        context = ready.context
        now = self._clock.now()
        turns = (
            NewTurn("user", ask.message, now),
            NewTurn("assistant", reply.text, now, ready.journey.answer_id),
        )
        try:
            await self._conversations.append(
                principal.tenant, ready.conversation_id, ask.user_id, turns
            )
        except (DatabaseBusy, DatabaseUnavailable):
            # The answer is paid for and the customer waits: give it, and say what is missing.
            _log.exception("conversation %s was not kept", ready.conversation_id)
            context = replace(context, degraded=(*context.degraded, "conversation"))
        self._keep(principal.tenant, ready, now)
        return Answer(
            id=ready.journey.answer_id,
            conversation_id=ready.conversation_id,
            reply=reply,
            context=context,
            platform=executed.platform,
            simulated=profile.simulated,
            cost_usd=profile.price.cost(reply.usage) if profile.price is not None else None,
            latency_ms=(self._clock.monotonic() - ready.journey.began) * 1000,
            attempts=executed.tried,
            decision=ready.decision,
        )

    def _keep(self, tenant: str, ready: _Prepared, at: float) -> None:
        """Keep the decision for those who ask why; nobody waits for it."""
        kept = self._decisions.put(
            tenant, ready.decision.id, ready.journey.answer_id, at, ready.decision.to_json()
        )
        task = asyncio.get_running_loop().create_task(kept)
        self._background.add(task)
        task.add_done_callback(self._kept)

    def _kept(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a decision was not kept", exc_info=error)


def _facts(request: ChatRequest, ask: Ask) -> TaskFacts:
    needs = set(ask.requirements.capabilities)
    if ask.stream:
        needs.add(Capability.STREAMING)
    return TaskFacts(
        input_bytes=count_input_bytes(request.system, request.messages, request.tools),
        messages=len(request.messages) + 1,
        max_tokens=request.max_tokens,
        needs=frozenset(needs),
    )


def _safety_id(tenant: str, user_id: str | None) -> str | None:
    """What stands for the end user towards a vendor: a hash, so that it says nothing else."""
    if user_id is None:
        return None
    return hashlib.blake2b(f"{tenant}\0{user_id}".encode(), digest_size=16).hexdigest()
