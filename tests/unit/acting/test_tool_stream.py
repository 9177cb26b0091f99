"""Answers that act, streamed: one text and one end, whatever is called and whoever breaks off."""

from pathlib import Path
from typing import Any

from deployments.agent.exchange import Delta
from deployments.agent.executor import Resumed
from deployments.agent.hands import Calling, Made
from routing.errors import ErrorKind
from tests.unit.acting.world import PAID, acting, asks, says
from tests.unit.agent.worlds import Scripted, fails

INVOICES = ("tools__list_invoices", dict[str, Any]())
QUESTION = f"Please refund 20 dollars of {PAID}, I was charged twice."


async def test_a_stream_tells_calls_between_its_text(tmp_path: Path) -> None:
    """The text of all turns is one text, and what is streamed is what the answer says."""
    model = Scripted(
        ["Let me ", "look.", asks(INVOICES, text="Let me look.")],
        ["Two ", "invoices.", says("Two invoices.")],
    )
    async with acting(tmp_path, {"openai": model}) as world:
        events, answer = await world.listen(QUESTION)
    told = [
        event.text if isinstance(event, Delta) else event.to_json()["status"]
        for event in events
        if isinstance(event, Delta | Calling | Made)
    ]
    assert told == ["Let me ", "look.", "started", "done", "\n\nTwo ", "invoices."]
    assert answer.reply.text == "Let me look.\n\nTwo invoices."


async def test_text_that_is_cut_is_continued_though_there_are_tools(tmp_path: Path) -> None:
    """The platform that goes on may say the rest and call nothing."""
    first = Scripted(["Your refund of invoice ", fails(ErrorKind.STREAM_TRUNCATED)])
    second = Scripted(["is on its way.", says("is on its way.")])
    async with acting(tmp_path, {"openai": first, "anthropic": second}) as world:
        events, answer = await world.listen(QUESTION)
    assert answer.reply.text == "Your refund of invoice is on its way."
    assert [e for e in events if isinstance(e, Resumed)] == [Resumed("openai", "anthropic")]
    assert second.asked[0].tool_choice == "none"


async def test_a_fallback_has_the_time_of_whoever_was_cut_off(tmp_path: Path) -> None:
    """Also where the plan had left it a tenth: nobody asks the first one again before it."""
    first = Scripted(["Your refund ", fails(ErrorKind.STREAM_TRUNCATED)])
    second = Scripted(["is on its way.", says("is on its way.")])
    async with acting(tmp_path, {"openai": first, "anthropic": second}) as world:
        _, answer = await world.listen(QUESTION)
    assert answer.reply.text == "Your refund is on its way."
    assert second.timeouts[0] > 25.0
    assert len(first.asked) == 1


async def test_what_a_model_says_only_at_its_end_is_streamed_all_the_same(tmp_path: Path) -> None:
    """Why it declines is told by some vendors with the end alone; with tools and without."""
    model = Scripted([says("I cannot help with that.")], [says("I cannot help with that.")])
    async with acting(tmp_path, {"openai": model}) as world:
        for tools in ("auto", "none"):
            events, answer = await world.listen(QUESTION, tools=tools)
            said = "".join(event.text for event in events if isinstance(event, Delta))
            assert said == answer.reply.text == "I cannot help with that."
