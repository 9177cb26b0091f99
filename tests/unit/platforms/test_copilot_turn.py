"""A turn of an agent: which activities say something, and whether it is over."""

import pytest

from deployments.platforms.copilot.codec import decode_activity
from deployments.platforms.copilot.turn import Turn
from routing.errors import ErrorKind, PlatformError
from routing.message import JsonObject

FAILED = (
    "Sorry.\nError code: {code}.\nConversation ID: 0b6f.\nTime (UTC): 2026-11-22T10:00:00.000Z."
)


def turn(bot_id: str = "") -> Turn:
    begun = Turn("dl_1", "mark", bot_id=bot_id)
    begun.begin("c1")
    return begun


def heard(begun: Turn, *activities: JsonObject) -> list[str]:
    return [begun.feed(decode_activity(one)) for one in activities]


def typing(text: str, *, delta: bool = False, stream: str = "s1") -> JsonObject:
    info = {"streamType": "streaming", "streamId": stream}
    if delta:
        return {"type": "typing", "text": text, "channelData": {**info, "chunkType": "delta"}}
    return {"type": "typing", "text": text, "entities": [{"type": "streaminfo", **info}]}


def message(text: str, **more: object) -> JsonObject:
    return {"type": "message", "text": text, **more}  # type: ignore[dict-item]


@pytest.mark.parametrize("delta", [True, False])
def test_typed_pieces_and_the_message_at_their_end_are_one_text(*, delta: bool) -> None:
    """One wire types what is new, the other all so far; the message repeats it and adds a source."""
    pieces = ("Five", " days.") if delta else ("Five", "Five days.")
    begun = turn()
    parts = heard(begun, *(typing(one, delta=delta) for one in pieces), message("Five days. [1]"))
    assert parts == ["Five", " days.", " [1]"]
    assert begun.reply("m").text == "Five days. [1]"


def test_a_message_that_says_otherwise_than_its_stream_stands_beside_it() -> None:
    """What a user has read cannot be taken back, and what the agent means must be said."""
    begun = turn()
    heard(begun, typing("Five"), typing("Six"), message("It depends."))
    assert begun.reply("m").text == "Five\n\nIt depends."


def test_a_turn_may_not_be_over_while_its_agent_is_typing() -> None:
    """Between two messages the second stream says that more comes."""
    begun = turn()
    may_be_over = []
    for one in (message("One moment."), typing("It"), message("It is here.")):
        heard(begun, one)
        may_be_over.append(begun.may_be_over)
    assert may_be_over == [True, False, True]
    assert begun.reply("m").text == "One moment.\n\nIt is here."


def test_signs_of_life_and_a_second_stream_say_nothing() -> None:
    """They would be read as the answer."""
    begun = turn()
    info = {"type": "streaminfo", "streamType": "informative", "streamId": "s1"}
    searching: JsonObject = {"type": "typing", "text": "Searching", "entities": [info]}
    second = typing("Other", stream="s2")
    assert heard(begun, {"type": "typing"}, searching, typing("Five"), second) == [
        "",
        "",
        "Five",
        "",
    ]


def test_our_own_message_and_a_strangers_are_not_the_agents() -> None:
    """Ours is known by its sender, its role or its mark: a token may change the first."""
    begun = turn(bot_id="bot")
    heard(
        begun,
        message("Mine", **{"from": {"id": "dl_1"}}),
        message("Mine", **{"from": {"id": "dl_renamed", "role": "user"}}),
        message(
            "Mine", **{"from": {"id": "dl_renamed"}, "channelData": {"clientActivityID": "mark"}}
        ),
        message("Colleague", **{"from": {"id": "somebody"}}),
        message("Agent", **{"from": {"id": "bot"}}),
    )
    assert begun.reply("m").text == "Agent"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("OpenAIRateLimitReached", ErrorKind.RATE_LIMITED),
        ("EnforcementMessageC2", ErrorKind.QUOTA_EXHAUSTED),
        ("ContentFiltered", ErrorKind.CONTENT_FILTERED),
        ("SystemError", ErrorKind.OVERLOADED),
        ("SomethingNew", ErrorKind.BAD_REPLY),
    ],
)
def test_a_failure_an_agent_says_aloud_is_an_error(code: str, kind: ErrorKind) -> None:
    """It is never shown to a user as an answer."""
    with pytest.raises(PlatformError) as caught:
        heard(turn(), message(FAILED.format(code=code)))
    assert (caught.value.kind, caught.value.detail) == (kind, f"{code}: Sorry.")


def test_an_answer_about_an_error_code_is_an_answer() -> None:
    """A help desk speaks of little else."""
    begun = turn()
    heard(begun, message("Error code: E42 means that the door is open."))
    assert begun.reply("m").text == "Error code: E42 means that the door is open."
