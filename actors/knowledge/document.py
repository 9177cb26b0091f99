"""Passages: what is found and quoted, and who may read it."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from actors.audience import AUDIENCES, Audience

__all__ = [
    "AUDIENCES",
    "WHOLE_MAX",
    "Audience",
    "Hit",
    "Passage",
    "Source",
]

Source: TypeAlias = Literal["vector_store", "knowledge_graph", "database", "memory"]
"""How a passage was found, in the contract's words."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that can be quoted; `id` names the article or record it is from, `url` where it stands."""

    source: Source
    id: str
    title: str
    text: str
    audience: Audience
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found; scores of one search compare, those of two do not."""

    passage: Passage
    score: float


# About 400 tokens: six passages of it are the context of an answer. All of Northwind's
# articles are shorter; their second section answers little without the first.
WHOLE_MAX = 1_600
