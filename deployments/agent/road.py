"""The road every request takes: facts, decision, attempts, and the decision kept for those who ask why.

What is asked is the caller's affair: the support agent's grounded question, or an
OpenAI client's own messages.
"""

import contextlib
import random
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Protocol, TypeAlias

from actors.randomness import random_name
from deployments.agent.accountant import Accountant
from deployments.agent.attempt import Journey
from deployments.agent.budgets import Purse
from deployments.agent.executor import Executed, Executor, Resumed
from deployments.agent.facts import facts_of
from deployments.agent.hands import Calling, Hands, Made
from deployments.agent.opening import opened, opened_steps
from deployments.agent.own_time import OwnTime
from deployments.agent.till import Taken, Till
from deployments.agent.tool_loop import Ending, ToolLoop
from deployments.agent.witness import Witness
from deployments.privacy.seal import Seal
from deployments.security.token_limits import TokenLimits
from routing.budget import Payer
from routing.capability import Capability
from routing.catalog import Catalogs
from routing.clock import Clock
from routing.decision import Decision, decide
from routing.exchange import ChatRequest, TextDelta
from routing.policy import Policy, Strategy
from routing.quality import QualityModel
from routing.question import Question
from routing.requirement import Requirements
from routing.scorecard import Snapshot


@dataclass(frozen=True, slots=True)
class Limits:
    """Whom a request may go to, and within what.

    `platform` None means the road chooses, `model` None any of that platform's. `fallback_platforms`
    None means any where the road chooses, and none where the platform is fixed. `needs` is what
    whoever asks needs besides what the caller requires.
    """

    platform: str | None = None
    model: str | None = None
    fallback_platforms: tuple[str, ...] | None = None
    strategy: Strategy | None = None
    requirements: Requirements = field(default_factory=Requirements)
    needs: frozenset[Capability] = frozenset()
    stream: bool = False

    @property
    def abilities(self) -> frozenset[Capability]:
        """All that a platform has to be able to do, whoever wants it."""
        own = {Capability.STREAMING} if self.stream else set()
        return self.requirements.capabilities | self.needs | own


@dataclass(frozen=True, slots=True)
class RoadOptions:
    """What the configuration says about deciding when a caller does not.

    `quality` reads questions for the adaptive strategy; None leaves it the operator's figures.
    """

    strategy: Strategy
    policies: Mapping[Strategy, Policy]
    fallback_platforms: tuple[str, ...]
    max_attempts: int
    deadline_s: float
    max_deadline_s: float
    quality: QualityModel | None = None


class Scoreboard(Protocol):
    """Where the last snapshot is: the coordinator's client, seen from here."""

    @property
    def snapshot(self) -> Snapshot:
        """The last one received."""
        ...


@dataclass(frozen=True, slots=True)
class Departure:
    """A request that was decided on and not sent yet; `taken` is what budgets and limits gave for it.

    `seal` opens what is answered where something was sealed.
    """

    decision: Decision
    journey: Journey
    snapshot: Snapshot
    taken: Taken
    seal: Seal | None = None

    def settle(self) -> None:
        """The journey is over, or will not be made: what it cannot have cost is free for others."""
        spent = self.journey.spent
        self.taken.settle(spent.at_most_usd, spent.tokens)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that was answered.

    `cost_usd` is what all its attempts cost together, None where one price is unknown. `ending`
    is why we ended it; None where a platform did.
    """

    executed: Executed
    simulated: bool
    cost_usd: Decimal | None
    cost_is_estimate: bool
    ending: Ending | None = None


Step: TypeAlias = TextDelta | Resumed | Calling | Made | Arrival
"""Of a streamed answer: more text, a change of platform in the middle, a call, or its end."""


class Road:
    """Decides and executes over the platforms of this process."""

    def __init__(
        self,
        catalogs: Catalogs,
        scoreboard: Scoreboard,
        executor: Executor,
        witness: Witness,
        options: RoadOptions,
        clock: Clock,
        chance: random.Random,
        purse: Purse | None = None,
        accountant: Accountant | None = None,
        tokens: TokenLimits | None = None,
    ) -> None:
        """`purse` None keeps no budgets, `accountant` None compares no costs, `tokens` None counts none."""
        self._catalogs = catalogs
        self._scoreboard = scoreboard
        self._executor = executor
        self._witness = witness
        self._options = options
        self._clock = clock
        self._chance = chance
        self._till = Till(purse, tokens)
        self._accountant = accountant
        self._own_time = OwnTime()

    async def depart(
        self, payer: Payer, request: ChatRequest, limits: Limits, began: float, turns: int = 1
    ) -> Departure:
        """Decide who is asked. `began` is the monotonic second at which the caller's time began.

        `turns` is how many times the plan may be run for the answer: so much is set aside.

        Where budgets concern `payer`, the money is set aside: `complete`, `stream` or else
        `Departure.settle` gives back what was not spent.

        Raises:
            RequestError: nobody could ever answer within the limits.
            NoPlatformAvailable: nobody may be asked just now.
            BudgetExceeded: nobody could answer for what is left of a budget.
            BudgetUnavailable: what is left of a budget cannot be told.
            RateLimited: a limit has too few tokens left.
        """
        options = self._options
        wanted = limits.requirements
        strategy = limits.strategy or options.strategy
        is_paced = strategy is Strategy.ADAPTIVE
        facts = facts_of(request, limits.abilities, options.quality if is_paced else None)
        now, before_ms, after_ms = self._clock.now(), 0.0, 0.0
        if wanted.max_latency_ms is not None:
            elapsed_ms = (self._clock.monotonic() - began) * 1000
            before_ms = self._own_time.before_ms(now, elapsed_ms)
            after_ms = self._own_time.after_ms(now)
        question = Question(
            wanted,
            facts,
            strategy=strategy,
            now=now,
            seed=self._chance.getrandbits(53),
            platform=limits.platform,
            model=limits.model,
            fallback_platforms=self._fallbacks(limits, now),
            deadline_s=options.deadline_s
            if wanted.max_latency_ms is None
            else options.max_deadline_s,
            # None named is any; an empty list is a wish as well: nobody else.
            max_attempts=1 if limits.fallback_platforms == () else options.max_attempts,
            before_ms=before_ms,
            after_ms=after_ms,
        )
        snapshot = self._scoreboard.snapshot
        profiles = self._catalogs.at(question.now).profiles

        def choose(max_cost_usd: Decimal | None) -> Decision:
            within = question
            if max_cost_usd != wanted.max_cost_usd:
                within = replace(question, requirements=replace(wanted, max_cost_usd=max_cost_usd))
            return decide(
                profiles,
                snapshot,
                within,
                decision_id=f"dec_{random_name()}",
                policies=options.policies,
            )

        tokens = facts.input_tokens_expected + request.max_tokens
        taken = await self._till.take(payer, tokens, wanted.max_cost_usd, choose, turns)
        decision = taken.decision
        journey = Journey(
            plan=decision.plan,
            request=request,
            tenant=payer.tenant,
            answer_id=f"ans_{random_name()}",
            began=began,
            facts=facts,
            left_usd=taken.left_usd,
            is_paced=is_paced,
        )
        named = self._witness.named(decision, snapshot)
        return Departure(named, journey, snapshot, taken)

    def deadline_s(self, limits: Limits) -> float:
        """How long an answer within `limits` may take; known before anything is decided."""
        limit_ms, options = limits.requirements.max_latency_ms, self._options
        if limit_ms is None:
            return options.deadline_s
        return min(options.max_deadline_s, limit_ms / 1000)

    def handed_over(self, departure: Departure) -> None:
        """The answer is kept and goes to the caller: what that took is expected of the next ones."""
        answered_at = departure.journey.answered_at
        if answered_at is not None:
            took_ms = (self._clock.monotonic() - answered_at) * 1000
            self._own_time.handed_over(self._clock.now(), took_ms)

    def _begin(self, departure: Departure) -> None:
        journey = departure.journey
        took_ms = (self._clock.monotonic() - journey.began) * 1000
        self._own_time.asked(self._clock.now(), took_ms)
        self._witness.keep(
            journey.tenant, journey.answer_id, departure.decision, departure.snapshot
        )

    async def complete(self, departure: Departure, hands: Hands | None = None) -> Arrival:
        """The whole answer, with what `hands` may do; raises what the executor raises."""
        executed: Executed | None = None
        loop = self._loop(departure, hands)
        try:
            self._begin(departure)
            executed = await (loop or self._executor).complete(departure.journey)
            return self._arrive(departure, executed, loop)
        finally:
            self._settle(departure, executed, resumed=loop is not None and loop.turns > 1)

    async def stream(
        self, departure: Departure, hands: Hands | None = None
    ) -> AsyncGenerator[Step, None]:
        """Text and calls as they come, then one Arrival; raises what the executor raises."""
        executed: Executed | None = None
        resumed = False
        loop = self._loop(departure, hands)
        try:
            self._begin(departure)
            run = self._executor if loop is None else loop
            journey = departure.journey
            said = opened_steps(departure.seal, run.stream(journey), journey.request)
            async with contextlib.aclosing(said) as steps:
                async for step in steps:
                    resumed = resumed or isinstance(step, Resumed | Made)
                    if isinstance(step, Executed):
                        executed = step
                        yield self._arrive(departure, step, loop)
                    else:
                        yield step
        finally:
            self._settle(departure, executed, resumed=resumed)

    def _loop(self, departure: Departure, hands: Hands | None) -> ToolLoop | None:
        if hands is None:
            return None
        return ToolLoop(self._executor, hands, departure.decision.id, self._clock, departure.seal)

    def _settle(
        self, departure: Departure, executed: Executed | None, *, resumed: bool = False
    ) -> None:
        """It is over, however it ended."""
        departure.settle()
        if self._accountant is not None:
            self._accountant.book(departure.decision, departure.journey, executed, resumed=resumed)

    def _arrive(
        self, departure: Departure, executed: Executed, loop: ToolLoop | None = None
    ) -> Arrival:
        departure.journey.answered_at = self._clock.monotonic()
        spent = departure.journey.spent
        ending = None if loop is None else loop.ending
        told = opened(departure.seal, executed, departure.journey.request)
        return Arrival(told, executed.profile.simulated, spent.usd, spent.is_estimate, ending)

    def _fallbacks(self, limits: Limits, now: float) -> tuple[str, ...]:
        if limits.fallback_platforms is not None:
            return limits.fallback_platforms
        if limits.platform is not None or not self._options.fallback_platforms:
            return ()
        # Those of the configuration that are in use just now: a platform may be switched off.
        there = self._catalogs.at(now).platforms
        return tuple(name for name in self._options.fallback_platforms if name in there)
