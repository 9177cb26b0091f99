"""Two halves of an answer meet: nothing twice, nothing missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing.continuation import OVERLAP_MAX, BeganAnew, Seam, can_continue, continue_from
from routing.exchange import ChatRequest, ResponseSchema
from routing.message import Message, ToolSpec

SAID = "You were charged twice. We will refund the second pay"
REQUEST = ChatRequest(model="", messages=(Message("user", "Twice?"),))


def joined(said: str, *pieces: str) -> str:
    seam = Seam(said)
    return said + "".join(seam.feed(piece) for piece in pieces) + seam.end()


@pytest.mark.parametrize(
    "second",
    [
        "ment today.",
        "payment today.",
        "second payment today.",
        "We will refund the second payment today.",
        SAID + "ment today.",
    ],
    ids=["goes on", "last word again", "last words again", "last sentence again", "all again"],
)
def test_the_halves_meet_without_a_repetition(second: str) -> None:
    """However much the second platform says again, and however it is cut into pieces."""
    whole = "You were charged twice. We will refund the second payment today."
    assert joined(SAID, second) == whole
    assert joined(SAID, *second) == whole
    assert joined(SAID, second[:3], second[3:]) == whole


def test_a_new_word_is_not_taken_for_a_repetition() -> None:
    """A letter or two that happen to be equal are no overlap."""
    assert joined("Please see the", " energy bill.") == "Please see the energy bill."
    assert joined("We refund it", "em by item.") == "We refund item by item."


def test_an_answer_that_begins_anew_in_other_words_is_no_continuation() -> None:
    """It cannot be joined; the caller of the seam moves on."""
    seam = Seam(SAID)
    with pytest.raises(BeganAnew):
        seam.feed("You were charged twice. Sorry for that!")


@pytest.mark.parametrize("cut", ["Y", "You", "You were"])
def test_a_cut_at_a_word_like_the_first_does_not_hide_that_it_begins_anew(cut: str) -> None:
    """The first word is what was said last, and yet no repetition of it."""
    seam = Seam(f"{SAID}ment. {cut}")
    with pytest.raises(BeganAnew):
        seam.feed("You were charged twice. Sorry for that!")


def test_nothing_more_to_say_adds_nothing() -> None:
    """A second half that only repeats the end is empty."""
    assert joined(SAID, "second pay") == SAID
    assert joined(SAID) == SAID


@given(st.text(min_size=1, max_size=200), st.data())
def test_whatever_is_repeated_of_the_end_appears_once(whole: str, data: st.DataObject) -> None:
    """For any text cut anywhere, a second half that starts within the last words still fits.

    Where the repetition is too short to be told from chance it stays; nothing is ever lost.
    """
    cut = data.draw(st.integers(1, len(whole)))
    again = data.draw(st.integers(max(0, cut - OVERLAP_MAX), cut))
    try:
        text = joined(whole[:cut], *whole[again:])
    except BeganAnew:
        return
    assert text.startswith(whole[:cut])
    assert len(text) <= len(whole) + (cut - again)


def test_only_prose_is_continued() -> None:
    """Half a JSON document or a tool call is no beginning for another model."""
    tool = ToolSpec("refund", "pays back", {"type": "object"})
    assert can_continue(REQUEST)
    assert not can_continue(ChatRequest(model="", messages=REQUEST.messages, tools=(tool,)))
    schema = ResponseSchema("answer", {"type": "object"})
    assert not can_continue(
        ChatRequest(model="", messages=REQUEST.messages, response_schema=schema)
    )


def test_the_next_platform_sees_what_was_said_as_its_own_turn() -> None:
    """The question, the unfinished answer, and the demand to go on."""
    *before, begun, demand = continue_from(REQUEST, SAID).messages
    assert tuple(before) == REQUEST.messages
    assert begun == Message("assistant", SAID)
    assert demand.role == "user"
