"""Who holds the key-encryption key: what it promises, and what a wrapped key is bound to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

Purpose: TypeAlias = Literal["seal", "derive"]
"""What a data key is for: to seal texts, or to derive other keys from."""


@dataclass(frozen=True, slots=True)
class KeyContext:
    """Which data key a blob holds. A provider unwraps it under exactly this and nothing else."""

    tenant: str
    purpose: Purpose
    number: int

    def pairs(self) -> dict[str, str]:
        """The same for providers that bind names to values, and write them into their logs."""
        return {
            "service": "supportmax",
            "tenant": self.tenant,
            "purpose": self.purpose,
            "number": str(self.number),
        }

    def data(self) -> bytes:
        """The same as bytes. Lengths stand before parts, so no two contexts have the same bytes."""
        parts = ("supportmax data key", self.tenant, self.purpose, str(self.number))
        encoded = [part.encode() for part in parts]
        return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


class KeyProvider(Protocol):
    """Holds a key-encryption key and never gives it away."""

    @property
    def name(self) -> str:
        """As the configuration has it; it stands beside every key this provider wrapped."""
        ...

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        """The key, readable for this provider alone, as printable text.

        Raises:
            ProviderRefused: it will not, and asking again does not help.
            ProviderUnavailable: it did not answer in time.
        """
        ...

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        """The key again.

        Raises:
            ProviderRefused: access was withdrawn, or this is not what was wrapped under this context.
            ProviderUnavailable: it did not answer in time.
        """
        ...

    async def aclose(self) -> None:
        """Give back what it holds."""
        ...


@dataclass(frozen=True, slots=True)
class Providers:
    """The one that wraps new keys, and all that can unwrap older ones, by name."""

    current: KeyProvider
    by_name: Mapping[str, KeyProvider]

    async def aclose(self) -> None:
        """Close every one of them."""
        for provider in self.by_name.values():
            await provider.aclose()
