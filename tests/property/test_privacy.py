"""Whatever is written: what is sealed opens to the letter, no value is left in it, and cuts change nothing."""

import time
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.privacy.find import Finder
from deployments.privacy.known import Fact, Known
from deployments.privacy.restore import HELD_MAX, Restorer
from deployments.privacy.seal import Seal
from tests.unit.privacy.people import MAKERS, said

FINDER = Finder()
KNOWN = Known(
    [Fact("name", "Casey Sample"), Fact("account", "user_123"), Fact("address", "1 [a] \\ b")]
)


def seal() -> Seal:
    return Seal(b"key", FINDER, KNOWN)


def value(numbers: tuple[int, str]) -> str:
    return said(Random(numbers[0]), numbers[1])[1]  # noqa: S311


VALUES = st.tuples(st.integers(0, 10_000), st.sampled_from(sorted(MAKERS))).map(value)
ODD = st.sampled_from(
    ["[", "]", "\\", "\\[", "\\]", "EMAIL-", "[EMAIL-ABCDEF]", "CARD-ABCDEF-AAA", "[ID-", "TEXT-QQQQQQ",
     "Casey Sample", "casey", "user_123", "1 [a] \\ b", "@", "+", "-----BEGIN PRIVATE KEY-----", "::",
     "我的卡号是", "\\u53f7", "4111\n1111\n1111\n1111", "\uff20", "%40", "\u200b", "Ju\u0308rgen", "\\u00fc"]
)  # fmt: skip
TEXTS = st.lists(st.one_of(VALUES, ODD, st.text(max_size=12)), max_size=8).map("".join)


@settings(max_examples=400)
@given(TEXTS)
def test_what_is_sealed_opens_to_the_letter(text: str) -> None:
    made = seal()
    assert made.opened(made.text(text)) == text


@settings(max_examples=200)
@given(TEXTS)
def test_nothing_is_left_that_could_be_found(text: str) -> None:
    """Also of what is written right beside something else, as one word with it."""
    made = seal()
    told = made.text(text)
    assert {kind for _, _, kind in FINDER.find(told)} <= {"text"}
    assert {kind for _, _, kind in FINDER.find(told.replace("[", " ").replace("]", " "))} <= {
        "text"
    }


@settings(max_examples=200)
@given(TEXTS, st.lists(st.integers(0, 400), max_size=12))
def test_a_stream_comes_to_the_same_wherever_it_is_cut(text: str, cuts: list[int]) -> None:
    made = seal()
    told = made.text(text)
    restorer, out, at = Restorer(made), "", 0
    for cut in sorted(min(cut, len(told)) for cut in cuts):
        out += restorer.feed(told[at:cut])
        assert len(restorer._held) <= HELD_MAX
        at = cut
    assert out + restorer.feed(told[at:]) + restorer.end() == text


def test_a_token_may_be_cut_between_any_two_characters() -> None:
    made = seal()
    told = made.text("To Casey@example.com, \\[casey@example.com] and user_123.")
    for first in range(len(told)):
        for second in range(first, len(told)):
            restorer = Restorer(made)
            parts = (told[:first], told[first:second], told[second:])
            assert "".join(map(restorer.feed, parts)) + restorer.end() == made.opened(told)


@settings(max_examples=200)
@given(st.text(alphabet="[]\\EMAILCRD-ABQ27\n ", max_size=60), st.integers(0, 60))
def test_what_a_model_makes_up_passes_a_stream_as_it_passes_whole(text: str, cut: int) -> None:
    made = seal()
    made.text("casey@example.com")
    restorer = Restorer(made)
    assert restorer.feed(text[:cut]) + restorer.feed(text[cut:]) + restorer.end() == made.opened(
        text
    )


HARD = {
    "letters": "a", "signs": "@", "letter and sign": "a@", "addresses": "a@b.co ", "dots": "a.",
    "digits": "1", "spaced digits": "1 ", "dotted digits": "1.", "cards": "4111 ",
    "almost ibans": "DE89 ", "phones": "2025550123 ", "pluses": "+1", "brackets": "(1",
    "tokens": "eyJ", "dotted tokens": "eyJabcdefghijk.", "keys": "-----BEGIN PRIVATE KEY-----\n",
    "hyphens": "-", "colons": "a:1:", "pairs of colons": "::", "our tokens": "EMAIL-ABCDEF",
    "half tokens": "EMAIL-", "lines of cards": "4111\n", "escapes": "\\u6211", "escaped lines": "4111\\n",
    "escaped signs": "a%40", "wide signs": "a\uff20", "chinese": "我4", "starred": "4*1_", "unseen": "1\u200b",
    "quotes": "'a", "percents": "%a", "fiscal": "ABCDEF12A",
}  # fmt: skip


@pytest.mark.parametrize("name", HARD)
def test_no_text_takes_more_than_its_length(name: str) -> None:
    """Eight times the text takes eight times as long; four times more than that is another law."""
    short, long = ((HARD[name] * length)[:length] for length in (2_000, 16_000))

    def took(text: str) -> float:
        finder = Finder()
        best = 1e9
        for _ in range(3):
            began = time.process_time()
            finder._found(text)
            best = min(best, time.process_time() - began)
        return best

    took(short)
    assert took(long) <= 32 * max(took(short), 1e-4)
