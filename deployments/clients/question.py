"""What a script asks, and the one thing a door has to be able to do with it."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from deployments.clients.answer import Answer, Event
from deployments.clients.problem import Problem
from routing.errors import Violation

# What varies from message to message; the platform and the limits belong to the agent.
_CONTEXT = ("user_id", "conversation_id", "sources", "tools", "max_tokens", "metadata")


@dataclass(frozen=True, slots=True)
class Question:
    """A message and how it may be answered, under the names that `POST /v3/chat` has for them."""

    message: str
    context: Mapping[str, object] = field(default_factory=dict)
    limits: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise Problem, `invalid_request`, where the context holds what is no part of one."""
        unknown = [str(key) for key in self.context if key not in _CONTEXT]
        if unknown:
            known = ", ".join(_CONTEXT)
            raise Problem(
                "invalid_request",
                f"The context holds what is no part of one; there are: {known}",
                violations=tuple(Violation(f"/{key}", "unknown") for key in unknown),
            )

    def body(self, *, stream: bool) -> dict[str, object]:
        """The body that asks it; what is None is left to SupportMax."""
        given = {**self.limits, **self.context}
        return {
            "message": self.message,
            **{name: value for name, value in given.items() if value is not None},
            "stream": stream,
        }


class AsyncDoor(Protocol):
    """A way to SupportMax: over HTTP from outside, or straight to the agent from within."""

    async def aask(self, question: Question) -> Answer:
        """The whole answer.

        Raises:
            Problem: there is none.
        """
        ...

    def astream(self, question: Question) -> AsyncGenerator[Event, None]:
        """What happens, as it happens; `Done` is the last event.

        Raises:
            Problem: there is no answer, or no whole one.
        """
        ...
