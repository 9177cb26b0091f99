"""Gets a tenant's keys: reads the wrapped ones, has them unwrapped, and makes those that are missing.

Every process that seals under a key counts its messages beforehand, in blocks, so that no key
seals more than GCM with random nonces allows, however many processes there are.
"""

import asyncio
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.sealing.keys import Allowance, TenantKeys
from actors.sealing.provider import Providers, Purpose
from actors.sealing.store import KeyStore, StoredKey
from actors.sealing.wrapping import KEY_BYTES, unwrap_key, wrap_key
from routing.clock import Clock

# NIST SP 800-38D, 8.3: with random nonces of 96 bits a key seals 2^32 messages at most.
MESSAGES_MAX = 2**32
# A new key long before: what is left is far more than is sealed until the new one takes over.
MESSAGES_PER_KEY = 2**31
KEY_AGE_S = 90 * 86_400.0
# When a new key takes over: twice the time after which every process has read the keys again
# (STALE_S in ring.py), so that whoever meets what it sealed can open it.
HANDOVER_S = 1_800.0
# Messages counted beforehand: few at first, because a process that ends has wasted what is left,
# then more, so that a busy one seldom writes. The first is over what one request can seal.
BLOCK_FIRST = 2**14
BLOCK_MAX = 2**20
_BLOCK_GROWTH = 4


@dataclass(frozen=True, slots=True)
class Loaded:
    """A tenant's keys, and what the next load need not ask for again."""

    keys: TenantKeys
    plain: Mapping[StoredKey, bytes] = field(repr=False)
    block: int = BLOCK_FIRST

    @property
    def may_seal(self) -> bool:
        """Whether there is a key to seal with, and more than half of what it may seal is left."""
        allowance = self.keys.allowance
        return allowance is not None and allowance.left > self.block // 2


class KeyLoader:
    """Loads keys, and makes them."""

    def __init__(
        self, store: KeyStore, providers: Providers, clock: Clock, *, refuses_clear: bool
    ) -> None:
        self._refuses_clear = refuses_clear
        self._store = store
        self._providers = providers
        self._clock = clock

    async def load(self, tenant: str, need: Purpose | None, known: Loaded | None) -> Loaded | None:
        """The tenant's keys, with one for what is needed; None if there never were any and none is needed.

        Whatever is `known`, the provider is asked once at least: it may have changed its mind.

        Raises:
            ProviderRefused: access was withdrawn.
            ProviderUnavailable: the provider did not answer.
            DatabaseUnavailable: the store did not.
        """
        rows = await self._store.keys(tenant)
        if need is not None and not _living(rows, need):
            await self._make(tenant, need, rows)
            rows = await self._store.keys(tenant)
        if not rows:
            return None
        living = [row for row in rows if row.destroyed_at is None]
        plain = await self._unwrap(living, {} if known is None else known.plain)
        opening = {row.number: AESGCM(plain[row]) for row in living if row.purpose == "seal"}
        destroyed = {r.number for r in rows if r.purpose == "seal" and r.destroyed_at is not None}
        derives = _living(rows, "derive")
        secret = plain[derives[-1]] if derives else None
        current = _current(_living(rows, "seal"), self._clock.now())
        allowance, block = _kept(known, current)
        if (
            need == "seal"
            and current is not None
            and (allowance is None or allowance.left <= block // 2)
        ):
            block = BLOCK_FIRST if allowance is None else min(block * _BLOCK_GROWTH, BLOCK_MAX)
            allowance = await self._reserve(current, block, rows)
        number = None if current is None else current.number
        keys = TenantKeys(
            tenant,
            opening,
            frozenset(destroyed),
            number,
            allowance,
            secret,
            self._refuses_clear,
        )
        return Loaded(keys, plain, block)

    async def _make(self, tenant: str, purpose: Purpose, rows: Iterable[StoredKey]) -> None:
        """Add a key after those there are; another process may be quicker, which is as good."""
        number = max((row.number for row in rows if row.purpose == purpose), default=0) + 1
        now, provider = self._clock.now(), self._providers.current
        bare = StoredKey(tenant, purpose, number, "", provider.name, now)
        wrapped = await wrap_key(provider, secrets.token_bytes(KEY_BYTES), bare.context)
        await self._store.add(replace(bare, wrapped=wrapped), now + HANDOVER_S)

    async def _reserve(
        self, current: StoredKey, block: int, rows: Sequence[StoredKey]
    ) -> Allowance | None:
        """Count a block of messages to the key, and make the next one where it is time."""
        total = await self._store.reserve(current, block, MESSAGES_MAX)
        is_last = _living(rows, "seal")[-1] == current
        is_old = self._clock.now() - current.created_at >= KEY_AGE_S
        if is_last and (is_old or total is None or total >= MESSAGES_PER_KEY):
            await self._make(current.tenant, "seal", rows)
        return None if total is None else Allowance(block)

    async def _unwrap(
        self, rows: Sequence[StoredKey], known: Mapping[StoredKey, bytes]
    ) -> dict[StoredKey, bytes]:
        """Every row's key. The newest is always asked for; what was unwrapped before need not be."""
        newest = max(rows, key=lambda row: row.created_at, default=None)
        asked = [row for row in rows if row is newest or row not in known]
        found = await asyncio.gather(*(unwrap_key(self._providers, row) for row in asked))
        kept = {row: known[row] for row in rows if row in known}
        return kept | dict(zip(asked, found, strict=True))


def _living(rows: Iterable[StoredKey], purpose: Purpose) -> list[StoredKey]:
    return [row for row in rows if row.purpose == purpose and row.destroyed_at is None]


def _current(seals: Sequence[StoredKey], now: float) -> StoredKey | None:
    """The oldest that has not retired: its successor is not known everywhere yet."""
    return next((row for row in seals if row.retired_at is None or row.retired_at > now), None)


def _kept(known: Loaded | None, current: StoredKey | None) -> tuple[Allowance | None, int]:
    if known is None or current is None or known.keys.current != current.number:
        return None, BLOCK_FIRST
    return known.keys.allowance, known.block
