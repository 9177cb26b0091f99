"""An agent's turn: which of its events say something, what they cost, and whether it is over."""

import pytest

from deployments.platforms.vertex.agent_codec import MAX_EARLIER, Turn, encode_question
from deployments.platforms.vertex.agent_sessions import MAX_SESSIONS, Sessions
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatRequest, FinishReason, Usage
from routing.message import JsonObject, Message

CALL: JsonObject = {"function_call": {"name": "look_up", "args": {}}}
RESULT: JsonObject = {"function_response": {"name": "look_up", "response": {"state": "sent"}}}


def said(*parts: JsonObject, **more: object) -> JsonObject:
    return {"author": "agent", "content": {"role": "model", "parts": parts}, **more}  # type: ignore[dict-item]


def text(words: str, **more: object) -> JsonObject:
    return said({"text": words}, **more)


def heard(*events: JsonObject) -> tuple[list[str], Turn]:
    turn = Turn()
    return [turn.feed(event) for event in events], turn


def failure(*events: JsonObject) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        heard(*events)[1].reply("m")
    return caught.value


def test_pieces_and_the_whole_at_their_end_are_one_text() -> None:
    """A step comes in pieces and then again as a whole."""
    pieces, turn = heard(
        text("Five", partial=True), text(" days.", partial=True), text("Five days.")
    )
    assert pieces == ["Five", " days.", ""]
    assert turn.reply("m").text == "Five days."


def test_steps_of_an_agent_are_paragraphs_and_its_tools_are_not_said() -> None:
    """What it says before it calls a tool stands before what it says afterwards."""
    _, turn = heard(
        text("I look.", partial=True),
        said({"text": "I look."}, CALL),
        said(RESULT),
        text("It was", partial=True),
        text(" sent.", partial=True),
        text("It was sent."),
        {"author": "agent", "actions": {"state_delta": {}}},
    )
    assert turn.reply("m").text == "I look.\n\nIt was sent."


def test_a_whole_that_says_otherwise_than_its_pieces_stands_beside_them() -> None:
    """What a user has read cannot be taken back."""
    _, turn = heard(text("Five", partial=True), text("Six days."))
    assert turn.reply("m").text == "Five\n\nSix days."


def test_thoughts_are_not_for_the_user() -> None:
    """The model's, which some agents pass on."""
    _, turn = heard(said({"text": "Hm.", "thought": True}, {"text": "Yes."}))
    assert turn.reply("m").text == "Yes."


def test_each_step_is_paid_for_and_its_pieces_are_not() -> None:
    """Every step asks the model anew, with the whole conversation as its prompt."""
    first = {"prompt_token_count": 10, "candidates_token_count": 2, "thoughts_token_count": 3}
    second = {
        "prompt_token_count": 20,
        "candidates_token_count": 4,
        "cached_content_token_count": 8,
    }
    _, turn = heard(
        said(CALL, usage_metadata=first),
        said(RESULT),
        text("Sent", partial=True, usage_metadata=second),
        text("Sent.", usage_metadata=second, model_version="gemini-3.8-flash", invocation_id="e-1"),
    )
    reply = turn.reply("agent-engine")
    assert reply.usage == Usage(30, cached_tokens=8, output_tokens=9, reasoning_tokens=3)
    assert (reply.model, reply.request_id) == ("gemini-3.8-flash", "e-1")


@pytest.mark.parametrize(
    "events",
    [
        (),
        (text("Half", partial=True),),
        (said({"text": "I look."}, CALL),),
        (said(CALL), said(RESULT)),
        (text("Whole."), text("and more", partial=True)),
    ],
    ids=["nothing", "a piece", "a call", "a result", "another step"],
)
def test_events_that_end_before_the_last_step_were_cut(events: tuple[JsonObject, ...]) -> None:
    """The wire has no last event, so the steps themselves must tell."""
    assert failure(*events).kind is ErrorKind.STREAM_TRUNCATED


def test_a_turn_without_a_word_is_no_answer() -> None:
    """An empty text would be sold as one."""
    assert failure(text("")).kind is ErrorKind.BAD_REPLY


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("RESOURCE_EXHAUSTED", ErrorKind.RATE_LIMITED),
        ("UNAVAILABLE", ErrorKind.OVERLOADED),
        ("MALFORMED_FUNCTION_CALL", ErrorKind.BAD_REPLY),
    ],
)
def test_a_failure_of_the_agents_model_is_in_googles_words(code: str, kind: ErrorKind) -> None:
    """With the vendor's code and prose."""
    error = failure({"error_code": code, "error_message": "Not now."})
    assert (error.kind, error.detail) == (kind, f"{code}: Not now.")


@pytest.mark.parametrize(
    ("event", "reason", "words"),
    [
        (text("Half an", finish_reason="MAX_TOKENS"), FinishReason.LENGTH, "Half an"),
        (text("Half an", finish_reason="SAFETY"), FinishReason.CONTENT_FILTER, "Half an"),
        (
            {"error_code": "SAFETY", "error_message": "Not that."},
            FinishReason.CONTENT_FILTER,
            "Not that.",
        ),
    ],
)
def test_an_answer_that_was_stopped_says_why(
    event: JsonObject, reason: FinishReason, words: str
) -> None:
    """Like one of Gemini itself."""
    _, turn = heard(event, {"author": "agent", "actions": {}})
    reply = turn.reply("m")
    assert (reply.finish_reason, reply.text) == (reason, words)


def test_what_was_said_long_ago_is_left_out_of_the_reminder() -> None:
    """It is part of the question, and must not bury it."""
    turns = [Message("user" if n % 2 else "assistant", f"{n} " + "x" * 5_000) for n in range(9)]
    request = ChatRequest("m", (*turns, Message("user", "Now?")))
    asked = str(encode_question(request, "u", "s", is_known=False)["message"])
    assert len(asked) < MAX_EARLIER + 100
    assert asked.endswith("\n\nNow:\nNow?")
    assert asked.index("User: 7 ") < asked.index("Assistant: 8 ")
    assert "Assistant: 4 " not in asked


def test_sessions_are_bounded_and_the_oldest_goes_first() -> None:
    """A replica lives for weeks."""
    sessions = Sessions(lambda: 0.0)
    said_before = [(Message("user", str(number)),) for number in range(MAX_SESSIONS + 1)]
    for number, messages in enumerate(said_before):
        sessions.keep("u", messages, f"s{number}")
    assert sessions.take("u", said_before[0]) is None
    assert sessions.take("u", said_before[1]) == "s1"
    assert sessions.take("u", said_before[-1]) == f"s{MAX_SESSIONS}"
    assert sessions.take("u", said_before[-1]) is None


def test_who_said_what_makes_a_session() -> None:
    """The same words with the roles changed are another conversation."""
    sessions = Sessions(lambda: 0.0)
    sessions.keep("u", (Message("user", "a"), Message("assistant", "b")), "s")
    assert sessions.take("u", (Message("assistant", "a"), Message("user", "b"))) is None
    assert sessions.take("u", (Message("user", "a"), Message("assistant", "b"))) == "s"
