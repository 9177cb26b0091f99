"""What knowledge is written as and read back as: documents, passages, entities, edges."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import orjson

from actors.audience import Audience

DOCUMENT = "document"
"""The kind of entity that a document itself is."""


RELATED = "related"
"""The kind of link by which a document's author names another."""


def node_of(document_id: str) -> str:
    """The entity that stands for a document in the graph."""
    return f"{DOCUMENT}:{document_id}"


@dataclass(frozen=True, slots=True)
class NewPassage:
    """A piece of a document that can be quoted; `heading` is what it stands under, or empty."""

    heading: str
    text: str


@dataclass(frozen=True, slots=True)
class Entity:
    """Something documents speak of; `id` is `kind:name` as the rules spell it."""

    id: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Link:
    """What a document says: it has to do with `dst` in the way of `kind`."""

    kind: str
    dst: str


@dataclass(frozen=True)
class NewDocument:
    """A document as it is to be kept, with the passages and links that were made of it."""

    id: str
    source: str
    path: str
    title: str
    audience: Audience
    passages: tuple[NewPassage, ...]
    category: str = ""
    tags: tuple[str, ...] = ()
    url: str | None = None
    updated: str | None = None
    entities: tuple[Entity, ...] = ()
    links: tuple[Link, ...] = field(default=())

    @cached_property
    def content_hash(self) -> str:
        """Changes with anything that is kept of the document, except the place it came from."""
        return _hash(
            [
                *(self.title, self.audience, self.category, self.tags, self.url, self.updated),
                [[passage.heading, passage.text] for passage in self.passages],
                sorted([entity.id, entity.kind, entity.name] for entity in self.entities),
                sorted([link.kind, link.dst] for link in self.links),
            ]
        )


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document as it was kept; `updated` is its author's date, `at` when it was ingested."""

    id: str
    source: str
    path: str
    title: str
    audience: Audience
    category: str
    tags: tuple[str, ...]
    url: str | None
    updated: str | None
    content_hash: str
    at: float


@dataclass(frozen=True, slots=True)
class PassageRow:
    """A passage as it was kept, with what its document says of it.

    `embedding` is a unit vector of float16, little-endian, made by `embed_model`.
    """

    document_id: str
    seq: int
    title: str
    heading: str
    text: str
    audience: Audience
    tags: tuple[str, ...]
    url: str | None
    content_hash: str
    embedding: bytes | None = None
    embed_model: str | None = None


@dataclass(frozen=True, slots=True)
class NewEmbedding:
    """The vector of a passage; it is dropped if the passage's text is no longer the hashed one."""

    document_id: str
    seq: int
    content_hash: str
    embedding: bytes


@dataclass(frozen=True, slots=True)
class Edge:
    """A link as it was kept: from when until when a document said so, and to whom it may be told."""

    src: str
    kind: str
    dst: str
    audience: Audience
    valid_from: float
    valid_to: float | None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An entity and how many links away it is; `audience` only where it is a document."""

    id: str
    kind: str
    name: str
    audience: Audience | None
    hops: int


@dataclass(frozen=True, slots=True)
class Change:
    """What became of documents that were handed in, by id; `taken` names the source each belongs to."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    taken: tuple[tuple[str, str], ...] = ()


def passage_hash(title: str, passage: NewPassage) -> str:
    """What an embedding of the passage depends on."""
    return _hash([title, passage.heading, passage.text])


def _hash(parts: Sequence[object]) -> str:
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()
