"""Run a plan: one platform after another until one has answered, within time and money.

Failover happens only before the first byte reaches the caller: what a customer has
read cannot be taken back. Every attempt ends in exactly one Outcome, whatever
happens to it (`attempt.py`).
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, replace

from deployments.agent.attempt import Attempt, Journey, Reporter, Tried
from deployments.platforms.base import Platform
from routing.breaker import attempt_key
from routing.clock import Clock
from routing.eligibility import MIN_OUTPUT_TOKENS
from routing.errors import (
    DeadlineExceeded,
    ErrorKind,
    NoPlatformAvailable,
    PlatformError,
    RequestError,
)
from routing.estimate import affordable_tokens
from routing.exchange import ChatReply, ChatRequest, ReplyDone, TextDelta
from routing.plan import PlannedAttempt
from routing.platform_profile import PlatformProfile

# Under this much time no platform answers; asking would only cost money.
_WORTH_ASKING_S = 0.05
# Before the last platform is asked once more: a restart behind a load balancer is over by then.
RETRY_PAUSE_S = 0.25


@dataclass(frozen=True, slots=True)
class Executed:
    """A plan that worked: who answered, what, and everyone who was asked."""

    reply: ChatReply
    platform: str
    tried: tuple[Tried, ...]


@dataclass(frozen=True, slots=True)
class _Try:
    """One call about to be made."""

    planned: PlannedAttempt
    request: ChatRequest
    timeout_s: float


class Executor:
    """Runs plans over the platforms of this process."""

    def __init__(
        self,
        platforms: Mapping[str, Platform],
        profiles: Mapping[str, PlatformProfile],
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self._platforms = platforms
        self._profiles = profiles
        self._reporter = reporter
        self._clock = clock

    async def complete(self, journey: Journey) -> Executed:
        """A whole answer.

        Raises:
            DeadlineExceeded: the time ran out.
            NoPlatformAvailable: everyone failed.
            RequestError: the platforms refuse this very request.
            PlatformError: the platform says our request was wrong.
        """
        async with contextlib.aclosing(self._tries(journey)) as tries:
            async for one in tries:
                platform = self._platforms[one.planned.platform]
                with self._attempt(journey, one.planned) as attempt:
                    attempt.reply = await platform.complete(one.request, one.timeout_s)
                if attempt.reply is not None:
                    return Executed(attempt.reply, one.planned.platform, tuple(journey.tried))
        raise self._verdict(journey)

    async def stream(self, journey: Journey) -> AsyncGenerator[TextDelta | Executed, None]:
        """Text as it comes, then one Executed; the same errors as `complete`.

        Raises:
            PlatformError: the platform failed after text had been passed on.
        """
        async with contextlib.aclosing(self._tries(journey)) as tries:
            async for one in tries:
                platform = self._platforms[one.planned.platform]
                with self._attempt(journey, one.planned) as attempt:
                    answer = platform.stream(one.request, one.timeout_s)
                    async with contextlib.aclosing(answer) as chunks:
                        async for chunk in chunks:
                            match chunk:
                                case TextDelta():
                                    attempt.commit()
                                    yield chunk
                                case ReplyDone(reply):
                                    attempt.reply = reply
                if attempt.reply is not None:
                    yield Executed(attempt.reply, one.planned.platform, tuple(journey.tried))
                    return
                if attempt.is_committed:
                    raise journey.failures[-1]
        raise self._verdict(journey)

    async def _tries(self, journey: Journey) -> AsyncGenerator[_Try, None]:
        """The plan's calls, as far as time, money and the last failure allow another."""
        plan = journey.plan
        for index, planned in enumerate(plan.attempts):
            is_last = index == len(plan.attempts) - 1
            # With another platform in reserve, moving on is quicker than asking again, and
            # kinder to the one in trouble.
            for number in range(2 if is_last else 1):
                if number and not await self._pause(journey, index):
                    break
                timeout_s = plan.time_for(index, self._clock.monotonic() - journey.began)
                max_tokens = self._affordable(journey, planned)
                if timeout_s < _WORTH_ASKING_S or max_tokens is None:
                    break  # the next has time of its own, and may be cheaper
                if planned.is_probe and not await self._may_probe(journey, planned):
                    break
                profile = self._profiles[planned.platform]
                yield _Try(
                    planned,
                    replace(
                        journey.request,
                        model=planned.model,
                        max_tokens=max_tokens,
                        temperature=profile.temperature,
                    ),
                    timeout_s,
                )
                failure = journey.failures[-1]
                if not failure.handling.fail_over:
                    return
                if not failure.handling.retry_same:
                    break

    async def _pause(self, journey: Journey, index: int) -> bool:
        """Wait as long as the last failure asks; False, at once, if that is too long for us."""
        pause_s = journey.failures[-1].retry_after_s or RETRY_PAUSE_S
        left_s = journey.plan.time_for(index, self._clock.monotonic() - journey.began)
        if left_s - pause_s < _WORTH_ASKING_S:
            return False
        # The time itself is what the platform asked for; it is within the caller's, by the above.
        await asyncio.sleep(pause_s)
        return True

    def _affordable(self, journey: Journey, planned: PlannedAttempt) -> int | None:
        """The tokens this call may produce within what is left of the money; None if too few."""
        price = self._profiles[planned.platform].price
        if journey.left_usd is None or price is None:
            return planned.max_tokens
        tokens = affordable_tokens(
            price, journey.left_usd, journey.input_tokens_bound, planned.max_tokens
        )
        return tokens if tokens >= min(MIN_OUTPUT_TOKENS, planned.max_tokens) else None

    async def _may_probe(self, journey: Journey, planned: PlannedAttempt) -> bool:
        key = attempt_key(journey.answer_id, len(journey.tried))
        if await self._reporter.claim_probe(planned.platform, key):
            return True
        detail = "its breaker is open, and somebody else tries whether it is well again"
        journey.failures.append(PlatformError(planned.platform, ErrorKind.OVERLOADED, detail))
        return False

    def _attempt(self, journey: Journey, planned: PlannedAttempt) -> Attempt:
        profile = self._profiles[planned.platform]
        return Attempt(journey, planned, profile, self._reporter, self._clock)

    def _verdict(self, journey: Journey) -> Exception:
        """Why the plan as a whole failed."""
        failures = tuple(journey.failures)
        last = failures[-1] if failures else None
        if last is not None and last.kind is ErrorKind.CONTENT_FILTERED:
            return RequestError("content_refused", f"{last.platform} refuses this content.")
        if last is not None and last.kind is ErrorKind.INVALID_REQUEST:
            return last
        if failures and all(f.kind is ErrorKind.CONTEXT_TOO_LONG for f in failures):
            return RequestError(
                "context_too_long", "The conversation is too long for every platform."
            )
        elapsed_s = self._clock.monotonic() - journey.began
        if journey.plan.deadline_s - elapsed_s < _WORTH_ASKING_S:
            return DeadlineExceeded(
                f"No platform had answered within {journey.plan.deadline_s:g} s.", failures
            )
        asked = ", ".join(dict.fromkeys(f.platform for f in failures))
        return NoPlatformAvailable(f"Every platform that could answer failed: {asked}.", failures)
