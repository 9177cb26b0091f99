"""However a text is made, reading its spelling takes no longer than the text is long.

Each of these took from ten seconds to minutes on the event loop; the suite's time for a test would end them.
"""

import pytest

from deployments.agent.provenance import Sources, doubts
from deployments.agent.spelling import plain

SIZE = 96 * 1024


@pytest.mark.parametrize(
    "text",
    [
        "x (at) y" + " " * SIZE + "z",
        "(" + " " * SIZE,
        "( " * (SIZE // 2) + "(at)",
        "a" + "\u0301\u0316" * (SIZE // 2) + " (at) b",
        "\u05b0\u05b4" * (SIZE // 2),
        "&amp;" * (SIZE // 5),
    ],
)
def test_no_text_takes_the_square_of_its_length(text: str) -> None:
    assert len(plain(text)) <= len(text)


def test_marks_beyond_what_anybody_writes_are_one_spelling() -> None:
    assert plain("a" + "\u0301" * 40) == plain("a" + "\u0301" * 400)
    assert plain("attacker [ at ]  evil ( dot ) example") == "attacker@evil.example"


@pytest.mark.parametrize("word", ["7", "0.0", "7x7"])
def test_words_that_stand_everywhere_are_looked_up_in_a_moment(word: str) -> None:
    """In what others wrote, and as often in the call."""
    page = (word + " ") * (SIZE // (len(word) + 1))
    inside = f"x{word}" * (SIZE // (len(word) + 1))
    sources = Sources(user=(inside,), own=(inside,), untrusted=(inside, page))
    arguments = {"description": " ".join(f"{word}" for _ in range(4_000)), "title": "one"}
    assert doubts(arguments, {}, sources).strange == ("/description",)


def test_of_more_words_than_a_page_of_an_incident_names_none_is_looked_up() -> None:
    words = " ".join(f"{number}-a" for number in range(300))
    found = doubts({"description": words}, {}, Sources(untrusted=("something",)))
    assert found.strange == ("one of more than 256 words",)
