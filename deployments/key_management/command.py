"""`supportmax data`: what is kept is sealed anew or looked at, or a tenant's keys are destroyed."""

import os
import sys
from collections.abc import Callable

from actors.database.data_keys import DataKeys
from actors.database.engine import Database
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.database.resealing import Resealing, Walked
from actors.database.sealed_places import PLACES
from actors.database.verifying import Verifying
from actors.sealing.errors import ProviderRefused, ProviderUnavailable
from actors.sealing.provider import Providers
from actors.sealing.ring import KeyRing
from actors.sealing.wrapping import unwrap_key, wrap_key
from config.encryption import EncryptionSettings
from config.loader import load_settings
from deployments.auditing import on_record
from deployments.boot import Boot
from deployments.database import address_of
from deployments.key_management.opening import providers_of, sealed_store
from routing.clock import Clock
from routing.errors import RequestError

# Tenants whose keys are wrapped anew before the next are asked for.
_TENANTS = 100
Say = Callable[[str], object]


async def reseal(boot: Boot, clock: Clock, say: Say = sys.stdout.write) -> bool:
    """Wrap every data key anew and seal every row under its tenant's current key; False if some could not.

    It may run beside the product, be broken off, and be run again; it is on record. At the end
    everything is looked at, as `verify` does: what was written meanwhile, too.

    Raises:
        AuditUnavailable: it could not be recorded; nothing was touched.
    """
    async with on_record(boot, "", "data reseal", clock):
        return await _reseal(boot, clock, say)


async def _reseal(boot: Boot, clock: Clock, say: Say) -> bool:
    settings = load_settings(boot.config, os.environ, boot.profile).settings
    address = address_of(boot, settings)
    providers = providers_of(boot, settings.encryption, clock)
    async with sealed_store(address, boot, settings.encryption, clock) as database:
        try:
            is_whole = await _rewrap(DataKeys(database), providers, say)
        finally:
            await providers.aclose()
        ring = database.sealing
        assert isinstance(ring, KeyRing)  # noqa: S101  a sealed store has one
        walk = Resealing(database, ring, clock)
        for place in await walk.begin():
            walked = Walked(place.name)
            while not walked.is_done:
                try:
                    walked = await walk.step(walked, place)
                except (DatabaseBusy, DatabaseUnavailable) as error:
                    say(f"{place.name}: broken off after {walked.seen} rows: {error.detail}\n")
                    return False
            is_whole = is_whole and not walked.unreadable
            more = f", {walked.unreadable} cannot be read" if walked.unreadable else ""
            say(f"{place.name}: {walked.seen} rows, {walked.changed} sealed anew{more}\n")
        return await _look(database, ring, settings.encryption, say) and is_whole


async def verify(boot: Boot, clock: Clock, say: Say = sys.stdout.write) -> bool:
    """Open everything that is kept and change nothing; False if some is in clear or cannot be read."""
    settings = load_settings(boot.config, os.environ, boot.profile).settings
    address = address_of(boot, settings)
    async with sealed_store(address, boot, settings.encryption, clock) as database:
        ring = database.sealing
        assert isinstance(ring, KeyRing)  # noqa: S101  a sealed store has one
        return await _look(database, ring, settings.encryption, say)


async def forget_tenant(
    boot: Boot, tenant: str, confirmed: str | None, clock: Clock, say: Say = sys.stdout.write
) -> None:
    """Destroy every data key of the tenant, on record; nobody reads what they sealed any more.

    Raises:
        RequestError: `not_confirmed`, or `not_found`: the tenant has no keys.
        AuditUnavailable: it could not be recorded; nothing was destroyed.
    """
    if confirmed != tenant:
        message = f"nothing was destroyed; this cannot be undone: add --confirm {tenant}"
        raise RequestError("not_confirmed", message)
    settings = load_settings(boot.config, os.environ, boot.profile).settings
    address = address_of(boot, settings)
    async with sealed_store(address, boot, settings.encryption, clock) as database:
        store = DataKeys(database)
        if not any(key.destroyed_at is None for key in await store.keys(tenant)):
            raise RequestError("not_found", f"{tenant} has no keys")
        async with on_record(boot, tenant, "data forget-tenant", clock):
            count = await store.destroy(tenant, clock.now())
    say(f"{count} keys of {tenant} destroyed\n")


async def _look(database: Database, ring: KeyRing, settings: EncryptionSettings, say: Say) -> bool:
    verifying, seen, in_clear, unreadable = Verifying(database, ring), 0, 0, 0
    for place in PLACES:
        try:
            counted = await verifying.count(place)
        except (DatabaseBusy, DatabaseUnavailable) as error:
            say(f"{place.name}: could not be looked at: {error.detail}\n")
            return False
        seen += counted.seen
        in_clear += counted.in_clear
        unreadable += counted.unreadable
        if counted.in_clear or counted.unreadable:
            said = f"{counted.in_clear} in clear, {counted.unreadable} cannot be read"
            say(f"{place.name}: {counted.seen} rows, {said}\n")
    say(f"{seen} texts, {in_clear} in clear, {unreadable} cannot be read\n")
    if settings.refuse_clear and in_clear:
        say("encryption.refuse_clear is on: nobody is shown those; find out who wrote them\n")
    elif not settings.refuse_clear and not in_clear:
        say("nothing is in clear: encryption.refuse_clear: true can be switched on\n")
    return not in_clear and not unreadable


async def _rewrap(store: DataKeys, providers: Providers, say: Say) -> bool:
    """Have the current provider wrap every key anew, so that an older key of it may go."""
    done, failed, after = 0, 0, ""
    current = providers.current
    while tenants := await store.tenants(after, _TENANTS):
        for tenant in tenants:
            for row in await store.keys(tenant):
                if row.destroyed_at is not None:
                    continue
                try:
                    key = await unwrap_key(providers, row)
                    wrapped = await wrap_key(current, key, row.context)
                except (ProviderRefused, ProviderUnavailable) as error:
                    failed += 1
                    say(f"key {row.number} of {tenant}: {error.provider}: {error.detail}\n")
                    continue
                done += await store.rewrap(row, wrapped, current.name)
        after = tenants[-1]
    say(f"{done} keys wrapped by {current.name}, {failed} could not be\n")
    return not failed
