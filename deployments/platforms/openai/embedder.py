"""OpenAI's embeddings, and Azure's of the same models, through the official SDK."""

from collections.abc import Callable, Sequence

import numpy as np
from httpx2 import Timeout
from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAI, OpenAIError
from typing_extensions import override

from actors.knowledge.embed import Embedder, Vectors, normalised
from deployments.platforms.base import Connection
from deployments.platforms.errors import MAX_DETAIL
from deployments.platforms.openai.adapter import BASE_URL
from deployments.platforms.transport import CONNECT_S
from routing.clock import Clock
from routing.errors import ErrorKind, PlatformError

# The models of this family are trained so that the first numbers carry most: 512 of 1,536 lose a
# little and take a third of the memory, 100 MB for 50,000 passages.
DIMENSIONS = 512
# OpenAI takes 2,048 texts and 300,000 tokens a request: of passages of 400 tokens far fewer are
# enough to make the round trip cheap, and little is lost with one.
TEXTS_AT_ONCE = 64
# OpenAI refuses texts of more than 8,192 tokens, each of which has a character or more.
CHARACTERS_MAX = 8_000
# A vendor in trouble delays the next passages, and a question by what its source may take.
ANSWER_S = 20.0

Book = Callable[[int, float], None]
"""Told what a request cost: tokens, and seconds it took."""


class OpenAIEmbedder(Embedder):
    """A platform's model. `model` is what is asked for, `name` what its vectors are kept under."""

    def __init__(
        self, platform: str, connection: Connection, model: str, book: Book, clock: Clock
    ) -> None:
        self._platform = platform
        self._asked = model
        self._book = book
        self._clock = clock
        base_url = connection.base_url or BASE_URL
        if platform == "azure_openai":
            base_url = f"{base_url.rstrip('/').removesuffix('/openai/v1')}/openai/v1/"
        self._sdk = OpenAI(
            api_key=connection.credential,
            base_url=base_url,
            timeout=Timeout(ANSWER_S, connect=CONNECT_S),
            max_retries=0,
        )

    @property
    @override
    def model(self) -> str:
        return f"{self._platform}/{self._asked}@{DIMENSIONS}"

    @property
    @override
    def dimensions(self) -> int:
        return DIMENSIONS

    @override
    def embed(self, texts: Sequence[str]) -> Vectors:
        """A row for each text.

        Raises:
            PlatformError: the platform refuses, is away, or sends what no model sends.
        """
        batches = [
            self._batch([text[:CHARACTERS_MAX] or " " for text in texts[n : n + TEXTS_AT_ONCE]])
            for n in range(0, len(texts), TEXTS_AT_ONCE)
        ]
        return np.concatenate(batches) if batches else np.zeros((0, DIMENSIONS), np.float32)

    def _batch(self, texts: list[str]) -> Vectors:
        began = self._clock.monotonic()
        try:
            answer = self._sdk.embeddings.create(
                model=self._asked, input=texts, dimensions=DIMENSIONS, encoding_format="float"
            )
        except OpenAIError as error:
            said = f"{type(error).__name__}: {error}"[:MAX_DETAIL]
            raise PlatformError(self._platform, _kind(error), said) from error
        self._book(answer.usage.total_tokens, self._clock.monotonic() - began)
        rows = sorted(answer.data, key=lambda row: row.index)
        vectors = np.array([row.embedding for row in rows], dtype=np.float32)
        if vectors.shape != (len(texts), DIMENSIONS) or not np.isfinite(vectors).all():
            raise PlatformError(
                self._platform, ErrorKind.BAD_REPLY, f"vectors of the shape {vectors.shape}"
            )
        return normalised(vectors)


def _kind(error: OpenAIError) -> ErrorKind:
    if isinstance(error, APIStatusError):
        return _STATUSES.get(
            error.status_code,
            ErrorKind.OVERLOADED if error.status_code >= 500 else ErrorKind.INVALID_REQUEST,
        )
    if isinstance(error, APITimeoutError):
        return ErrorKind.TIMEOUT
    return ErrorKind.CONNECTION if isinstance(error, APIConnectionError) else ErrorKind.BAD_REPLY


_STATUSES = {
    401: ErrorKind.CREDENTIALS,
    403: ErrorKind.PERMISSION,
    404: ErrorKind.MODEL_GONE,
    429: ErrorKind.RATE_LIMITED,
}
