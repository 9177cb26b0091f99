"""What a context has room for, and what is kept of the rest."""

from actors.database.conversations import TurnRow
from actors.memory.summary import SUMMARY_TOKENS, fold
from actors.memory.tokens import count_tokens
from actors.memory.window import TURN_MAX, Window, recall


def turn(seq: int, text: str) -> TurnRow:
    return TurnRow(seq, "user" if seq % 2 else "assistant", text, float(seq), None)


def test_what_fits_is_recalled_whole() -> None:
    turns = tuple(turn(n, f"turn {n}") for n in range(1, 7))
    found = recall(Window(turns, "user: earlier"), 8_000)
    assert (found.turns, found.summary) == (turns, "user: earlier")


def test_the_newest_turns_are_recalled_without_a_gap_and_the_older_ones_folded() -> None:
    turns = tuple(turn(n, f"Order NW-{n}. " + "and so on " * 90) for n in range(1, 51))
    found = recall(Window(turns), 4_000)
    seqs = [kept.seq for kept in found.turns]
    assert seqs == list(range(seqs[0], 51))
    assert 1 < seqs[0] < 50
    assert found.turns[0].role == "user"
    assert f"user: Order NW-{seqs[0] - 2}." in found.summary
    assert found.tokens <= 4_000


def test_no_budget_is_ever_exceeded() -> None:
    turns = tuple(turn(n, "слово " * (n * 7 % 50) + "x" * (n * 31 % 400)) for n in range(1, 51))
    for room in range(-10, 6_000, 97):
        found = recall(Window(turns, "user: before"), room)
        counted = sum(count_tokens(kept.text) for kept in found.turns) + count_tokens(found.summary)
        assert counted <= found.tokens <= max(room, 0)


def test_a_turn_as_long_as_a_document_is_cut_to_its_beginning() -> None:
    found = recall(Window((turn(1, "x" * 10_000),)), 8_000)
    assert found.turns[0].text == "x" * TURN_MAX


def test_a_summary_quotes_the_sentence_that_tells_most() -> None:
    said = "Hello there. My invoice INV-2041 of $40 was charged twice. Thanks!"
    assert fold("", [turn(1, said)]) == "user: My invoice INV-2041 of $40 was charged twice."


def test_folding_turn_by_turn_or_together_comes_to_the_same() -> None:
    turns = [turn(n, f"Sentence {n} says something. " * 3) for n in range(1, 200)]
    together = fold("", turns)
    one_by_one = ""
    for one in turns:
        one_by_one = fold(one_by_one, [one])
    assert together == one_by_one
    assert count_tokens(together) <= SUMMARY_TOKENS


def test_a_full_summary_loses_small_talk_before_numbers() -> None:
    small_talk = [turn(2 * n + 1, f"nice weather {'x' * 100}") for n in range(60)]
    summary = fold("", [turn(1, "My order is NW-4711."), *small_talk])
    assert "NW-4711" in summary


def test_a_silent_turn_leaves_no_line() -> None:
    assert fold("user: a", [turn(1, "  \n ")]) == "user: a"


def test_letters_of_every_script_are_counted() -> None:
    assert count_tokens("") == 0
    assert count_tokens("abc" * 100) == 100
    assert count_tokens("я" * 100) == 100
    assert count_tokens("数" * 100) == 150
