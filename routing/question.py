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
    epoch; `seed` stays below 2^53 to survive JSON. `inexpressible`, by target, stands in a
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

    @property
    def within_s(self) -> float:
        """Seconds until the end of the answer, at most."""
        limit_ms = self.requirements.max_latency_ms
        return self.deadline_s if limit_ms is None else min(self.deadline_s, limit_ms / 1000)

    def without_content(self, found: Mapping[str, tuple[Reason, ...]]) -> "Question":
        """This question to be kept: what could not be expressed in place of the tools and images."""
        facts = replace(self.facts, tools=(), response_schema=None, images=())
        return replace(self, facts=facts, inexpressible=found)
