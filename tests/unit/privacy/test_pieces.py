"""Long texts are cut where no name is likely to stand, and of what a model takes for a name the signs are left."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.privacy.pieces import PIECE_MAX, is_prose, pieces, trimmed


@given(
    st.lists(st.sampled_from(["word ", "End. ", "\n\n", "x" * 700, "\u0308", "好"]), max_size=900)
)
def test_pieces_are_the_text_and_none_is_too_long(parts: list[str]) -> None:
    text = "".join(parts)
    cut = list(pieces(text))
    assert "".join(piece for _, piece in cut) == text
    assert all(text[begin:].startswith(piece) for begin, piece in cut)
    assert all(len(piece) <= PIECE_MAX for _, piece in cut)


def test_a_text_is_cut_behind_a_paragraph_rather_than_in_a_name() -> None:
    before = "a" * (PIECE_MAX - 500) + ".\n\n"
    text = before + "Jonathan Baker " * 60
    assert next(iter(pieces(text)))[1] == before


def test_a_text_of_one_paragraph_is_cut_behind_a_sentence() -> None:
    before = "a" * (PIECE_MAX - 500) + ". "
    assert next(iter(pieces(before + "Jonathan Baker " * 60)))[1] == before


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("**Priya Nair**", ["Priya Nair"]),
        ("Priya Nair\nTeam", ["Priya Nair", "Team"]),
        ("“O'Brien-Smith”,", ["O'Brien-Smith"]),
        ("Ju\u0308", ["Ju\u0308"]),
        ("W9300146", []),
        ("INV-2026-0039", []),
        (" . ", []),
        ("J", []),
        ("王小明", ["王小明"]),
    ],
)
def test_of_what_was_taken_for_a_name_the_letters_are_one(text: str, names: list[str]) -> None:
    around = f"({text})"
    assert [around[first:last] for first, last in trimmed(around, 0, len(around))] == names


@pytest.mark.parametrize(
    "text", ["paid", "INV-2026-0039", "user_123", "", " ", "--", "2026-11-23T00:00:00Z"]
)
def test_a_key_or_a_number_is_no_prose(text: str) -> None:
    assert not is_prose(text)


@pytest.mark.parametrize("text", ["Priya", "priya nair", "王小明", "jürgen", "\nPriya\n"])
def test_a_word_that_may_be_a_name_is_prose(text: str) -> None:
    assert is_prose(text)
