"""The grounded, extractive answer every simulator gives: sentences of the passages, cited.

It never says a thing the prompt did not say, so a demo can be trusted and a test can be exact.
"""

import html
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployments.simulators.words import content_stems

NO_ANSWER = (
    "The knowledge I have at hand does not answer this. "
    "Would you like me to pass you on to a human colleague?"
)

MAX_PASSAGES = 64  # a prompt of ours carries at most a few dozen
MAX_SENTENCES = 4
TITLE_WEIGHT = 0.3  # enough to prefer the passage about the question, not to outvote its sentences
WORTH_SAYING = 0.5  # a further sentence must score at least this share of the best one
SHORTEST_SENTENCE = 3  # words; fewer is a heading

_PASSAGE = re.compile(r"<passage\b([^>]*)>(.*?)</passage>", re.DOTALL)
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(A-Z0-9])|\n+")
_MARKUP = re.compile(r"^[\s#>*•-]+")


@dataclass(frozen=True, slots=True)
class SimPassage:
    """One piece of knowledge as the prompt carries it."""

    id: str
    text: str
    source: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class _Sentence:
    passage: int
    position: int
    text: str
    score: float


def find_passages(text: str) -> list[SimPassage]:
    """Return the `<passage>` blocks of a prompt, unescaped, in the prompt's order."""
    found: list[SimPassage] = []
    for attributes, body in _PASSAGE.findall(text)[:MAX_PASSAGES]:
        named = {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(attributes)}
        found.append(
            SimPassage(
                id=named.get("id", f"passage-{len(found) + 1}"),
                text=html.unescape(body).strip(),
                source=named.get("source", ""),
                title=named.get("title", ""),
            )
        )
    return found


def extract_answer(question: str, passages: Sequence[SimPassage]) -> str:
    """Answer with the two to four sentences which overlap the question best, each with its source.

    When nothing overlaps it says so and offers a human colleague (`NO_ANSWER`).
    """
    sentences = _score(set(content_stems(question)), passages)
    ranked = sorted(sentences, key=lambda s: (-s.score, s.passage, s.position))
    if not ranked or ranked[0].score == 0:
        return NO_ANSWER
    worth = ranked[0].score * WORTH_SAYING
    chosen = [s for s in ranked if s.score >= worth][:MAX_SENTENCES]
    if len(chosen) == 1:
        chosen += _neighbour(chosen[0], sentences)
    best_first = {s.passage: rank for rank, s in reversed(list(enumerate(chosen)))}
    chosen.sort(key=lambda s: (best_first[s.passage], s.position))
    return " ".join(f"{s.text} [{passages[s.passage].id}]" for s in chosen)


def estimate_tokens(text: str) -> int:
    """Return the tokens of a text by the usual rule of thumb, four bytes a token."""
    return math.ceil(len(text.encode()) / 4)


def _score(asked: set[str], passages: Sequence[SimPassage]) -> list[_Sentence]:
    rarity = _rarity(passages)
    scored: list[_Sentence] = []
    seen: set[str] = set()
    for index, passage in enumerate(passages):
        by_title = TITLE_WEIGHT * _overlap(asked, passage.title, rarity)
        for position, text in enumerate(_sentences(passage.text)):
            if text in seen:
                continue
            seen.add(text)
            score = _overlap(asked, text, rarity) + by_title
            scored.append(_Sentence(index, position, text, score))
    return scored


def _rarity(passages: Sequence[SimPassage]) -> Mapping[str, float]:
    spread = Counter(stem for p in passages for stem in set(content_stems(f"{p.title} {p.text}")))
    return {stem: math.log(1 + len(passages) / count) for stem, count in spread.items()}


def _overlap(asked: set[str], text: str, rarity: Mapping[str, float]) -> float:
    # Sorted, because a float sum depends on its order and a set's order on the process.
    return sum(rarity[stem] for stem in sorted(asked.intersection(content_stems(text))))


def _sentences(text: str) -> list[str]:
    pieces = [_MARKUP.sub("", piece).strip() for piece in _SENTENCE_END.split(text)]
    pieces = [piece for piece in pieces if piece]
    # What does not end like a sentence is a heading, unless the whole passage is like that:
    # a record of a database.
    whole = [p for p in pieces if p.endswith((".", "!", "?"))] or pieces
    return [p for p in whole if len(p.split()) >= SHORTEST_SENTENCE] or whole


def _neighbour(lone: _Sentence, sentences: Sequence[_Sentence]) -> list[_Sentence]:
    """Return the sentence beside a lone one, so that an answer is not a fragment."""
    beside = [s for s in sentences if s.passage == lone.passage and s is not lone]
    beside.sort(key=lambda s: (abs(s.position - lone.position), -s.position))
    return beside[:1]
