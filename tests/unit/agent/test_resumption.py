"""An outage in mid-sentence: another platform goes on, within the same time and money."""

from dataclasses import replace
from decimal import Decimal

from deployments.agent.attempt import Journey
from deployments.agent.executor import Executed, Executor, Resumed
from routing.catalog import Catalog
from routing.errors import ErrorKind
from routing.exchange import TextDelta, Usage
from routing.message import Message, ToolSpec
from routing.money import Price
from routing.request_limits import RequestLimits
from tests.unit.agent.worlds import (
    Board,
    Scripted,
    attempt,
    executor,
    fails,
    journey,
    priced,
    read,
    reply,
)
from tests.unit.routing.worlds import platform
from tests.unit.virtual_time import LoopClock

LOST = fails(ErrorKind.CONNECTION)


async def steps_of(run: Executor, plan: Journey) -> list[TextDelta | Resumed | Executed]:
    return [step async for step in run.stream(plan)]


def text_of(steps: list[TextDelta | Resumed | Executed]) -> str:
    return "".join(step.text for step in steps if isinstance(step, TextDelta))


async def test_another_platform_goes_on_in_mid_sentence() -> None:
    """The caller reads one seamless answer and is told who took over."""
    openai = Scripted(["You will get ", "your mon", LOST])
    anthropic = Scripted(["your money", " back today.", reply("your money back today.")])
    board = Board()
    steps = await steps_of(executor(board, openai=openai, anthropic=anthropic), journey())
    assert text_of(steps) == "You will get your money back today."
    assert [s for s in steps if isinstance(s, Resumed)] == [Resumed("openai", "anthropic")]
    end = steps[-1]
    assert isinstance(end, Executed)
    assert end.reply.text == "You will get your money back today."
    assert [(t.platform, t.outcome) for t in end.tried] == [
        ("openai", "connection"),
        ("anthropic", "ok"),
    ]


async def test_the_next_platform_is_shown_what_was_said() -> None:
    """As its own unfinished turn, under a demand to go on."""
    openai, anthropic = Scripted(["You will get ", LOST]), Scripted(["it.", reply("it.")])
    await steps_of(executor(Board(), openai=openai, anthropic=anthropic), journey())
    question, begun, demand = anthropic.asked[0].messages
    assert (question.text, begun) == ("hello", Message("assistant", "You will get "))
    assert demand.role == "user"


async def test_a_lone_platform_goes_on_itself() -> None:
    """With nobody in reserve the same one is asked to continue, once."""
    openai = Scripted(["You will ", LOST], ["get it.", reply("get it.")])
    plan = journey(attempt("openai", 30.0))
    steps = await steps_of(executor(Board(), openai=openai), plan)
    assert text_of(steps) == "You will get it."
    assert Resumed("openai", "openai") in steps


async def test_two_outages_in_one_answer_are_survived() -> None:
    """Each platform goes on where the one before it was lost."""
    lost = [fails(ErrorKind.STREAM_TRUNCATED, n) for n in ("openai", "anthropic")]
    platforms = {
        "openai": Scripted(["One, ", lost[0]]),
        "anthropic": Scripted(["two, ", lost[1]]),
        "google_vertex": Scripted(["three.", reply("three.")]),
    }
    plan = journey(*(attempt(name, 10.0) for name in platforms))
    steps = await steps_of(executor(Board(), **platforms), plan)
    assert text_of(steps) == "One, two, three."
    assert sum(isinstance(step, Resumed) for step in steps) == 2


async def test_an_answer_that_begins_anew_is_not_passed_on() -> None:
    """Two beginnings are no answer: the next platform has its turn."""
    platforms = {
        "openai": Scripted(["You were charged twice in November. We", LOST]),
        "anthropic": Scripted(["You were charged twice in November, sorry!", reply()]),
        "google_vertex": Scripted([" refund it.", reply()]),
    }
    board = Board()
    plan = journey(*(attempt(name, 10.0) for name in platforms))
    steps = await steps_of(executor(board, **platforms), plan)
    assert text_of(steps) == "You were charged twice in November. We refund it."
    assert board.told == [
        ("openai", "connection"),
        ("anthropic", "bad_reply"),
        ("google_vertex", "ok"),
    ]


async def test_when_nobody_can_go_on_the_stream_ends_in_the_failure() -> None:
    """Never in a clean end: a truncated answer must not look whole."""
    down = fails(ErrorKind.OVERLOADED, "anthropic")
    platforms = {"openai": Scripted(["You will ", LOST]), "anthropic": Scripted([down], [down])}
    text, end = await read(executor(Board(), **platforms), journey())
    assert (text, end) == ("You will ", down)


async def test_half_a_tool_turn_is_not_continued() -> None:
    """Another model's tool calls do not fit; the caller is told."""
    plan = journey()
    tool = ToolSpec("refund", "pays back", {"type": "object"})
    plan.request = replace(plan.request, tools=(tool,))
    openai, anthropic = Scripted(["Let me see ", LOST]), Scripted()
    text, end = await read(executor(Board(), openai=openai, anthropic=anthropic), plan)
    assert (text, end) == ("Let me see ", LOST)
    assert anthropic.asked == []


async def test_a_filter_that_cuts_in_mid_answer_is_not_asked_elsewhere() -> None:
    """What one platform refuses to go on with is not hawked around."""
    filtered = fails(ErrorKind.CONTENT_FILTERED)
    openai, anthropic = Scripted(["So you ", filtered]), Scripted()
    text, end = await read(executor(Board(), openai=openai, anthropic=anthropic), journey())
    assert (text, end) == ("So you ", filtered)
    assert anthropic.asked == []


async def test_going_on_is_paid_from_what_is_left() -> None:
    """The lost half is taken at its bound; without money for the rest nobody else is asked."""
    price = Price(Decimal(1), Decimal(10))
    bound = price.bound(1000, 800)
    for limit, goes_on in ((bound * 3, True), (bound, False)):
        openai, anthropic = Scripted(["You will ", LOST]), Scripted(["get it.", reply("get it.")])
        plan = journey(
            attempt("openai", 15.0, cost_bound_usd=bound),
            attempt("anthropic", 15.0, cost_bound_usd=bound),
            left_usd=limit,
        )
        run = priced(price, Board(), openai=openai, anthropic=anthropic)
        _, end = await read(run, plan)
        assert isinstance(end, Executed) is goes_on
        assert bool(anthropic.asked) is goes_on


async def test_a_lost_half_is_booked_by_what_it_produced() -> None:
    """The vendor bills what it made before the line was cut; the answer's cost has both halves."""
    price = Price(Decimal(1), Decimal(10))
    board = Board()
    openai, anthropic = Scripted(["x" * 400, LOST]), Scripted([" end.", reply(" end.", 5)])
    plan = journey()
    await steps_of(priced(price, board, openai=openai, anthropic=anthropic), plan)
    first, second = board.outcomes
    assert first.cost_usd == Decimal(plan.facts.input_tokens_expected + 100 * 10) / 1_000_000
    assert second.cost_usd is not None
    assert (plan.spent.usd, plan.spent.is_estimate) == (first.cost_usd + second.cost_usd, True)


async def test_the_usage_of_a_continued_answer_is_that_of_all_who_said_it() -> None:
    """A client reckons with it: 1,000 tokens that were cut off are as much part of it as the last two."""
    openai, anthropic = Scripted(["x" * 4_000, LOST]), Scripted([" end.", reply(" end.", 2)])
    plan = journey()
    steps = await steps_of(executor(Board(), openai=openai, anthropic=anthropic), plan)
    end = steps[-1]
    assert isinstance(end, Executed)
    assert end.reply.usage == Usage(plan.facts.input_tokens_expected + 1_000, output_tokens=1_002)


async def test_whoever_said_nothing_is_not_in_the_usage() -> None:
    """A second half that began anew, and never reached the caller, is in the cost alone."""
    platforms = {
        "openai": Scripted(["You were charged twice in November. We", LOST]),
        "anthropic": Scripted(["You were charged twice in November, sorry!", reply()]),
        "google_vertex": Scripted([" refund it.", reply(" refund it.", 3)]),
    }
    plan = journey(*(attempt(name, 10.0) for name in platforms))
    end = (await steps_of(executor(Board(), **platforms), plan))[-1]
    assert isinstance(end, Executed)
    # 38 bytes of the first, at four a token, and the three that the last was billed.
    assert end.reply.usage.output_tokens == 9 + 3


async def test_a_continued_answer_of_another_script_is_no_longer_than_was_asked() -> None:
    """770 characters of Japanese are 2,310 bytes, about 577 of 800 tokens: 223 are left."""
    openai = Scripted(["返金は五営業日以内に。" * 70, LOST])
    anthropic = Scripted(["終", reply("終")])
    await steps_of(executor(Board(), openai=openai, anthropic=anthropic), journey())
    assert [one.asked[0].max_tokens for one in (openai, anthropic)] == [800, 223]


async def test_a_second_half_asks_for_no_fewer_tokens_than_the_wire_knows() -> None:
    """Else more would be sent than was reckoned with."""
    openai, anthropic = Scripted(["x" * 4_000, LOST]), Scripted([" end.", reply(" end.", 2)])
    least = RequestLimits(least_output_tokens=50)
    profiles = [replace(platform(name), limits=least) for name in ("openai", "anthropic")]
    platforms = {"openai": openai, "anthropic": anthropic}
    run = Executor(platforms, Catalog(profiles), Board(), LoopClock())
    await steps_of(run, journey())
    assert anthropic.asked[0].max_tokens == 50
