"""The embedder of the optional package: the published model, and what it is for."""

import numpy as np
import pytest

from actors.knowledge import minilm
from actors.knowledge.embed import packed, unpacked
from actors.knowledge.minilm import DIMENSIONS, MODEL, MiniLM
from actors.knowledge.wordpiece import WordPiece
from routing.errors import ConfigError


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


def test_what_means_the_same_is_nearer_than_what_shares_words(model: MiniLM) -> None:
    asked, alike, unlike = model.embed(
        ["how old are you", "what is your age", "how are you old friend"]
    )
    assert asked @ alike > asked @ unlike
    assert asked @ alike > 0.75


def test_the_vector_of_the_model_cards_example_is_the_published_one(model: MiniLM) -> None:
    """As PyTorch gives it, to the last printed place."""
    (vector,) = model.embed(["This is an example sentence"])
    published = [0.067657, 0.063496, 0.048713, 0.079305, 0.037448, 0.002653]
    assert vector[:6] == pytest.approx(published, abs=1e-6)


def test_every_vector_has_length_one_and_texts_do_not_touch_each_other(model: MiniLM) -> None:
    texts = ["", "short", "a much longer text " * 100, "\u4e2d\u6587 caf\u00e9 \U0001f600"]
    vectors = model.embed(texts)
    assert vectors.shape == (4, DIMENSIONS)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        assert model.embed([text])[0] == pytest.approx(vector, abs=1e-6)
    assert model.model == MODEL
    assert model.embed([]).shape == (0, DIMENSIONS)


def test_what_is_kept_of_a_vector_costs_next_to_nothing(model: MiniLM) -> None:
    vectors = model.embed(["one", "two"])
    kept = unpacked(packed(vectors), DIMENSIONS)
    assert np.sum(vectors * kept, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_other_weights_than_the_published_ones_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(minilm._SHA256, "vocab.txt", "0" * 64)
    with pytest.raises(ConfigError, match="not the published one"):
        MiniLM()


def test_a_missing_package_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm, "PACKAGE", "no-such-package-of-weights")
    with pytest.raises(ConfigError, match=r"'.\[minilm\]'"):
        MiniLM()


def test_words_are_cut_into_the_longest_known_pieces() -> None:
    tokens = WordPiece(
        ["[CLS]", "[SEP]", "[UNK]", "re", "##fund", "##f", "##und", "!", "caf", "##e"]
    )
    assert tokens.encode("Refund! caf\u00e9", 99) == [0, 3, 4, 7, 8, 9, 1]
    assert tokens.encode("xyz", 99) == [0, 2, 1]
    assert tokens.encode("re " * 50, 4) == [0, 3, 3, 1]
