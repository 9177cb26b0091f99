"""One sealed text: AES-256-GCM under a data key, bound to the place where it is kept.

`sealed:` and base64 of: version (1 byte), number of the data key (4), nonce (12), ciphertext
and tag. The tenant, the table, the column, the row and the header are authenticated with it, so
what is moved elsewhere or changed by one bit does not open.
"""

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.randomness import random_bytes
from actors.sealing.errors import SealBroken

PREFIX = "sealed:"
VERSION = 1
_NUMBER_BYTES = 4
# 96 random bits, the length that GCM is defined for. How many messages one key may have is
# bounded where keys are handed out (ring.py).
_NONCE_BYTES = 12
_HEADER_BYTES = 1 + _NUMBER_BYTES
_BEFORE_TEXT = _HEADER_BYTES + _NONCE_BYTES

RowId: TypeAlias = Sequence[str | int]
"""The values of a row's key after the tenant, in the order of the key's columns."""


@dataclass(frozen=True, slots=True)
class Place:
    """A column whose texts are sealed. `is_new`: nothing in it is older than sealing."""

    table: str
    column: str
    is_new: bool = False

    @property
    def name(self) -> str:
        """As people read it."""
        return f"{self.table}.{self.column}"


class Sealed(NamedTuple):
    """A sealed text, taken apart: the number of its data key, and everything as bytes."""

    number: int
    raw: bytes


def is_sealed(stored: object) -> bool:
    """Whether this was sealed, by the look of it; what was written before anything was is not."""
    return isinstance(stored, str) and stored.startswith(PREFIX)


def number_of(stored: str) -> int:
    """Which data key a sealed text needs; raises SealBroken if it is none of ours."""
    return parse(stored).number


def seal_text(key: AESGCM, number: int, tenant: str, place: Place, row: RowId, text: str) -> str:
    """The text as it is kept in that place."""
    header = bytes((VERSION,)) + number.to_bytes(_NUMBER_BYTES, "big")
    nonce = random_bytes(_NONCE_BYTES)
    bound = _bound(header, tenant, place, row)
    sealed = header + nonce + key.encrypt(nonce, text.encode(), bound)
    return PREFIX + binascii.b2a_base64(sealed, newline=False).decode()


def parse(stored: str) -> Sealed:
    """The parts of a sealed text; raises SealBroken if it is none of ours."""
    text = stored[len(PREFIX) :]
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raw = b""
    # Base64 reads several texts as the same bytes; only the one we write is ours.
    if len(raw) <= _BEFORE_TEXT or binascii.b2a_base64(raw, newline=False) != text.encode():
        raise SealBroken("a sealed text is damaged")
    if raw[0] != VERSION:
        raise SealBroken(f"version {raw[0]} of sealed texts is not known here")
    return Sealed(int.from_bytes(raw[1:_HEADER_BYTES], "big"), raw)


def open_text(key: AESGCM, tenant: str, place: Place, row: RowId, sealed: Sealed) -> str:
    """The text that was sealed in that place; raises SealBroken if this is not it."""
    raw = sealed.raw
    bound = _bound(raw[:_HEADER_BYTES], tenant, place, row)
    try:
        return key.decrypt(raw[_HEADER_BYTES:_BEFORE_TEXT], raw[_BEFORE_TEXT:], bound).decode()
    except InvalidTag:
        raise SealBroken(f"{place.name} does not hold what was sealed there") from None


def _bound(header: bytes, tenant: str, place: Place, row: RowId) -> bytes:
    # A JSON array has one reading: no two places have the same bytes.
    return header + orjson.dumps([tenant, place.table, place.column, *row])
