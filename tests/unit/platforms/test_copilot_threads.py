"""Which conversations of an agent are gone on with, and what is told of a handoff."""

import pytest

from deployments.platforms.copilot.handoff import MAX_ENTRIES, MAX_TEXT, read_handoff
from deployments.platforms.copilot.threads import Place, Thread, Threads
from routing.clock import ManualClock
from routing.message import Json

HERE = Thread(Place("c1", "w1", "secret-token"), "Five days.")


def test_a_conversation_is_one_turns_until_it_is_kept_again() -> None:
    """Two turns in one conversation would hear each other's answers."""
    threads = Threads(ManualClock().monotonic)
    threads.keep("a", HERE)
    assert threads.take("a") == HERE
    assert threads.take("a") is None
    assert threads.take(None) is None


def test_the_agent_is_silent_too_long_and_is_told_everything_again() -> None:
    """By then it has forgotten what was said."""
    clock = ManualClock()
    threads = Threads(clock.monotonic, idle_s=10)
    threads.keep("a", HERE)
    clock.advance(6)
    threads.keep("b", HERE)
    clock.advance(5)
    assert threads.take("a") is None
    assert threads.take("b") == HERE


def test_the_conversation_that_was_left_first_makes_room() -> None:
    """A replica lives for weeks, and customers come and go."""
    threads = Threads(ManualClock().monotonic, max_threads=2)
    for key in ("a", "b", "a", "c"):
        threads.keep(key, HERE)
    assert [threads.take(key) is not None for key in ("a", "b", "c")] == [True, False, True]


def test_a_token_is_in_no_log() -> None:
    """It opens a customer's conversation."""
    assert "secret-token" not in repr(HERE)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"va-LastTopic": "Escalate", "va-AgentMessage": "She is upset"}, "She is upset"),
        ({"va-LastTopic": "Escalate"}, "Escalate"),
        ({"reason": "no answer", "va-LastTopic": "Escalate"}, "no answer"),
        ({"order": 7}, None),
        ("the user asked", "the user asked"),
        (None, None),
    ],
)
def test_a_handoffs_reason_is_what_the_agent_says_to_the_person(
    value: Json, reason: str | None
) -> None:
    """Else what the conversation was about, else nothing."""
    assert read_handoff(value).reason == reason


def test_a_handoffs_context_is_text_and_bounded() -> None:
    """It comes from outside, and goes into every answer and every log of it."""
    many: dict[str, Json] = {f"k{n}": "x" * 10_000 for n in range(100)}
    found = read_handoff({"topics": ["a", "b"], "none": None, "": "", **many}).context
    assert found["topics"] == '["a","b"]'
    assert "none" not in found
    assert len(found) <= MAX_ENTRIES
    assert max(map(len, found.values())) == MAX_TEXT
