"""A provider in this process for tests of what asks one: a real AES-GCM key, and faults to switch on."""

import asyncio
import base64
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.database.data_keys import DataKeys
from actors.database.engine import Database
from actors.sealing.errors import ProviderRefused, ProviderUnavailable
from actors.sealing.provider import KeyContext, Providers
from actors.sealing.ring import TENANTS_MAX, KeyRing
from routing.clock import Clock


class LocalProvider:
    """Wraps with a key of its own. It counts what it is asked, can be away, refuse, and wait."""

    def __init__(self, name: str = "local") -> None:
        self.name = name
        self.asked = 0
        self.is_away = False
        self.refuses = False
        self.begun = asyncio.Event()
        self.gate: asyncio.Event | None = None
        self._key = AESGCM(AESGCM.generate_key(256))

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        """The key, sealed."""
        await self._answer()
        nonce = os.urandom(12)
        return base64.b64encode(nonce + self._key.encrypt(nonce, key, context.data())).decode()

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        """The key again."""
        await self._answer()
        raw = base64.b64decode(wrapped)
        try:
            return self._key.decrypt(raw[:12], raw[12:], context.data())
        except InvalidTag:
            raise ProviderRefused(self.name, "another context") from None

    async def aclose(self) -> None:
        """Nothing is held."""

    async def _answer(self) -> None:
        self.asked += 1
        self.begun.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.is_away:
            raise ProviderUnavailable(self.name, "away")
        if self.refuses:
            raise ProviderRefused(self.name, "access withdrawn")


def ring_over(
    database: Database,
    provider: LocalProvider,
    clock: Clock,
    tenants_max: int = TENANTS_MAX,
    *,
    refuses_clear: bool = False,
) -> KeyRing:
    """A process's keys over the store."""
    providers = Providers(provider, {provider.name: provider})
    return KeyRing(DataKeys(database), providers, clock, tenants_max, refuses_clear=refuses_clear)
