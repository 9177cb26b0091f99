"""Embedders: texts to unit vectors whose dot product says how near they are in meaning.

Vectors of two models do not compare. Whatever is kept of one carries `Embedder.model`, and
an index takes only those of its own.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]
"""One row per text, each of length 1."""


class Embedder(Protocol):
    """Something that embeds; calls block, and belong in a thread."""

    @property
    def model(self) -> str:
        """Names the model and its revision: kept beside every vector."""
        ...

    @property
    def dimensions(self) -> int:
        """Numbers per vector."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """A row for each text, in order.

        Raises:
            SupportMaxError: the model cannot be had or asked.
        """
        ...


EMBEDDED_FOR: ContextVar[str] = ContextVar("embedded_for", default="")
"""The tenant whose texts are embedded: whoever sells vectors books them on somebody."""

OpenEmbedder: TypeAlias = Callable[[], Embedder | None]
"""Opens an embedder in the process that calls it, and crosses processes without what it needs for that."""


def open_embedder(name: str) -> Embedder | None:
    """The embedder a configuration names; None for "lexical", which finds by words alone.

    Raises:
        ConfigError: its weights are not there, or not the published ones.
    """
    if name == "lexical":
        return None
    # Here and not above: its weights are an optional package, and 90 MB.
    from actors.knowledge.minilm import MiniLM  # noqa: PLC0415

    return MiniLM()


def packed(vectors: Vectors) -> list[bytes]:
    """Each row as it is kept: float16, little-endian, which costs 0.0004 of a cosine."""
    return [row.tobytes() for row in vectors.astype("<f2")]


def unpacked(rows: Sequence[bytes], dimensions: int) -> Vectors:
    """The rows `packed` made, of length 1 again."""
    flat = np.frombuffer(b"".join(rows), dtype="<f2")
    vectors = flat.reshape(len(rows), dimensions).astype(np.float32)
    return normalised(vectors)


def normalised(vectors: Vectors) -> Vectors:
    """Every row at length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result = vectors / np.where(lengths == 0.0, 1.0, lengths)
    return np.asarray(result, dtype=np.float32)
