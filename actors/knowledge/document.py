"""Articles, the passages they are quoted in, and who may read them."""

from dataclasses import dataclass
from datetime import date
from typing import Literal, TypeAlias

Audience: TypeAlias = Literal["public", "agent", "internal"]
"""Who an article is written for: customers, the people who answer them, or the company."""

AUDIENCES: tuple[Audience, ...] = ("public", "agent", "internal")

Source: TypeAlias = Literal["vector_store", "knowledge_graph", "database"]
"""How a passage was found, in the contract's words."""


@dataclass(frozen=True, slots=True)
class Article:
    """One article as its author wrote it; `body` is Markdown without the front matter."""

    id: str
    title: str
    category: str
    audience: Audience
    updated: date
    body: str
    related: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that can be quoted; `id` names the article or record it is from."""

    source: Source
    id: str
    title: str
    text: str
    audience: Audience


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found; scores of one search compare, those of two do not."""

    passage: Passage
    score: float


# About 400 tokens: six passages of it are the context of an answer. All of Northwind's
# articles are shorter; their second section answers little without the first.
WHOLE_MAX = 1_600


def passages_of(article: Article) -> tuple[Passage, ...]:
    """The article whole if it is short, else its sections, each with its heading as first line."""
    if 0 < len(article.body) <= WHOLE_MAX:
        text = article.body.replace("## ", "").strip()
        return (Passage("vector_store", article.id, article.title, text, article.audience),)
    sections: list[list[str]] = [[]]
    for line in article.body.splitlines():
        if line.startswith("## "):
            sections.append([line[3:].strip()])
        else:
            sections[-1].append(line)
    texts = ["\n".join(lines).strip() for lines in sections]
    return tuple(
        Passage("vector_store", article.id, article.title, text, article.audience)
        for text in texts
        if text
    )
