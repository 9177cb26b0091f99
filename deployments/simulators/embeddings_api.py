"""The embeddings API as a simulator plays it, for OpenAI and Azure: words hashed into a vector.

Texts that share words are near each other, and nothing more: the vectors are made without a model, and
`system_fingerprint`, which the vendors do not send here, says so.
"""

import base64
import hashlib
import math
import re
import struct

from starlette.responses import Response

from deployments.simulators.answer import estimate_tokens
from deployments.simulators.exchange import Exchange
from deployments.simulators.faults import Status
from deployments.simulators.openai_errors import OpenAIWireError
from deployments.simulators.responses_api import Dialect
from deployments.simulators.schema import as_object

# What each model sends when nobody asks for fewer.
MODELS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
# OpenAI's bound on one request.
INPUTS_MAX = 2048

_WORD = re.compile(r"\w+")


class Embeddings:
    """`POST /embeddings` in one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def create(self, exchange: Exchange) -> Response:
        """Answer one request.

        Raises:
            OpenAIWireError: The vendor would refuse it, or the script says so.
        """
        body = as_object(exchange.body) or {}
        model, given = str(body.get("model", "")), body.get("input")
        most = next(
            (n for name, n in MODELS.items() if model == name or model.endswith(f"-{name}")), None
        )
        if most is None:
            raise OpenAIWireError(
                404, f"The model `{model}` does not exist or you do not have access to it.",
                param="model", code="model_not_found",
            )  # fmt: skip
        texts = [given] if isinstance(given, str) else given
        if (
            not isinstance(texts, list)
            or not 0 < len(texts) <= INPUTS_MAX
            or not all(isinstance(text, str) and text for text in texts)
        ):
            raise OpenAIWireError(400, "'$.input' is invalid. Please check the API reference.")
        size = body.get("dimensions", most)
        if not isinstance(size, int) or not 0 < size <= most:
            raise OpenAIWireError(
                400, f"Invalid value for 'dimensions': at most {most}.", param="dimensions"
            )
        behaviour = exchange.take_behaviour()
        if isinstance(behaviour, Status):
            raise self._dialect.scripted_error(behaviour)
        in_base64 = body.get("encoding_format") == "base64"
        tokens = sum(max(1, estimate_tokens(text)) for text in texts)
        payload = {
            "object": "list",
            "data": [
                {
                    "object": "embedding",
                    "index": n,
                    "embedding": _told(hashed(text, size), in_base64),
                }
                for n, text in enumerate(texts)
            ],
            "model": model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            "system_fingerprint": "simulated",
        }
        headers = self._dialect.headers(tokens)
        return exchange.reply_json(payload, headers=headers, behaviour=behaviour)


def hashed(text: str, size: int) -> list[float]:
    """A vector of length 1: each word adds to, or takes from, two places that its hash names."""
    vector = [0.0] * size
    for word in _WORD.findall(text.casefold()) or [""]:
        digest = hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=16).digest()
        for first, second in struct.iter_unpack("<II", digest):
            vector[first % size] += 1.0 if second % 2 else -1.0
    length = math.sqrt(sum(x * x for x in vector)) or 1.0
    return [x / length for x in vector]


def _told(vector: list[float], in_base64: bool) -> list[float] | str:
    if not in_base64:
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
