"""The tool loop: a model's turn, the calls it asks for, what came of them, its next turn.

Every turn is a run of the plan over one journey, so money and time are the journey's: a turn is
paid from what the turns before it left, and the deadline is that of the whole answer. A platform
that fails is replaced within its turn; the next one reads the transcript, in which calls that were
made stand with their results, and nobody makes them again.
"""

import contextlib
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from deployments.agent.attempt import Journey
from deployments.agent.executor import Executed, Executor, Resumed
from deployments.agent.facts import facts_of
from deployments.agent.hands import Calling, Hands, Made
from deployments.agent.wording import results_of
from deployments.privacy.names import NamesUnavailable
from deployments.privacy.request import opened_calls
from deployments.privacy.seal import Seal
from routing.clock import Clock
from routing.continuation import can_continue
from routing.errors import (
    DeadlineExceeded,
    NoPlatformAvailable,
    PlatformError,
    SupportMaxError,
)
from routing.exchange import ChatReply, FinishReason, TextDelta, Usage
from routing.message import Message
from routing.plan import FALLBACK_SHARE, AttemptPlan, PlannedAttempt

TURNS_MAX = 8
"""Turns of a model in one answer, the last without tools: six steps, the longest of tau2's gold runs
with four calls a turn, and two for mistakes."""

TURNS_RESERVED = 3
"""Of them, those whose cost is set aside beforehand: a look, a change, an answer. What is more is made
of what they leave."""

Ending: TypeAlias = Literal[
    "needs_approval", "tool_limit", "cost_limit", "time_limit", "platforms_failed"
]
"""Why SupportMax ended an answer; all other reasons are a platform's."""

_SAID: dict[Ending, str] = {
    "needs_approval": "A colleague has to agree to this first. Nothing has been done yet.",
    "tool_limit": "I could not finish this within the steps I may take.",
    "cost_limit": "I could not finish this within the cost limit of this request.",
    "time_limit": "I could not finish this in time. Something may have been done already.",
    "platforms_failed": "I could not finish this. Something may have been done already.",
}
_WAITS_AFTER_A_CHANGE = (
    "A colleague has to agree to this first. Something else may have been done already."
)
_GAP = "\n\n"

LoopStep: TypeAlias = TextDelta | Resumed | Calling | Made | Executed
_Turn: TypeAlias = Callable[[Journey], AsyncGenerator[TextDelta | Resumed | Executed, None]]


class ToolLoop:
    """Runs one answer. `ending` is why it was ended by us, None where a platform ended it."""

    def __init__(
        self,
        executor: Executor,
        hands: Hands,
        decision_id: str,
        clock: Clock,
        seal: Seal | None = None,
    ) -> None:
        """`seal` is between platforms and tools: the first are told tokens, the second values."""
        self._seal = seal
        self._executor = executor
        self._hands = hands
        self._decision_id = decision_id
        self._clock = clock
        self._text = ""
        self._usage = Usage()
        self._last: Executed | None = None
        self.ending: Ending | None = None
        self.turns = 0

    async def complete(self, journey: Journey) -> Executed:
        """A whole answer; raises what the executor raises, while nothing may have been changed."""
        async with contextlib.aclosing(self._steps(journey, self._whole)) as steps:
            async for step in steps:
                if isinstance(step, Executed):
                    return step
        raise AssertionError("a loop ends in Executed or an error")

    def stream(self, journey: Journey) -> AsyncGenerator[LoopStep, None]:
        """Text and calls as they come, then one Executed; the same errors."""
        return self._steps(journey, self._resumable)

    async def _whole(self, journey: Journey) -> AsyncGenerator[Executed, None]:
        yield await self._executor.complete(journey)

    async def _resumable(
        self, journey: Journey
    ) -> AsyncGenerator[TextDelta | Resumed | Executed, None]:
        """A turn; where its text is cut off, another platform goes on with the text alone.

        Half a call is no beginning for another, but no call is made of half a turn.
        """
        try:
            async with contextlib.aclosing(self._executor.stream(journey)) as steps:
                async for step in steps:
                    yield step
        except PlatformError as error:
            if not journey.said or can_continue(journey.request) or not error.handling.fail_over:
                raise
            speaker = error.platform
        else:
            return
        journey.request = replace(journey.request, tool_choice="none")
        elapsed_s = self._clock.monotonic() - journey.began
        journey.plan = _behind(journey.plan, speaker, elapsed_s)
        async with contextlib.aclosing(self._executor.stream(journey)) as steps:
            async for step in steps:
                yield (
                    replace(step, origin=step.origin or speaker)
                    if isinstance(step, Resumed)
                    else step
                )

    async def _steps(self, journey: Journey, turn: _Turn) -> AsyncGenerator[LoopStep, None]:
        while True:
            executed: Executed | None = None
            async with contextlib.aclosing(self._said(journey, turn(journey))) as steps:
                async for step in steps:
                    if isinstance(step, Executed):
                        executed = step
                    else:
                        yield step
            if executed is not None:
                self._count(executed)
                if not _goes_on(executed.reply):
                    break
                async with contextlib.aclosing(self._called(journey, executed)) as calls:
                    async for call in calls:
                        yield call
                if self.ending is None:
                    await self._next(journey, executed)
            if self.ending is not None:
                yield self._more(self._why(self.ending), is_first=True)
                break
        if self._last is not None:
            reply = self._reply(self._last.reply)
            yield replace(self._last, reply=reply, tried=tuple(journey.tried))

    async def _said(
        self, journey: Journey, turn: AsyncGenerator[TextDelta | Resumed | Executed, None]
    ) -> AsyncGenerator[TextDelta | Resumed | Executed, None]:
        """The turn, its text joined to what was said before; without its end, `ending` says why."""
        before = self._text
        try:
            async with contextlib.aclosing(turn) as steps:
                async for step in steps:
                    match step:
                        case TextDelta(text):
                            yield self._more(text, is_first=self._text == before)
                        case Resumed():
                            yield step
                        case Executed(reply):
                            if reply.text and self._text == before:
                                yield self._more(reply.text, is_first=True)
                            yield step
        except SupportMaxError as error:
            self.ending = self._ended(journey, error)
            if self.ending is None:
                raise

    def _count(self, executed: Executed) -> None:
        self.turns += 1
        self._usage += executed.reply.usage
        self._last = executed

    async def _called(
        self, journey: Journey, executed: Executed
    ) -> AsyncGenerator[Calling | Made, None]:
        """The calls the turn asked for, unless it may ask for none."""
        if journey.request.tool_choice == "none" or self._hands.is_spent:
            self.ending = "tool_limit"
            return
        left_s = journey.plan.deadline_s - (self._clock.monotonic() - journey.began)
        asked = executed.reply.tool_calls
        if self._seal is not None:
            asked = opened_calls(self._seal, asked)
        making = self._hands.make(asked, self._decision_id, left_s)
        async with contextlib.aclosing(making) as calls:
            async for call in calls:
                yield call
        if self._hands.approval is not None:
            self.ending = "needs_approval"

    def _why(self, ending: Ending) -> str:
        if ending == "needs_approval" and self._hands.may_have_acted:
            return _WAITS_AFTER_A_CHANGE
        return _SAID[ending]

    def _more(self, text: str, *, is_first: bool) -> TextDelta:
        """Text of the answer, a paragraph apart from what an earlier turn said."""
        if is_first and self._text and not self._text[-1].isspace():
            text = _GAP + text
        self._text += text
        return TextDelta(text)

    async def _next(self, journey: Journey, executed: Executed) -> None:
        """Make the journey ready for the turn that reads what the calls came to."""
        reply = executed.reply
        results: list[Message] = []
        if reply.tool_calls:
            made = tuple(made.result for made in self._hands.turns[-1])
            try:
                told = await results_of(self._seal, made)
            except NamesUnavailable as error:
                self.ending = self._ended(journey, error)
                if self.ending is None:
                    raise
                return
            results.append(Message("user", tool_results=told))
        request = journey.request
        journey.request = replace(
            request,
            messages=(
                *request.messages,
                Message("assistant", reply.text, reply.tool_calls, (), reply.provider_state),
                *results,
            ),
            # The last turn has to be an answer.
            tool_choice="none"
            if self.turns + 1 >= TURNS_MAX or self._hands.is_spent
            else request.tool_choice,
        )
        journey.facts = facts_of(journey.request, journey.facts.needs, None)
        elapsed_s = self._clock.monotonic() - journey.began
        journey.plan = _led_by(journey.plan, executed.target, elapsed_s)
        journey.said, journey.usage = "", Usage()
        journey.failures, journey.hedged = [], set()

    def _ended(self, journey: Journey, error: SupportMaxError) -> Ending | None:
        """Why the answer ends here without its last turn; None where that is an error."""
        if not self.turns:
            return None
        match error:
            case DeadlineExceeded():
                return "time_limit" if self._hands.may_have_acted else None
            case NoPlatformAvailable() if not journey.failures and journey.left_usd is not None:
                return "cost_limit"
            case _:
                return "platforms_failed" if self._hands.may_have_acted else None

    def _reply(self, last: ChatReply) -> ChatReply:
        """The last turn's reply, as that of the whole answer."""
        if self.ending is None and self.turns == 1:
            return last
        return replace(last, text=self._text, usage=self._usage, tool_calls=(), provider_state=None)


def _goes_on(reply: ChatReply) -> bool:
    """Whether the model asks for calls, or paused amid calls that its vendor makes."""
    if reply.finish_reason is FinishReason.PAUSED:
        return reply.provider_state is not None
    return reply.finish_reason is FinishReason.TOOL_CALLS and bool(reply.tool_calls)


def _led_by(plan: AttemptPlan, target: str, elapsed_s: float) -> AttemptPlan:
    """The plan with whoever answered last in front: it knows the conversation, and is well."""
    first = [replace(one, is_probe=False) for one in plan.attempts if one.target == target]
    others = [one for one in plan.attempts if one.target != target]
    return _in_order(plan, (*first, *others), elapsed_s)


def _behind(plan: AttemptPlan, platform: str, elapsed_s: float) -> AttemptPlan:
    """The plan with the platform that was cut off at the end."""
    others = [one for one in plan.attempts if one.platform != platform]
    last = [one for one in plan.attempts if one.platform == platform]
    return _in_order(plan, (*others, *last), elapsed_s)


def _in_order(
    plan: AttemptPlan, attempts: Sequence[PlannedAttempt], elapsed_s: float
) -> AttemptPlan:
    """The plan in another order: the first has what the others need not be left."""
    left_s = max(plan.deadline_s - elapsed_s, 0.0)
    first, *others = attempts
    shares = [min(other.timeout_s, FALLBACK_SHARE * left_s) for other in others]
    leading = replace(first, timeout_s=left_s - sum(shares))
    behind = [replace(one, timeout_s=share) for one, share in zip(others, shares, strict=True)]
    # Nobody is asked beside another: both might ask for the same call.
    return AttemptPlan(plan.deadline_s, (leading, *behind))
