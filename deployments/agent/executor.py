"""Run a plan: one platform after another until one has answered, within time and money.

Before the first byte reaches the caller, the next platform simply takes over. After it,
prose is continued: what a customer has read cannot be taken back, so the next platform
goes on where the text ends. JSON and tool calls cannot be continued. Every attempt ends
in exactly one Outcome, whatever happens to it (`attempt.py`).
"""

import contextlib
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from deployments.agent.attempt import Attempt, Journey, Reporter, Tried
from deployments.agent.calls import WORTH_ASKING_S, Call, Calls
from deployments.agent.race import Run, race
from deployments.agent.watch import Watch
from deployments.platforms.base import Platform
from routing.catalog import Catalogs
from routing.clock import Clock
from routing.continuation import BeganAnew, Seam, can_continue
from routing.errors import (
    DeadlineExceeded,
    ErrorKind,
    NoPlatformAvailable,
    PlatformError,
    RequestError,
)
from routing.exchange import ChatChunk, ChatReply, ChatRequest, ReplyDone, TextDelta
from routing.hedge import HedgeGate
from routing.platform_profile import PlatformProfile
from routing.silence import SilenceGate

_Ask: TypeAlias = Callable[[Platform, ChatRequest, float], AsyncGenerator[ChatChunk, None]]


@dataclass(frozen=True, slots=True)
class Resumed:
    """In mid-answer the platform `to` took over from `origin`."""

    origin: str
    to: str


@dataclass(frozen=True, slots=True)
class Executed:
    """A plan that worked: who answered, what, and everyone who was asked.

    `profile` is who answered, at the price of the moment it was asked.
    """

    reply: ChatReply
    profile: PlatformProfile
    tried: tuple[Tried, ...]

    @property
    def target(self) -> str:
        """The platform and model that answered."""
        return self.profile.target

    @property
    def platform(self) -> str:
        """The platform that answered."""
        return self.profile.name


class Executor:
    """Runs plans over the platforms of this process."""

    def __init__(
        self,
        platforms: Mapping[str, Platform],
        catalogs: Catalogs,
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self._platforms = platforms
        self._reporter = reporter
        self._clock = clock
        self._calls = Calls(catalogs, reporter, clock)
        self._gate = HedgeGate()
        self._silence = SilenceGate()

    async def complete(self, journey: Journey) -> Executed:
        """A whole answer.

        Raises:
            DeadlineExceeded: the time ran out.
            NoPlatformAvailable: everyone failed.
            RequestError: the platforms refuse this very request.
            PlatformError: the platform says our request was wrong.
        """
        async with contextlib.aclosing(self._calls.of(journey)) as calls:
            async for call in calls:
                started = await self._start(journey, call, _whole)
                if started is None:
                    continue
                run, chunk = started
                if isinstance(chunk, ReplyDone):
                    run.attempt.end()
                    await run.close()
                    return Executed(chunk.reply, run.attempt.profile, tuple(journey.tried))
        raise self._verdict(journey)

    async def stream(
        self, journey: Journey
    ) -> AsyncGenerator[TextDelta | Resumed | Executed, None]:
        """Text as it comes, then one Executed; the same errors as `complete`.

        Raises:
            PlatformError: the platform failed after text had been passed on, and no other
                could go on.
        """
        speaker = ""
        async with contextlib.aclosing(self._calls.of(journey)) as calls:
            async for call in calls:
                started = await self._start(journey, call, _streamed)
                if started is None:
                    continue
                run, chunk = started
                origin, speaker = speaker, run.attempt.platform
                async with contextlib.aclosing(_passed_on(journey, run, chunk, origin)) as steps:
                    async for step in steps:
                        yield step
                        if isinstance(step, Executed):
                            return
                if journey.said and not can_continue(journey.request):
                    break
        raise journey.failures[-1] if journey.said else self._verdict(journey)

    async def _start(self, journey: Journey, call: Call, ask: _Ask) -> tuple[Run, ChatChunk] | None:
        """The call's first chunk and who gave it; None if the call failed before it had one."""
        run = self._run(journey, call, ask)
        after_s = journey.plan.hedge_after_s
        # The second platform is the plan's next only beside its first: that may have been passed over.
        if after_s is None or journey.failures or call.index:
            chunk = await run.next()
            return None if chunk is None else (run, chunk)

        def hedge() -> Run | None:
            second = self._calls.hedge_of(journey)
            return None if second is None else self._run(journey, second, ask)

        return await race(run, after_s, self._gate, hedge)

    def _run(self, journey: Journey, call: Call, ask: _Ask) -> Run:
        name = call.planned.platform
        attempt = Attempt(
            journey,
            call.planned,
            call.profile,
            self._reporter,
            self._clock,
            call.bound,
        )
        watch = Watch(
            call.planned, partial(self._calls.others, journey, call), self._silence, self._clock
        )
        return Run(attempt, ask(self._platforms[name], call.request, call.timeout_s), watch)

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
        if journey.plan.deadline_s - elapsed_s < WORTH_ASKING_S:
            return DeadlineExceeded(
                f"No platform had answered within {journey.plan.deadline_s:g} s.", failures
            )
        asked = ", ".join(dict.fromkeys(f.platform for f in failures))
        return NoPlatformAvailable(f"Every platform that could answer failed: {asked}.", failures)


async def _whole(
    platform: Platform, request: ChatRequest, timeout_s: float
) -> AsyncGenerator[ChatChunk, None]:
    yield ReplyDone(await platform.complete(request, timeout_s))


def _streamed(
    platform: Platform, request: ChatRequest, timeout_s: float
) -> AsyncGenerator[ChatChunk, None]:
    return platform.stream(request, timeout_s)


async def _passed_on(
    journey: Journey, run: Run, first: ChatChunk, origin: str
) -> AsyncGenerator[TextDelta | Resumed | Executed, None]:
    """The text of a run that has begun to speak, joined to what others said, then its end if it has one."""
    before = journey.said
    seam = Seam(before) if before else None
    chunk: ChatChunk | None = first
    try:
        if before:
            yield Resumed(origin, run.attempt.platform)
        while chunk is not None:
            match chunk:
                case TextDelta(text):
                    more = text if seam is None else seam.feed(text)
                    journey.said += more
                    if more:
                        yield TextDelta(more)
                case ReplyDone(reply):
                    if seam is not None:
                        if rest := seam.end():
                            journey.said += rest
                            yield TextDelta(rest)
                        # Half a turn of this platform: nothing it could be shown again.
                        reply = replace(
                            reply,
                            text=journey.said,
                            provider_state=None,
                            usage=journey.usage + reply.usage,
                        )
                    run.attempt.end()
                    yield Executed(reply, run.attempt.profile, tuple(journey.tried))
                    return
            chunk = await run.next()
        if journey.said != before:
            journey.usage += run.attempt.usage
    except BeganAnew:
        detail = "it began the answer anew in place of going on"
        run.attempt.end(PlatformError(run.attempt.platform, ErrorKind.BAD_REPLY, detail))
    finally:
        await run.close()
