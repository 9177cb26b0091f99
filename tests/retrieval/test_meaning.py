"""What meaning adds to words: the bank's cases, and its documents looked for by their titles.

1,265 passages are embedded twice, with and without the titles: four minutes of a quiet processor.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors.knowledge.minilm import MiniLM
from tests.retrieval.bank import DATA, Case, Figures, cases, documents, indexed, measured

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.knowledge.index import KnowledgeIndex

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not DATA.exists() and not os.environ.get("CI"), reason=f"{DATA} is not there"
    ),
]


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM()


def of_cases(index: "KnowledgeIndex", embedder: MiniLM) -> Figures:
    """Of the even ones; the weights were chosen on the odd ones."""
    found: list[tuple[Case, Sequence[str]]] = []
    for case in cases():
        if case.number % 2 == 0:
            vector = embedder.embed([case.question])[0]
            hits = index.search(case.question, vector, 100, "agent")
            found.append((case, [hit.passage.id for hit in hits]))
    return measured(found)


def of_titles(index: "KnowledgeIndex", embedder: MiniLM | None) -> float:
    """The mean reciprocal rank of the even documents, asked for by their titles."""
    ranks: list[float] = []
    for number, (name, title, _) in enumerate(documents()):
        if number % 2 == 0:
            vector = None if embedder is None else embedder.embed([title])[0]
            hits = index.search(title, vector, 100, "agent")
            found = [hit.passage.id for hit in hits]
            ranks.append(1 / (found.index(name) + 1) if name in found else 0.0)
    return sum(ranks) / len(ranks)


async def test_meaning_finds_more_than_words_on_the_cases_kept_for_it(
    tmp_path: Path, minilm: MiniLM
) -> None:
    """README's figures, to the third place."""
    index = await indexed(tmp_path, minilm)
    assert index.model == minilm.model
    figures = of_cases(index, minilm)
    assert figures.recall_at_10 == pytest.approx(0.371, abs=0.0016)
    assert figures.recall_at_20 == pytest.approx(0.496, abs=0.0016)
    assert figures.ndcg_at_10 == pytest.approx(0.454, abs=0.0016)
    assert figures.reciprocal_rank == pytest.approx(0.740, abs=0.0016)


async def test_a_document_is_found_by_a_title_that_is_not_indexed(
    tmp_path: Path, minilm: MiniLM
) -> None:
    """By words alone 0.364; what a short question means counts four times what it says."""
    index = await indexed(tmp_path, minilm, titled=False)
    by_words, by_both = of_titles(index, None), of_titles(index, minilm)
    assert by_words == pytest.approx(0.364, abs=0.002)
    assert by_both == pytest.approx(0.501, abs=0.004)
