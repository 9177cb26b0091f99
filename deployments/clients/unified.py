"""UnifiedAgent: one agent over every platform, for a script beside SupportMax or code inside it."""

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence

from deployments.clients.answer import Answer, Event
from deployments.clients.door import Door
from deployments.clients.problem import Problem
from deployments.clients.question import AsyncDoor, Question


class UnifiedAgent:
    """Answers customers over the platform that fits, or over the one that is named.

    `platform`, `fallback_platforms`, `strategy` and `requirements` are those of
    `POST /v3/chat`, and SupportMax judges them. Without a `door` it is reached over HTTP, as
    the environment says (`deployments.clients.door`); inside SupportMax the door leads
    straight to its agent, and only the asynchronous methods can be used.

    The `context` of a question is a mapping: `user_id`, `conversation_id` (to go on with a
    conversation), `sources`, `tools`, `max_tokens`, `metadata`.
    """

    def __init__(
        self,
        platform: str = "auto",
        fallback_platforms: Sequence[str] | None = None,
        strategy: str | None = None,
        requirements: Mapping[str, object] | None = None,
        door: AsyncDoor | None = None,
    ) -> None:
        self._limits: dict[str, object] = {
            "platform": platform,
            "fallback_platforms": None if fallback_platforms is None else [*fallback_platforms],
            "strategy": strategy,
            "requirements": None if requirements is None else dict(requirements),
        }
        self._door: AsyncDoor = Door() if door is None else door

    def process(self, message: str, context: Mapping[str, object] | None = None) -> Answer:
        """The whole answer to a customer's message.

        Raises:
            Problem: there is none; `code` says why.
        """
        return self._from_outside().ask(self._question(message, context))

    async def aprocess(self, message: str, context: Mapping[str, object] | None = None) -> Answer:
        """The same in an event loop."""
        return await self._door.aask(self._question(message, context))

    def stream(self, message: str, context: Mapping[str, object] | None = None) -> Generator[Event]:
        """What happens, as it happens: `Decided`, `Grounded`, `Delta` …, and `Done` at the end.

        Raises:
            Problem: there is no answer, or no whole one.
        """
        return self._from_outside().stream(self._question(message, context))

    def astream(
        self, message: str, context: Mapping[str, object] | None = None
    ) -> AsyncGenerator[Event, None]:
        """The same in an event loop."""
        return self._door.astream(self._question(message, context))

    def _question(self, message: str, context: Mapping[str, object] | None) -> Question:
        return Question(message, context or {}, self._limits)

    def _from_outside(self) -> Door:
        if isinstance(self._door, Door):
            return self._door
        raise Problem(
            "invalid_request",
            "This agent works inside an event loop, which it would stop: use "
            "`await agent.aprocess(...)` or `async for ... in agent.astream(...)`.",
        )
