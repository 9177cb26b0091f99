"""A tenant's keys as one process holds them: they seal and open without waiting for anybody."""

import hashlib
import hmac
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from actors.database.errors import KeysUnavailable
from actors.sealing.envelope import Place, RowId, is_sealed, open_text, parse, seal_text
from actors.sealing.errors import ClearRefused, SealBroken

DERIVED_BYTES = 32
INDEX_PREFIX = "hmac:"
"""What every index begins with: no text that was kept in clear is taken for one."""
# 128 bits: who has a tenant's secret no more finds a second text with the index of a first.
_INDEX_DIGITS = 32


@dataclass(slots=True)
class Allowance:
    """How many messages this process may still seal under a key; threads draw from it at once."""

    of: int
    _drawn: "itertools.count[int]" = field(default_factory=itertools.count, repr=False)
    _last: int = 0

    def draw(self) -> bool:
        """Take one; False where none is left."""
        self._last = drawn = next(self._drawn)  # one step of the interpreter: no lock is needed
        return drawn < self.of

    @property
    def left(self) -> int:
        """How many there are, give or take those that are being drawn."""
        return self.of - self._last


@dataclass(frozen=True, slots=True)
class TenantKeys:
    """What opens a tenant's texts, what seals new ones, and what its other keys are derived from.

    It is good for the work at hand and is not kept: a KeyRing knows when it has to be asked for again.
    `destroyed` are numbers of keys that no longer exist anywhere. `refuses_clear` where every text is
    sealed by now: one in clear was then put there by somebody else.
    """

    tenant: str
    opening: Mapping[int, AESGCM] = field(repr=False)
    destroyed: frozenset[int] = frozenset()
    current: int | None = None
    allowance: Allowance | None = None
    secret: bytes | None = field(default=None, repr=False)
    refuses_clear: bool = False
    unknown: set[int] = field(default_factory=set, repr=False)
    _derived: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_outdated(self) -> bool:
        """Whether a text was met whose key came into being after these were loaded."""
        return bool(self.unknown)

    @property
    def is_none(self) -> bool:
        """Whether nothing was ever sealed for the tenant, or sought by a hash."""
        return not self.opening and not self.destroyed and self.secret is None

    def seal(self, place: Place, row: RowId, text: str) -> str:
        """The text as it is kept in that place.

        Raises:
            KeysUnavailable: the key may seal no more, and the next is not there yet.
        """
        if self.current is None or self.allowance is None or not self.allowance.draw():
            raise KeysUnavailable(f"there is no key to seal {place.name} with")
        key = self.opening[self.current]
        return seal_text(key, self.current, self.tenant, place, row, text)

    def open(self, place: Place, row: RowId, stored: str) -> str:
        """The text that is kept in that place; as it is where it was written before anything was sealed.

        Raises:
            SealBroken: this is not what was sealed there, or its key was destroyed.
            ClearRefused: it is in clear, and nothing is by now.
            KeysUnavailable: its key came into being a moment ago.
        """
        if not is_sealed(stored):
            if place.is_new or self.refuses_clear:
                raise ClearRefused(self.tenant, place.name)
            return stored
        sealed = parse(stored)
        number = sealed.number
        key = self.opening.get(number)
        if key is None:
            if number in self.destroyed:
                raise SealBroken(f"the key of {place.name} was destroyed")
            # Numbers are given out one after the other, so no other can have been added meanwhile.
            if number != max((0, *self.opening, *self.destroyed)) + 1:
                raise SealBroken(f"{place.name} names a key that there never was")
            self.unknown.add(number)
            raise KeysUnavailable(f"key {number} of {place.name} is not known here yet", 1.0)
        return open_text(key, self.tenant, place, row, sealed)

    def seal_json(self, place: Place, row: RowId, value: object) -> str:
        """The same of anything JSON can say; a sealed value is a JSON string."""
        return self.seal(place, row, orjson.dumps(value).decode())

    def open_json(self, place: Place, row: RowId, stored: Any) -> Any:
        """The same of what `seal_json` made; what is no string was written before anything was sealed."""
        if stored is None or (not isinstance(stored, str) and not self.refuses_clear):
            return stored
        if not is_sealed(stored):
            raise ClearRefused(self.tenant, place.name)
        return orjson.loads(self.open(place, row, stored))

    def index_of(self, place: Place, text: str) -> str:
        """What a text of that place is sought by: a keyed hash, the tenant's and the place's own.

        Raises:
            KeysUnavailable: the tenant has no secret yet.
        """
        key = self.derive(f"index {place.name}")
        found = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return INDEX_PREFIX + found[:_INDEX_DIGITS]

    def indexes_of(self, place: Place, text: str) -> Sequence[str]:
        """All that may stand in its place: before anything was sealed, the text itself."""
        index = () if self.is_none else (self.index_of(place, text),)
        if self.refuses_clear or text.startswith(INDEX_PREFIX):
            return index
        return (*index, text)

    def derive(self, purpose: str) -> bytes:
        """32 bytes for one purpose, the same for the tenant in every process and at all times.

        Raises:
            KeysUnavailable: the tenant has no secret yet.
        """
        known = self._derived.get(purpose)
        if known is not None:
            return known
        if self.secret is None:
            raise KeysUnavailable("there is no secret to derive from")
        info = b"supportmax derive\0" + purpose.encode()
        found = HKDF(hashes.SHA256(), DERIVED_BYTES, salt=None, info=info).derive(self.secret)
        # Purposes are ours, a handful: nothing that a caller says makes one.
        self._derived[purpose] = found
        return found
