"""Learn the weights of `routing.quality` from recorded outcomes: TF-IDF, 64 directions, ridge.

The directions (a truncated SVD) are folded back into one weight per term and model, so
that what is learned here with numpy is read there with a dictionary. numpy comes with
`ray[serve]`; nothing that serves requests loads this module.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from routing.quality import Arm, QualityModel, count_terms, raw_style

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

TERMS_MAX = 4_000
"""Terms with a weight, the most frequent ones: a file of 160 kB for three models."""
MIN_DOCUMENTS = 2
DIRECTIONS = 64
"""On K3 54 % are saved with them, at 0.9997 of the quality; 40 % at 0.9956 with a ridge on all terms."""
RIDGE = 1.0
STYLE_WEIGHT = 0.3
"""Of each of the seven figures of style, beside a vector of terms of length 1."""
_SPARE = 16
_POWER_ITERATIONS = 2
"""Of the randomized SVD (Halko, Martinsson and Tropp 2011); two spare directions in ten suffice."""


@dataclass(frozen=True)
class Corpus:
    """Texts as figures: each counted term of each text, and the figures of style."""

    size: int
    vocabulary: tuple[str, ...]
    rows: Rows
    columns: Rows
    damped: Floats
    style: Floats

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Corpus":
        """Count the terms of all texts."""
        index: dict[str, int] = {}
        rows, columns, counts = [], [], []
        for row, text in enumerate(texts):
            for term, count in count_terms(text).items():
                rows.append(row)
                columns.append(index.setdefault(term, len(index)))
                counts.append(count)
        damped = 1.0 + np.log(np.asarray(counts, dtype=np.float64))
        style = np.array([raw_style(text) for text in texts], dtype=np.float64)
        return cls(len(texts), tuple(index), np.asarray(rows), np.asarray(columns), damped, style)


@dataclass(frozen=True)
class Fit:
    """What was learned on some rows, and what it predicts for every row of the corpus."""

    predicted: Floats
    terms: Rows
    idf: Floats
    weights: Floats
    style_weights: Floats
    centre: Floats
    scale: Floats
    means: Floats

    def to_model(self, corpus: Corpus, names: Sequence[str], source: str) -> QualityModel:
        """The weights as decisions read them."""
        table = np.c_[self.idf, self.weights * self.idf[:, None]]
        rows = [tuple(round(float(value), 5) for value in row) for row in table]
        arms = tuple(
            Arm(name, float(self.means[i]), tuple(float(v) for v in self.style_weights[:, i]))
            for i, name in enumerate(names)
        )
        return QualityModel(
            source,
            arms,
            tuple(float(value) for value in self.centre),
            tuple(float(value) for value in self.scale),
            {corpus.vocabulary[t]: row for t, row in zip(self.terms, rows, strict=True)},
        )


def fit(corpus: Corpus, rewards: Floats, train: Rows, seed: int = 0) -> Fit:
    """Learn on the rows `train` of `rewards` (texts by models) alone."""
    is_train = np.zeros(corpus.size, dtype=bool)
    is_train[train] = True
    documents = np.bincount(corpus.columns[is_train[corpus.rows]], minlength=len(corpus.vocabulary))
    # By falling frequency, and stable: the same rows give the same terms.
    terms = np.argsort(-documents, kind="stable")[:TERMS_MAX]
    terms = terms[documents[terms] >= MIN_DOCUMENTS]
    idf = np.log(len(train) / documents[terms]) + 1.0
    matrix = _matrix(corpus, terms, idf)
    directions = _directions(matrix[train], np.random.default_rng(seed))
    centre = corpus.style[train].mean(0)
    spread = corpus.style[train].std(0)
    scale = np.where(spread > 0, spread, 1.0) / STYLE_WEIGHT
    style = (corpus.style - centre) / scale
    design = np.c_[matrix @ directions, style]
    means = rewards[train].mean(0)
    seen = design[train]
    gram = seen.T @ seen + RIDGE * np.eye(seen.shape[1])
    solved = np.linalg.solve(gram, seen.T @ (rewards[train] - means))
    split = directions.shape[1]
    return Fit(
        design @ solved + means,
        terms,
        idf,
        directions @ solved[:split],
        solved[split:],
        centre,
        scale,
        means,
    )


def _matrix(corpus: Corpus, terms: Rows, idf: Floats) -> NDArray[np.float32]:
    """Each text's terms, damped, weighted by rarity, of length 1."""
    place = np.full(len(corpus.vocabulary), -1)
    place[terms] = np.arange(len(terms))
    columns = place[corpus.columns]
    known = columns >= 0
    matrix = np.zeros((corpus.size, len(terms)), dtype=np.float32)
    columns = columns[known]
    matrix[corpus.rows[known], columns] = corpus.damped[known] * idf[columns]
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    np.divide(matrix, np.where(lengths > 0, lengths, 1.0), out=matrix)
    return matrix


def _directions(matrix: NDArray[np.float32], rng: np.random.Generator) -> Floats:
    """The strongest right singular vectors of `matrix`, by columns."""
    count = min(DIRECTIONS, *matrix.shape)
    sample = rng.standard_normal((matrix.shape[1], count + _SPARE)).astype(np.float32)
    for _ in range(_POWER_ITERATIONS):
        basis, _ = np.linalg.qr(matrix @ sample)
        sample, _ = np.linalg.qr(matrix.T @ basis)
    small = matrix @ sample
    _, _, turned = np.linalg.svd(small, full_matrices=False)
    return np.asarray((sample @ turned[:count].T), dtype=np.float64)
