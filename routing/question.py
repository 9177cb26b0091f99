"""What a decision is asked: everything that is not the state of the world, in one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from routing.estimate import TaskFacts
from routing.plan import DEFAULT_DEADLINE_S, MAX_ATTEMPTS
from routing.policy import Strategy
from routing.reason import Reason
from routing.requirement import Requirements


@dataclass(frozen=True, slots=True)
class Question:
    """One request as the decision sees it; the same question on the same world has one answer.

    `platform` and `model` None mean that any may be chosen. `now` is in seconds since the
    epoch; `seed` stays below 2^53 to survive JSON. `before_ms` of the caller's time are gone when a
    platform is asked, `after_ms` are needed to hand its answer over. `inexpressible`, by target, stands in a
    kept question for the tools, schemas and images that are not kept with it.
    """

    requirements: Requirements
    facts: TaskFacts
    strategy: Strategy
    now: float
    seed: int
    platform: str | None = None
    model: str | None = None
    fallback_platforms: tuple[str, ...] = ()
    deadline_s: float = DEFAULT_DEADLINE_S
    max_attempts: int = MAX_ATTEMPTS
    inexpressible: Mapping[str, tuple[Reason, ...]] = field(default_factory=dict)
    before_ms: float = 0.0
    after_ms: float = 0.0

    @property
    def within_s(self) -> float:
        """Seconds until the answer is handed over, at most."""
        limit_ms = self.requirements.max_latency_ms
        return self.deadline_s if limit_ms is None else min(self.deadline_s, limit_ms / 1000)

    @property
    def asking_s(self) -> float:
        """Seconds until the last platform has answered, at most."""
        return max(self.within_s - self.after_ms / 1000, 0.0)

    @property
    def own_ms(self) -> float:
        """Milliseconds that are no platform's."""
        return self.before_ms + self.after_ms

    def without_content(self, found: Mapping[str, tuple[Reason, ...]]) -> "Question":
        """This question to be kept: what could not be expressed in place of the tools and images."""
        facts = self.facts
        if not (
            found or self.inexpressible or facts.tools or facts.response_schema or facts.images
        ):
            return self
        facts = replace(self.facts, tools=(), response_schema=None, images=())
        return replace(self, facts=facts, inexpressible=found)
