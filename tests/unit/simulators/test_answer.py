"""The extractive answer: it says what the passages say, cites it, and admits what it lacks."""

import pytest

from deployments.simulators.answer import (
    NO_ANSWER,
    SimPassage,
    estimate_tokens,
    extract_answer,
    find_passages,
)

REFUNDS = SimPassage(
    id="kb-012",
    title="Refund policy",
    text=(
        "Refunds are paid within 14 days. The money goes back to the card you paid with. "
        "Our office is closed on public holidays."
    ),
)
PASSWORDS = SimPassage(
    id="kb-030",
    title="Reset your password",
    text="Open Settings and choose Security. A reset link reaches your inbox within a minute.",
)


def test_passages_are_read_unescaped_with_their_attributes() -> None:
    """The prompt escapes its passages as XML; a citation needs the id and the words as they were."""
    prompt = (
        'Answer from these.\n<passage id="kb-012" source="vector_store" title="Q&amp;A">\n'
        "Use &lt;Settings&gt; &amp; save.\n</passage>\n"
        '<passage source="graph">No id here.</passage>'
    )
    assert find_passages(prompt) == [
        SimPassage("kb-012", "Use <Settings> & save.", "vector_store", "Q&A"),
        SimPassage("passage-2", "No id here.", "graph", ""),
    ]


def test_the_answer_is_made_of_the_overlapping_sentences_each_with_its_source() -> None:
    """Every sentence a simulator says can be traced to a passage."""
    answer = extract_answer("When will my refund be paid?", [PASSWORDS, REFUNDS])
    assert answer == (
        "Refunds are paid within 14 days. [kb-012] "
        "The money goes back to the card you paid with. [kb-012]"
    )


def test_the_passage_which_answers_best_speaks_first() -> None:
    """A reader finds the answer at the beginning, whatever order retrieval chose."""
    answer = extract_answer(
        "Where does the reset link for my inbox come from, and are refunds paid?",
        [REFUNDS, PASSWORDS],
    )
    assert answer.index("[kb-030]") < answer.index("[kb-012]")


def test_a_lone_sentence_is_joined_by_its_neighbour() -> None:
    """One matching sentence alone is often a fragment."""
    answer = extract_answer("Which holidays?", [REFUNDS])
    assert answer.startswith("The money goes back")
    assert answer.endswith("Our office is closed on public holidays. [kb-012]")


def test_a_sentence_found_in_two_passages_is_said_once() -> None:
    """Overlapping chunks of one article must not stutter."""
    twice = [SimPassage("a", "Shipping is free."), SimPassage("b", "Shipping is free.")]
    assert extract_answer("Is shipping free?", twice) == "Shipping is free. [a]"


@pytest.mark.parametrize("passages", [[], [REFUNDS, PASSWORDS]])
def test_without_overlap_it_says_so_and_offers_a_human(passages: list[SimPassage]) -> None:
    """An answer which is not in the knowledge is never invented."""
    answer = extract_answer("Who won the chess championship?", passages)
    assert answer == NO_ANSWER
    assert "human colleague" in answer


def test_the_same_question_always_gets_the_same_answer() -> None:
    """Tests and demos compare answers word for word."""
    answers = {extract_answer("When is my refund paid?", [REFUNDS, PASSWORDS]) for _ in range(20)}
    assert len(answers) == 1


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("abcd", 1), ("abcde", 2), ("éé", 1)])
def test_a_token_is_four_bytes_rounded_up(text: str, tokens: int) -> None:
    """Usage and cost rest on this estimate."""
    assert estimate_tokens(text) == tokens
