"""Every fault at every adapter: the other platform answers, or the caller hears an explicit error.

The adapters, the simulators and the executor are the product's own. What must never happen is
an answer that is called whole and is not.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import pytest

from config.models import shipped_models
from deployments.agent.attempt import Journey
from deployments.agent.executor import Executed, Executor, Resumed
from deployments.platforms.base import Platform
from deployments.platforms.registry import open_platform
from routing.catalog import Catalog
from routing.clock import SystemClock
from routing.errors import ErrorKind, NoPlatformAvailable, PlatformError, SupportMaxError
from routing.estimate import TaskFacts
from routing.exchange import ChatRequest, TextDelta
from routing.message import Message
from routing.plan import AttemptPlan, PlannedAttempt
from routing.platform_profile import PlatformProfile
from tests.contract.test_platform import MODELS
from tests.servers import Simulators
from tests.unit.agent.worlds import Board
from tests.unit.routing.worlds import platform

PASSAGE = (
    '<passage id="kb-1" title="Refunds">Refunds take five days. They go back to the card that was '
    "charged. Refunds of gift cards take two days. A refund needs a receipt.</passage>"
)
# An agent reads its user alone, and a model what stands above: so that all of them say the same.
ASKED = ChatRequest("", (Message("user", f"{PASSAGE}\n\nHow long do refunds take?"),), PASSAGE)
TIME_S = 20.0
# What the first platform has where the fault is silence, which ends with its time alone.
SHORT_S = 0.25
# The same where it has to be heard before: to connect and to read three chunks on busy cores.
HEARD_S = 2.0

FAULTS: Mapping[str, Mapping[str, object]] = {
    "429 with Retry-After": {"kind": "status", "status": 429, "retry_after_s": 30},
    "429": {"kind": "status", "status": 429},
    "402": {"kind": "status", "status": 402},
    "401": {"kind": "status", "status": 401},
    "500": {"kind": "status", "status": 500},
    "503": {"kind": "status", "status": 503},
    "529": {"kind": "status", "status": 529},
    "clean end at once": {"kind": "cut", "after_chunks": 0},
    "clean end in the text": {"kind": "cut", "after_chunks": 3},
    "clean end before the last event": {"kind": "cut", "after_chunks": 1_000},
    "broken at once": {"kind": "disconnect", "after_chunks": 0},
    "broken in the text": {"kind": "disconnect", "after_chunks": 3},
    "not JSON at once": {"kind": "garbage", "after_chunks": 0},
    "not JSON in the text": {"kind": "garbage", "after_chunks": 3},
    "an error for a first event": {"kind": "error_event", "after_chunks": 0},
    "an error in the text": {"kind": "error_event", "after_chunks": 3},
    "the other error in the text": {"kind": "error_event", "after_chunks": 3, "event": "error"},
    "silence at once": {"kind": "stall", "after_chunks": 0, "stall_s": 30},
    "silence in the text": {"kind": "stall", "after_chunks": 3, "stall_s": 30},
    "too slow": {"kind": "slow", "delay_ms": 30_000},
}
FIRST_S: Mapping[str, float] = {
    "silence at once": SHORT_S,
    "silence in the text": HEARD_S,
    "too slow": SHORT_S,
}
# Text was read before the fault. What is wrong in the same packet is found before its text is
# passed on, so after garbage and error events either may be.
READ = frozenset(
    {
        "clean end in the text",
        "clean end before the last event",
        "broken in the text",
        "silence in the text",
    }
)
MAYBE_READ = frozenset(
    {"not JSON in the text", "an error in the text", "the other error in the text"}
)
# What an adapter gets over by itself: a line of Direct Line that ends is taken up where it ended.
RECOVERED = {
    ("copilot_studio", fault) for fault in FAULTS if fault.startswith(("clean end", "broken"))
}
WHOLE = (
    "Refunds take five days. [kb-1] They go back to the card that was charged. [kb-1] "
    "Refunds of gift cards take two days. [kb-1] A refund needs a receipt. [kb-1]"
)


@dataclass(slots=True)
class Heard:
    """What reached the caller, and how it ended."""

    text: str = ""
    resumed: list[Resumed] = field(default_factory=list)
    executed: Executed | None = None
    error: SupportMaxError | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """A platform that is about to fail, and the one behind it."""

    first: str
    second: str
    platforms: Mapping[str, Platform]
    simulators: Simulators

    async def ask(self, *, streams: bool, first_s: float = TIME_S) -> tuple[Heard, Journey]:
        """Put the question to the first, with the second in reserve."""
        profiles = [profile(name) for name in (self.first, self.second)]
        times = (first_s, TIME_S)
        attempts = tuple(
            PlannedAttempt(p.name, p.model, 800, time_s)
            for p, time_s in zip(profiles, times, strict=True)
        )
        clock = SystemClock()
        journey = Journey(
            plan=AttemptPlan(sum(times), attempts),
            request=ASKED,
            tenant="acme",
            answer_id="ans_1",
            began=clock.monotonic(),
            facts=TaskFacts(input_bytes=600, messages=1, max_tokens=800),
            left_usd=None,
        )
        executor = Executor(self.platforms, Catalog(profiles), Board(), clock)
        heard = Heard()
        try:
            if streams:
                await listen(executor, journey, heard)
            else:
                heard.executed = await executor.complete(journey)
                heard.text = heard.executed.reply.text
        except SupportMaxError as error:
            heard.error = error
        return heard, journey


async def listen(executor: Executor, journey: Journey, heard: Heard) -> None:
    async with aclosing(executor.stream(journey)) as steps:
        async for step in steps:
            match step:
                case TextDelta(text):
                    heard.text += text
                case Resumed():
                    heard.resumed.append(step)
                case executed:
                    heard.executed = executed


def profile(name: str) -> PlatformProfile:
    """As the shipped tables describe it."""
    model = MODELS[name]
    facts = shipped_models().facts(name, model)  # type: ignore[arg-type]
    return replace(platform(name), model=model, limits=facts.limits)


@pytest.fixture(params=sorted(MODELS))
async def pair(request: pytest.FixtureRequest, simulators: Simulators) -> AsyncIterator[Pair]:
    first = str(request.param)
    second = "openai" if first == "anthropic" else "anthropic"
    platforms = {n: open_platform(n, simulators.connection(n)) for n in (first, second)}
    yield Pair(first, second, platforms, simulators)
    for each in platforms.values():
        await each.aclose()


@pytest.mark.parametrize("streams", [False, True], ids=["json", "stream"])
async def test_with_nothing_wrong_all_platforms_say_the_same(pair: Pair, *, streams: bool) -> None:
    """Otherwise the tests below would compare nothing with nothing."""
    heard, _ = await pair.ask(streams=streams)
    assert heard.executed is not None
    assert (heard.executed.platform, heard.text) == (pair.first, WHOLE)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_costs_no_caller_a_word(pair: Pair, fault: str) -> None:
    """Nobody is sold half an answer; where text was read, it goes on from its last word."""
    first_s = FIRST_S.get(fault, TIME_S)
    for streams in (False, True):
        await pair.simulators.script(pair.first, FAULTS[fault])
        heard, journey = await pair.ask(streams=streams, first_s=first_s)
        assert heard.error is None, (heard.error, journey.tried)
        assert heard.executed is not None
        assert heard.text == heard.executed.reply.text == WHOLE
        if (pair.first, fault) in RECOVERED:
            assert heard.executed.platform == pair.first
            assert not heard.resumed
            continue
        assert heard.executed.platform == pair.second
        assert journey.tried[0].outcome not in {"ok", "abandoned"}
        went_on = [Resumed(pair.first, pair.second)] if streams else []
        if fault in READ:
            assert heard.resumed == went_on
        else:
            assert heard.resumed in ([], went_on if fault in MAYBE_READ else [])


async def test_where_everyone_fails_the_caller_hears_who_and_why(pair: Pair) -> None:
    """An outage of both is an error that says so, not an empty answer; a stream ends in it as well."""
    for streams in (False, True):
        for name in (pair.first, pair.second):
            await pair.simulators.script(name, {"kind": "status", "status": 500, "times": 2})
        heard, journey = await pair.ask(streams=streams)
        await pair.simulators.clear()
        assert isinstance(heard.error, NoPlatformAvailable)
        assert {failure.platform for failure in heard.error.attempts} == set(pair.platforms)
        assert (heard.text, heard.executed) == ("", None)
        assert "ok" not in [tried.outcome for tried in journey.tried]


async def test_an_agent_is_not_asked_to_go_on_with_another_s_sentence(
    simulators: Simulators,
) -> None:
    """Copilot Studio hears earlier turns as a reminder: the caller gets the error, and no second half of something else."""
    names = ("openai", "copilot_studio")
    platforms = {name: open_platform(name, simulators.connection(name)) for name in names}
    await simulators.script("openai", FAULTS["clean end in the text"])
    heard, journey = await Pair(*names, platforms, simulators).ask(streams=True)
    for each in platforms.values():
        await each.aclose()
    assert isinstance(heard.error, PlatformError)
    assert heard.error.kind is ErrorKind.STREAM_TRUNCATED
    assert WHOLE.startswith(heard.text)
    assert heard.text
    assert [tried.platform for tried in journey.tried] == ["openai"]
    assert {request.platform for request in await simulators.requests()} == {"openai"}
