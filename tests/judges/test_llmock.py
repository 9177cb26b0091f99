"""llmock grades us: our adapters, driven by our executor, against vendors that fail on purpose.

It knows a retry by its body, so it sees whether a platform was given the time it asked for,
was asked for what it cannot do, or had an answer taken from it that was only half there.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest
from typing_extensions import override

from deployments.agent.attempt import Journey, Reporter
from deployments.agent.executor import Executed, Executor
from deployments.platforms.registry import open_platform
from routing.catalog import Catalog
from routing.clock import SystemClock
from routing.errors import (
    DeadlineExceeded,
    ErrorKind,
    NoPlatformAvailable,
    PlatformError,
    SupportMaxError,
)
from routing.estimate import TaskFacts
from routing.exchange import ChatRequest, ResponseSchema, TextDelta
from routing.message import Message
from routing.outcome import Outcome
from routing.plan import AttemptPlan, PlannedAttempt
from tests.judges.llmock import EVENTS_BEFORE_TEXT, PLATFORMS, PROVIDERS, Llmock
from tests.unit.routing import worlds

pytestmark = pytest.mark.timeout(120)

ANSWER = '{"refund": "Five days after we have the parcel."}'
DEADLINE_S = 20.0
# More than the executor's own pause, so that it can only come from the vendor's words.
RETRY_AFTER_S = 0.5
HANGS_S = 10.0
PATIENCE_S = 1.5  # of a caller whose platform hangs
FORM = ResponseSchema("form", {"type": "object", "properties": {"refund": {"type": "string"}}})


class _Nobody(Reporter):
    """Attempts are judged from outside here."""

    @override
    def begin(self, platform: str) -> None:
        pass

    @override
    def end(self, outcome: Outcome) -> None:
        pass

    @override
    async def claim_probe(self, platform: str, key: str) -> bool:
        return True

    @override
    def release_probe(self, platform: str, key: str) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Product:
    """Our executor over our adapters of some platforms; plans go through them in this order."""

    executor: Executor
    platforms: tuple[str, ...]

    async def ask(
        self,
        *,
        streams: bool,
        deadline_s: float = DEADLINE_S,
        question: str = "How long does a refund take?",
        schema: ResponseSchema | None = None,
    ) -> str:
        """The text that reached a caller who was told that it is whole."""
        journey = self._journey(question, deadline_s, schema)
        if not streams:
            return (await self.executor.complete(journey)).reply.text
        text, done = "", False
        async with aclosing(self.executor.stream(journey)) as steps:
            async for step in steps:
                text += step.text if isinstance(step, TextDelta) else ""
                done = done or isinstance(step, Executed)
        assert done, "a stream that ends without an error and without its last step"
        return text

    async def asked_both_ways(self) -> list[str | BaseException]:
        """The answer as JSON and as a stream, at the same time, or how each failed."""
        asked = (self.ask(streams=streams) for streams in (False, True))
        return await asyncio.gather(*asked, return_exceptions=True)

    def _journey(self, question: str, deadline_s: float, schema: ResponseSchema | None) -> Journey:
        share_s = deadline_s / len(self.platforms)
        planned = (PlannedAttempt(name, f"{name}-model", 800, share_s) for name in self.platforms)
        asked = (Message("user", question),)
        return Journey(
            plan=AttemptPlan(deadline_s, tuple(planned)),
            request=ChatRequest("", asked, system="Be brief.", response_schema=schema),
            tenant="acme",
            answer_id=f"ans_{uuid.uuid4().hex}",
            began=SystemClock().monotonic(),
            facts=TaskFacts(input_bytes=20, messages=1, max_tokens=100),
            left_usd=None,
        )


@asynccontextmanager
async def product(llmock: Llmock, *names: str) -> AsyncIterator[Product]:
    """The product over these platforms, all of them at llmock."""
    platforms = {name: open_platform(name, llmock.connection(name)) for name in names}
    catalog = Catalog(map(worlds.platform, names))
    try:
        yield Product(Executor(platforms, catalog, _Nobody(), SystemClock()), names)
    finally:
        for platform in platforms.values():
            await platform.aclose()


@asynccontextmanager
async def each_alone(llmock: Llmock) -> AsyncIterator[list[Product]]:
    """For each platform a product which has no other."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(product(llmock, name)) for name in PLATFORMS]


async def answers(llmock: Llmock) -> None:
    """Every answer that is not broken says the same."""
    await llmock.script({"type": "reply", "text": ANSWER, "times": None})


def fails(status: int, times: int | None = 1) -> list[dict[str, object]]:
    """Every platform fails `times` times each way it is asked."""
    fault = {"type": "fail", "status": status, "retry_after": RETRY_AFTER_S, "times": times}
    return [
        {**fault, "match": {"provider": provider, "stream": streams}}
        for provider in PROVIDERS.values()
        for streams in (False, True)
    ]


def breaks(kind: str, after_texts: int) -> list[dict[str, object]]:
    """The next stream of every platform breaks after so many pieces of its text."""
    return [
        {
            "type": "stream_fault",
            "kind": kind,
            "after_chunks": EVENTS_BEFORE_TEXT[platform] + after_texts,
            "stall_seconds": HANGS_S,
            "match": {"provider": provider, "stream": True},
        }
        for platform, provider in PROVIDERS.items()
    ]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
async def test_a_vendor_that_names_a_time_is_asked_again_after_it_and_not_before(
    llmock: Llmock, status: int
) -> None:
    """With nobody in reserve, the customer gets an answer late and not an apology."""
    await answers(llmock)
    await llmock.script(*fails(status))
    async with each_alone(llmock) as products:
        ended = await asyncio.gather(*(ours.asked_both_ways() for ours in products))
    assert ended == [[ANSWER, ANSWER]] * 3
    (await llmock.verdict()).assert_flawless(attempts=3 * 2 * 2)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_what_fails_the_same_way_twice_is_asked_once(llmock: Llmock, status: int) -> None:
    """A wrong key, a wrong body, a model that is gone: repeating it mends nothing."""
    await llmock.script(*fails(status, times=None))
    async with each_alone(llmock) as products:
        for ended in await asyncio.gather(*(ours.asked_both_ways() for ours in products)):
            assert all(isinstance(one, SupportMaxError) for one in ended), ended
    (await llmock.verdict()).assert_flawless(attempts=3 * 2)


@pytest.mark.parametrize("status", [429, 503])
async def test_a_vendor_that_is_down_is_asked_twice_and_left_alone(
    llmock: Llmock, status: int
) -> None:
    """An outage is not made worse by those who wait for its end."""
    await llmock.script(*fails(status, times=None))
    async with each_alone(llmock) as products:
        for ended in await asyncio.gather(*(ours.asked_both_ways() for ours in products)):
            assert [type(one) for one in ended] == [NoPlatformAvailable] * 2
    (await llmock.verdict()).assert_flawless(attempts=3 * 2 * 2)


async def test_a_crowd_of_callers_is_no_storm(llmock: Llmock) -> None:
    """Thirty-two who fail together ask once more each, and none of them too early."""
    await llmock.script({"type": "fail", "status": 503, "retry_after": RETRY_AFTER_S, "times": 64})
    async with product(llmock, "openai") as ours:
        crowd = [ours.ask(streams=n % 2 == 0, question=f"Order {n}?") for n in range(32)]
        ended = await asyncio.gather(*crowd, return_exceptions=True)
    assert {type(one) for one in ended} == {NoPlatformAvailable}
    (await llmock.verdict()).assert_flawless(attempts=64)


@pytest.mark.parametrize("kind", ["disconnect", "truncate", "malformed"])
async def test_a_stream_that_breaks_before_its_first_word_is_asked_for_again(
    llmock: Llmock, kind: str
) -> None:
    """Nobody has read anything yet, so the customer notices nothing but a moment's delay."""
    await answers(llmock)
    await llmock.script(*breaks(kind, after_texts=0))
    async with each_alone(llmock) as products:
        ended = await asyncio.gather(*(ours.ask(streams=True) for ours in products))
    assert ended == [ANSWER] * 3
    (await llmock.verdict()).assert_flawless(attempts=3 * 2)


@pytest.mark.parametrize("kind", ["disconnect", "truncate", "malformed"])
async def test_half_an_answer_for_a_program_is_an_error_and_never_a_whole_one(
    llmock: Llmock, kind: str
) -> None:
    """JSON cannot be continued: whoever read its beginning hears that it broke, and asks again."""
    await answers(llmock)
    await llmock.script(*breaks(kind, after_texts=2))
    async with each_alone(llmock) as products:
        for ours in products:
            with pytest.raises(PlatformError):
                await ours.ask(streams=True, schema=FORM)
        # A repetition counts as one once llmock has noticed that we hung up on it.
        await llmock.verdict()
        for ours in products:
            assert await ours.ask(streams=True, schema=FORM) == ANSWER
    (await llmock.verdict()).assert_flawless(attempts=3 * 2)


@pytest.mark.parametrize("kind", ["disconnect", "truncate", "malformed"])
async def test_half_an_answer_for_a_reader_is_gone_on_with(llmock: Llmock, kind: str) -> None:
    """What was read stays; the rest is asked for. To llmock, with another body, it is no retry."""
    await answers(llmock)
    await llmock.script(*breaks(kind, after_texts=2))
    async with each_alone(llmock) as products:
        ended = await asyncio.gather(*(ours.ask(streams=True) for ours in products))
    assert ended == [ANSWER] * 3
    assert (await llmock.verdict()).attempts == 3 * 2


@pytest.mark.parametrize(
    ("streams", "faults"),
    [
        (False, [{"type": "delay", "seconds": 1.5 * PATIENCE_S, "times": 3}]),
        (True, breaks("stall", after_texts=0)),
        (True, breaks("stall", after_texts=2)),
    ],
    ids=["before the answer", "before its first word", "in the middle of it"],
)
async def test_a_vendor_that_hangs_is_left_when_the_callers_time_is_over(
    llmock: Llmock, faults: list[dict[str, object]], *, streams: bool
) -> None:
    """A promise of latency holds, and nobody sits through a silence that outlasts it."""
    async with each_alone(llmock) as products:
        # Once at leisure: what an SDK does before its first request is not what is timed here.
        await asyncio.gather(*(ours.ask(streams=streams) for ours in products))
        await llmock.reset()
        await answers(llmock)
        await llmock.script(*faults)
        asked = (ours.ask(streams=streams, deadline_s=PATIENCE_S, schema=FORM) for ours in products)
        for error in await asyncio.gather(*asked, return_exceptions=True):
            is_late = isinstance(error, PlatformError) and error.kind is ErrorKind.TIMEOUT
            assert is_late or isinstance(error, DeadlineExceeded), error
    (await llmock.verdict()).assert_flawless(attempts=3)


@pytest.mark.parametrize("streams", [False, True])
async def test_with_another_platform_in_reserve_nobody_waits_for_the_first(
    llmock: Llmock, *, streams: bool
) -> None:
    """The judge sees one vendor at a time: for it this client gave up, and nothing worse."""
    await answers(llmock)
    openai = {"provider": "openai"}
    wait_long = {"type": "fail", "status": 429, "retry_after": DEADLINE_S / 2, "times": None}
    await llmock.script({**wait_long, "match": openai})
    async with product(llmock, "openai", "google_vertex", "anthropic") as ours:
        async with asyncio.timeout(DEADLINE_S / 4):
            assert await ours.ask(streams=streams) == ANSWER
    verdict = await llmock.verdict()
    assert (verdict.passed, verdict.codes, verdict.attempts) == (True, ("gave_up",), 2)


async def test_the_judge_does_find_fault(llmock: Llmock) -> None:
    """A client that hurries, insists and believes everything does not pass."""
    body = {"model": "m", "input": "Hello?", "stream": True}
    await llmock.script(
        {"type": "fail", "status": 429, "retry_after": 5},
        {"type": "fail", "status": 401},
        {"type": "stream_fault", "kind": "truncate", "after_chunks": 5},
    )
    async with httpx2.AsyncClient(verify=False, trust_env=False) as hasty:
        for _ in range(3):
            await hasty.post(f"{llmock.address}/v1/responses", json=body)
    verdict = await llmock.verdict()
    assert not verdict.passed
    assert sorted(verdict.codes) == sorted(
        ("retry_after_ignored", "retried_non_retryable", "truncated_stream_accepted")
    )
