"""What is long is sealed beside the event loop, wherever in a request it stands."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from typing_extensions import override

from actors.knowledge.document import Passage
from actors.memory import Window
from deployments.agent import wording
from deployments.privacy.find import Finder, Span
from deployments.privacy.seal import Seal
from deployments.privacy.sealer import AT_ONCE_MAX, sealed
from deployments.privacy.weight import is_heavier
from routing.exchange import ChatRequest, ResponseSchema
from routing.message import Json, Message, ToolCall, ToolResult, ToolSpec

LONG, SHORT = "so it is said " * 3_000, "so it is said"
PLAIN = ChatRequest("", (Message("user", "hi"),))


class Threads(Finder):
    """Remembers in which threads it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    @override
    def find(self, text: str) -> tuple[Span, ...]:
        self.seen.add(threading.get_ident())
        return super().find(text)


def saying(*, value: Any, text: str) -> dict[str, ChatRequest]:
    """A request for each place in which something can stand."""
    call = Message("assistant", "", (ToolCall("c", "f", {"a": value}),))
    result = Message("user", tool_results=(ToolResult("c", text),))
    tool = ToolSpec("f", "", {"type": "object"})
    return {
        "message": replace(PLAIN, messages=(Message("user", text),)),
        "system": replace(PLAIN, system=text),
        "arguments": replace(PLAIN, messages=(*PLAIN.messages, call)),
        "a name in them": replace(
            PLAIN, messages=(Message("assistant", "", (ToolCall("c", "f", {text: 1}),)),)
        ),
        "result": replace(PLAIN, messages=(*PLAIN.messages, result)),
        "tool": replace(PLAIN, tools=(replace(tool, description=text),)),
        "parameters": replace(PLAIN, tools=(replace(tool, parameters={"default": value}),)),
        "answer": replace(PLAIN, response_schema=ResponseSchema("a", {"default": value})),
    }


@pytest.mark.parametrize("place", saying(value="", text=""))
@pytest.mark.parametrize("value", [LONG, [4] * 2_000, "4 " * 4_000])
async def test_what_takes_long_is_sealed_in_a_thread_wherever_it_stands(
    place: str, value: Any
) -> None:
    """Prose of that length takes milliseconds; numbers take as long where there are fewer of them."""
    finder = Threads()
    text = value if isinstance(value, str) else LONG
    await sealed(Seal(b"key", finder), saying(value=value, text=text)[place])
    assert finder.seen
    assert threading.get_ident() not in finder.seen


@pytest.mark.parametrize("place", saying(value="", text=""))
async def test_what_is_short_is_sealed_where_it_is(place: str) -> None:
    finder = Threads()
    await sealed(Seal(b"key", finder), saying(value=[SHORT, 4, None], text=SHORT)[place])
    assert finder.seen == {threading.get_ident()}


async def test_turns_of_tools_and_what_was_found_are_weighed_as_well() -> None:
    finder = Threads()
    seal = Seal(b"key", finder)
    await wording.messages_of(seal, saying(value=LONG, text="")["arguments"].messages)
    window, kept = Window(), Passage("database", "1", "", LONG, "internal")
    await wording.told_of(seal, "hi", replace(window, summary=LONG), ())
    await wording.told_of(seal, "hi", window, (kept,))
    assert threading.get_ident() not in finder.seen


@pytest.mark.parametrize(
    ("said", "heavy"),
    [
        (["a" * (AT_ONCE_MAX - 100)], False),
        (["a" * AT_ONCE_MAX], True),
        (["4 " * 6_000], True),
        ([[[1] * 600, {"a": [True] * 600}]], True),
        ([[1] * 600, {}, [], None], False),
        ([{"a" * AT_ONCE_MAX: []}], True),
    ],
)
def test_numbers_and_names_weigh_what_they_take(said: list[Json], heavy: bool) -> None:
    assert is_heavier(said, AT_ONCE_MAX) is heavy


def test_no_more_is_looked_at_than_decides() -> None:
    """A body may bring hundreds of thousands of values, and this is asked on the event loop."""
    looked = 0

    def values() -> Any:
        nonlocal looked
        for _ in range(100_000):
            looked += 1
            yield 1

    assert is_heavier(values(), AT_ONCE_MAX)
    assert looked < 1_100
