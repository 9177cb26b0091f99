"""The calls a plan comes to: who is asked next, with how much time and money."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

from deployments.agent.attempt import Journey, Reporter
from deployments.agent.bill import CostBound
from routing.breaker import attempt_key
from routing.catalog import Catalogs
from routing.clock import Clock
from routing.continuation import can_continue, continue_from
from routing.eligibility import MIN_OUTPUT_TOKENS
from routing.errors import ErrorKind, PlatformError
from routing.estimate import (
    BOUND_TOKENS_PER_MESSAGE,
    BYTES_PER_TOKEN,
    affordable_tokens,
    count_input_bytes,
    utf8_length,
)
from routing.exchange import ChatRequest
from routing.plan import PlannedAttempt
from routing.platform_profile import PlatformProfile

# Under this much time no platform answers; asking would only cost money.
WORTH_ASKING_S = 0.05
# Before the last platform is asked once more: a restart behind a load balancer is over by then.
RETRY_PAUSE_S = 0.25


@dataclass(frozen=True, slots=True)
class Call:
    """One call about to be made, and the most it can cost.

    `index` is its place in the plan. `profile` is who is asked, at the price of this moment.
    """

    index: int
    planned: PlannedAttempt
    profile: PlatformProfile
    request: ChatRequest
    timeout_s: float
    bound: CostBound


class Calls:
    """Turns plans into calls, one after the other."""

    def __init__(self, catalogs: Catalogs, reporter: Reporter, clock: Clock) -> None:
        self._catalogs = catalogs
        self._reporter = reporter
        self._clock = clock

    async def of(self, journey: Journey) -> AsyncGenerator[Call, None]:
        """The plan's calls, as far as time, money and the last failure allow another."""
        plan = journey.plan
        for index, planned in enumerate(plan.attempts):
            if index in journey.hedged:
                continue
            is_last = index == len(plan.attempts) - 1
            # With another platform in reserve, moving on is quicker than asking again, and
            # kinder to the one in trouble. A vendor that keeps the conversation may have heard
            # what it did not answer: asked again, it would have been told twice.
            may_repeat = is_last and journey.request.vendor_conversation is None
            for number in range(2 if may_repeat else 1):
                if number and not await self._pause(journey, index):
                    break
                call = self._call(journey, index)
                if call is None:
                    break  # the next has time of its own, and may be cheaper
                async with self._probe(journey, planned) as is_granted:
                    # Claiming may have taken half a second of what there was.
                    call = self._call(journey, index) if is_granted else None
                    if call is None:
                        break
                    yield call
                failure = journey.failures[-1]
                if not failure.handling.fail_over:
                    return
                if not failure.handling.retry_same:
                    break

    def others(self, journey: Journey, call: Call) -> list[str]:
        """The targets that could be asked if `call` were given up now, with no probe among them."""
        if journey.said and not can_continue(journey.request):
            return []
        return [
            planned.target
            for index, planned in enumerate(journey.plan.attempts)
            if index > call.index
            and index not in journey.hedged
            and not planned.is_probe
            and self._call(journey, index) is not None
        ]

    def hedge_of(self, journey: Journey) -> Call | None:
        """The call to make beside the first, which is late; None if time or money forbid it.

        It goes to the plan's next platform, which is then not asked again.
        """
        call = self._call(journey, 1)
        if call is not None:
            journey.hedged.add(1)
        return call

    def _call(self, journey: Journey, index: int) -> Call | None:
        planned = journey.plan.attempts[index]
        timeout_s = journey.plan.time_for(index, self._clock.monotonic() - journey.began)
        if timeout_s < WORTH_ASKING_S:
            return None
        # Not the decision's: midnight may have come between, and with it another price.
        profile = self._catalogs.profile(planned.target, self._clock.now())
        if journey.said and not profile.limits.continues:
            return None
        request = journey.request
        input_bound = journey.facts.bound_with(profile.limits.image_tokens)
        wanted = planned.max_tokens
        least = max(min(MIN_OUTPUT_TOKENS, wanted), profile.limits.least_output_tokens)
        if journey.said:
            request = continue_from(request, journey.said)
            begun = request.messages[len(journey.request.messages) :]
            input_bound += count_input_bytes("", begun, ()) + 2 * BOUND_TOKENS_PER_MESSAGE
            # What was said is part of the answer's length.
            wanted = max(wanted - utf8_length(journey.said) // BYTES_PER_TOKEN, least)
        tokens, price = wanted, profile.price
        if journey.left_usd is not None and price is not None:
            free_usd = journey.left_usd - journey.at_stake_usd
            tokens = affordable_tokens(price, free_usd, input_bound, wanted)
            if tokens < least:
                return None
        return Call(
            index,
            planned,
            profile,
            replace(
                request, model=planned.model, max_tokens=tokens, temperature=profile.temperature
            ),
            timeout_s,
            CostBound()
            if price is None
            else CostBound(price.bound(input_bound, tokens), price.bound(input_bound, 0)),
        )

    async def _pause(self, journey: Journey, index: int) -> bool:
        """Wait as long as the last failure asks; False, at once, if that is too long for us."""
        pause_s = journey.failures[-1].retry_after_s or RETRY_PAUSE_S
        left_s = journey.plan.time_for(index, self._clock.monotonic() - journey.began)
        if left_s - pause_s < WORTH_ASKING_S:
            return False
        # The time itself is what the platform asked for; it is within the caller's, by the above.
        await asyncio.sleep(pause_s)
        return True

    @contextlib.asynccontextmanager
    async def _probe(self, journey: Journey, planned: PlannedAttempt) -> AsyncGenerator[bool, None]:
        """Whether the platform may be asked; what was claimed and not sent is given back at the end.

        A plan without another platform asks in any case, as it does while the breaker is
        open: a call too many costs less than a refusal.
        """
        if not planned.is_probe:
            yield True
            return
        number = len(journey.tried)
        key = attempt_key(journey.answer_id, number)
        is_granted = True  # for all we know, while nobody has said
        try:
            is_granted = await self._reporter.claim_probe(planned.target, key)
            if not is_granted and len(journey.plan.attempts) > 1:
                detail = "its breaker is open, and somebody else tries whether it is well again"
                refusal = PlatformError(planned.platform, ErrorKind.OVERLOADED, detail)
                journey.failures.append(refusal)
                yield False
            else:
                yield True
        finally:
            # Every attempt that was begun is told by now, and its outcome gives the probe back.
            if is_granted and len(journey.tried) == number:
                self._reporter.release_probe(planned.target, key)
