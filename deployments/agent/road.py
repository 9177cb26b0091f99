"""The road every request takes: facts, decision, attempts, and the decision kept for those who ask why.

What is asked is the caller's affair: the support agent's grounded question, or an
OpenAI client's own messages.
"""

import asyncio
import contextlib
import hashlib
import logging
import random
import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from actors.database.decisions import Decisions
from deployments.agent.attempt import Journey
from deployments.agent.executor import Executed, Executor
from routing.capability import Capability
from routing.clock import Clock
from routing.decision import Decision, decide
from routing.estimate import TaskFacts, count_input_bytes
from routing.exchange import ChatRequest, TextDelta
from routing.platform_profile import PlatformProfile
from routing.policy import Policy, Strategy
from routing.requirement import Requirements
from routing.scorecard import Snapshot

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """Whom a request may go to, and within what.

    `platform` None means the road chooses. `fallback_platforms` None means any where the
    road chooses, and none where the platform is fixed.
    """

    platform: str | None = None
    fallback_platforms: tuple[str, ...] | None = None
    strategy: Strategy | None = None
    requirements: Requirements = field(default_factory=Requirements)
    stream: bool = False


@dataclass(frozen=True, slots=True)
class RoadOptions:
    """What the configuration says about deciding when a caller does not."""

    strategy: Strategy
    policies: Mapping[Strategy, Policy]
    fallback_platforms: tuple[str, ...]
    max_attempts: int
    deadline_s: float
    max_deadline_s: float


class Scoreboard(Protocol):
    """Where the last snapshot is: the coordinator's client, seen from here."""

    @property
    def snapshot(self) -> Snapshot:
        """The last one received."""
        ...


@dataclass(frozen=True, slots=True)
class Departure:
    """A request that was decided on and not sent yet."""

    decision: Decision
    journey: Journey


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that was answered. `cost_usd` None is an unknown price."""

    executed: Executed
    simulated: bool
    cost_usd: Decimal | None
    cost_is_estimate: bool


class Road:
    """Decides and executes over the platforms of this process."""

    def __init__(
        self,
        profiles: Mapping[str, PlatformProfile],
        scoreboard: Scoreboard,
        executor: Executor,
        decisions: Decisions,
        options: RoadOptions,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self._profiles = profiles
        self._profiles_in_order = tuple(profiles.values())
        self._scoreboard = scoreboard
        self._executor = executor
        self._decisions = decisions
        self._options = options
        self._clock = clock
        self._chance = chance
        self._background: set[asyncio.Task[None]] = set()

    def depart(self, tenant: str, request: ChatRequest, limits: Limits, began: float) -> Departure:
        """Decide who is asked. `began` is the monotonic second at which the caller's time began.

        Raises:
            RequestError: nobody could ever answer within the limits.
            NoPlatformAvailable: nobody may be asked just now.
        """
        options = self._options
        wanted = limits.requirements
        facts = _facts(request, limits)
        decision = decide(
            self._profiles_in_order,
            self._scoreboard.snapshot,
            wanted,
            facts,
            strategy=limits.strategy or options.strategy,
            platform=limits.platform,
            fallback_platforms=self._fallbacks(limits),
            deadline_s=options.deadline_s
            if wanted.max_latency_ms is None
            else options.max_deadline_s,
            now=self._clock.now(),
            seed=self._chance.getrandbits(53),
            decision_id=f"dec_{uuid.uuid4().hex}",
            policies=options.policies,
            # None named is any; an empty list is a wish as well: nobody else.
            max_attempts=1 if limits.fallback_platforms == () else options.max_attempts,
        )
        journey = Journey(
            plan=decision.plan,
            request=request,
            tenant=tenant,
            answer_id=f"ans_{uuid.uuid4().hex}",
            began=began,
            input_tokens_bound=facts.input_tokens_bound,
            left_usd=wanted.max_cost_usd,
        )
        return Departure(decision, journey)

    async def complete(self, departure: Departure) -> Arrival:
        """The whole answer; raises what the executor raises."""
        self._keep(departure)
        executed = await self._executor.complete(departure.journey)
        return self._arrive(departure, executed)

    async def stream(self, departure: Departure) -> AsyncGenerator[TextDelta | Arrival, None]:
        """Text as it comes, then one Arrival; raises what the executor raises."""
        self._keep(departure)
        async with contextlib.aclosing(self._executor.stream(departure.journey)) as steps:
            async for step in steps:
                yield step if isinstance(step, TextDelta) else self._arrive(departure, step)

    def _arrive(self, departure: Departure, executed: Executed) -> Arrival:
        profile = self._profiles[executed.platform]
        usage = executed.reply.usage
        price = profile.price
        return Arrival(
            executed,
            profile.simulated,
            cost_usd=None if price is None else price.cost(usage),
            cost_is_estimate=price is not None and price.is_estimate,
        )

    def _fallbacks(self, limits: Limits) -> tuple[str, ...]:
        if limits.fallback_platforms is not None:
            return limits.fallback_platforms
        return () if limits.platform is not None else self._options.fallback_platforms

    def _keep(self, departure: Departure) -> None:
        """Keep the decision; nobody waits for it."""
        decision, journey = departure.decision, departure.journey
        kept = self._decisions.put(
            journey.tenant, decision.id, journey.answer_id, self._clock.now(), decision.to_json()
        )
        task = asyncio.get_running_loop().create_task(kept)
        self._background.add(task)
        task.add_done_callback(self._kept)

    def _kept(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a decision was not kept", exc_info=error)


def safety_id(tenant: str, user_id: str | None) -> str | None:
    """What stands for the end user towards a vendor: a hash, so that it says nothing else."""
    if user_id is None:
        return None
    return hashlib.blake2b(f"{tenant}\0{user_id}".encode(), digest_size=16).hexdigest()


def _facts(request: ChatRequest, limits: Limits) -> TaskFacts:
    needs = set(limits.requirements.capabilities)
    if limits.stream:
        needs.add(Capability.STREAMING)
    if request.tools:
        needs.add(Capability.FUNCTION_CALLING)
    if request.response_schema is not None:
        needs.add(Capability.JSON_SCHEMA)
    return TaskFacts(
        input_bytes=count_input_bytes(
            request.system, request.messages, request.tools, request.response_schema
        ),
        messages=len(request.messages) + 1,
        max_tokens=request.max_tokens,
        needs=frozenset(needs),
    )
