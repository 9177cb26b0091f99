"""Where wrapped data keys are kept: what it promises."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from actors.sealing.provider import KeyContext, Purpose


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A data key as it is kept: wrapped, and by whom.

    Numbers count from 1 and are never used again. After `retired_at` it seals nothing more, but
    opens what it sealed; after `destroyed_at` nothing is left of it but this row.
    """

    tenant: str
    purpose: Purpose
    number: int
    wrapped: str = field(repr=False)
    provider: str
    created_at: float
    retired_at: float | None = None
    destroyed_at: float | None = None

    @property
    def context(self) -> KeyContext:
        """What it is wrapped under."""
        return KeyContext(self.tenant, self.purpose, self.number)


class KeyStore(Protocol):
    """Keeps them. Every method may raise DatabaseBusy and DatabaseUnavailable."""

    async def keys(self, tenant: str) -> Sequence[StoredKey]:
        """All of the tenant's, destroyed ones too, by purpose and number."""
        ...

    async def add(self, key: StoredKey, retires_at: float) -> bool:
        """Keep a key, the one before it to be retired at that time; False if its number is taken."""
        ...

    async def reserve(self, key: StoredKey, messages: int, at_most: int) -> int | None:
        """Count so many messages to a key; how many that are in all, None if over `at_most`."""
        ...
