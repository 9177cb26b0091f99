"""Tenants' keys in one process: asked for when they are needed, held for minutes, asked for again."""

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, replace

from actors.database.errors import DatabaseBusy, DatabaseUnavailable, KeysUnavailable
from actors.sealing.errors import ProviderRefused, ProviderUnavailable
from actors.sealing.keys import TenantKeys
from actors.sealing.loading import KeyLoader, Loaded
from actors.sealing.provider import Providers, Purpose
from actors.sealing.store import KeyStore
from routing.clock import Clock

_log = logging.getLogger(__name__)

# How long the provider is not asked again: a key-encryption key that is withdrawn takes effect
# after this, and a tenant costs the provider one call in this time and process.
FRESH_S = 300.0
# How long keys are used while the provider cannot be reached at all: support goes on through a
# short outage of it, and who keeps it from answering gains no more than this.
STALE_S = 900.0
# After a failure, before it is asked again for keys that may be used meanwhile.
ASK_AGAIN_S = 10.0
# Some 1 kB each; more tenants than one process serves in STALE_S.
TENANTS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class _Held:
    """A tenant's keys, when the provider last stood by them, and when it then failed to."""

    loaded: Loaded
    asked_at: float
    failed_at: float | None = None

    @property
    def keys(self) -> TenantKeys:
        """The keys."""
        return self.loaded.keys

    def serves(self, need: Purpose | None) -> bool:
        """Whether what is needed is among them."""
        match need:
            case None:
                return True
            case "seal":
                return self.loaded.may_seal
            case "derive":
                return self.keys.secret is not None


class KeyRing:
    """Has tenants' keys: a Sealing and a Deriving, for one event loop."""

    def __init__(
        self,
        store: KeyStore,
        providers: Providers,
        clock: Clock,
        tenants_max: int = TENANTS_MAX,
        *,
        refuses_clear: bool = False,
    ) -> None:
        """`refuses_clear` where nothing is in clear any more: what is then was put there by others."""
        self._loader = KeyLoader(store, providers, clock, refuses_clear=refuses_clear)
        self._refuses_clear = refuses_clear
        self._providers = providers
        self._clock = clock
        self._max = tenants_max
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._asking: dict[tuple[str, Purpose | None], asyncio.Task[TenantKeys]] = {}

    async def to_open(self, tenant: str) -> TenantKeys:
        """Keys that open; none for a tenant for whom nothing was ever sealed.

        Raises:
            KeysUnavailable: they cannot be had just now, or access to them was withdrawn.
            DatabaseUnavailable: the store could not be asked.
        """
        return await self._keys(tenant, None)

    async def to_seal(self, tenant: str) -> TenantKeys:
        """Keys that seal and open, made if there are none; raises as `to_open` does."""
        return await self._keys(tenant, "seal")

    async def to_seek(self, tenant: str) -> TenantKeys:
        """Keys that seal and open, with the secret that says what texts are sought by; raises likewise."""
        await self._keys(tenant, "derive")
        return await self._keys(tenant, "seal")

    async def to_find(self, tenant: str) -> TenantKeys:
        """As `to_seek`, and nothing is made for a tenant without keys: what there is of it is in clear."""
        keys = await self._keys(tenant, None)
        return keys if keys.is_none else await self.to_seek(tenant)

    async def ready(self, tenant: str) -> None:
        """Have the tenant's secret at hand, made if there is none; raises as `to_open` does."""
        await self._keys(tenant, "derive")

    def derive(self, tenant: str, purpose: str) -> bytes:
        """32 bytes for one purpose, the same in every process; `ready` comes first.

        Raises:
            KeysUnavailable: `ready` was not awaited, or too long ago.
        """
        held = self._held.get(tenant)
        if held is None or self._clock.monotonic() - held.asked_at >= STALE_S:
            raise KeysUnavailable("the tenant's secret is not at hand")
        return held.keys.derive(purpose)

    async def aclose(self) -> None:
        """Forget every key and close the providers."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        self._held.clear()
        await self._providers.aclose()

    async def _keys(self, tenant: str, need: Purpose | None) -> TenantKeys:
        held = self._held.get(tenant)
        if held is not None and held.serves(need) and self._is_fresh(held):
            self._held.move_to_end(tenant)
            return held.keys
        # Whoever asks meanwhile waits for the same answer; one that leaves takes it from nobody.
        asked = (tenant, need)
        task = self._asking.get(asked)
        if task is None:
            task = self._asking[asked] = asyncio.create_task(self._renewed(tenant, need))
            task.add_done_callback(lambda done: self._settle(asked, done))
        return await asyncio.shield(task)

    def _settle(self, asked: tuple[str, Purpose | None], done: asyncio.Task[TenantKeys]) -> None:
        del self._asking[asked]
        if not done.cancelled():
            done.exception()  # Whoever waited may have left: what went wrong is then nobody's.

    async def _renewed(self, tenant: str, need: Purpose | None) -> TenantKeys:
        now, known = self._clock.monotonic(), self._held.get(tenant)
        if known is not None and now - known.asked_at >= STALE_S:
            known = None
        usable = known if known is not None and known.serves(need) else None
        failed_at = None if usable is None else usable.failed_at
        if usable is not None and failed_at is not None and now - failed_at < ASK_AGAIN_S:
            return usable.keys
        try:
            before = None if known is None else known.loaded
            loaded = await self._loader.load(tenant, need, before)
        except ProviderRefused as error:
            self._held.pop(tenant, None)
            _log.error("%s refuses the keys of a tenant: %s", error.provider, error.detail)
            raise KeysUnavailable(f"{error.provider} refuses the tenant's keys") from error
        except (ProviderUnavailable, DatabaseBusy, DatabaseUnavailable) as error:
            _log.warning("the keys of a tenant were not renewed: %s", error)
            if usable is not None:
                self._held[tenant] = replace(usable, failed_at=now)
                return usable.keys
            if not isinstance(error, ProviderUnavailable):
                raise
            wait_s = error.retry_after_s or KeysUnavailable.RETRY_AFTER_S
            raise KeysUnavailable(f"{error.provider} did not answer", wait_s) from error
        if loaded is None:
            self._held.pop(tenant, None)
            return TenantKeys(tenant, {}, refuses_clear=self._refuses_clear)
        self._keep(tenant, _Held(loaded, now))
        return loaded.keys

    def _is_fresh(self, held: _Held) -> bool:
        is_recent = self._clock.monotonic() - held.asked_at < FRESH_S
        return is_recent and not held.keys.is_outdated

    def _keep(self, tenant: str, held: _Held) -> None:
        self._held[tenant] = held
        self._held.move_to_end(tenant)
        if len(self._held) > self._max:
            self._held.popitem(last=False)
        for name in [n for n, h in self._held.items() if held.asked_at - h.asked_at >= STALE_S]:
            del self._held[name]
