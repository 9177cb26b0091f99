"""A vendor's embedder that is told no personal data, whoever's text it is to embed."""

from collections.abc import Sequence

from typing_extensions import override

from actors.knowledge.embed import Embedder, Vectors
from deployments.privacy.bare import Bare


class DiscreetEmbedder(Embedder):
    """Embeds questions, articles and mail with the kinds of personal data in place of the data.

    Its vectors are kept under the same name: but for that they are the same model's.
    """

    def __init__(self, embedder: Embedder, bare: Bare) -> None:
        self._embedder = embedder
        self._bare = bare

    @property
    @override
    def model(self) -> str:
        return self._embedder.model

    @property
    @override
    def dimensions(self) -> int:
        return self._embedder.dimensions

    @override
    def embed(self, texts: Sequence[str]) -> Vectors:
        """A row for each text, in order; raises as the embedder does."""
        return self._embedder.embed(self._bare.texts(texts))
