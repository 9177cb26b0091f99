"""The Serve deployment of one platform: opens its adapter and runs batches against it."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncGenerator, Sequence

from actors.database.engine import open_database
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.database.platform_settings import PlatformSettingsStore, SettingsVersion
from config.changes import Changes
from config.resolve import ResolvedPlatform, credential_of
from deployments.boot import SIMULATED, SIMULATOR_KEY, Boot
from deployments.database import address_of
from deployments.options import GC_THRESHOLDS, nodes_alive
from deployments.platforms.base import Connection
from deployments.platforms.batch import BatchRunner
from deployments.platforms.generations import Generations, TooManyGenerations
from deployments.platforms.model_watch import ModelWatch
from deployments.platforms.models import Offer
from deployments.platforms.multiplex import Event, Item
from deployments.platforms.registry import open_platform
from deployments.platforms.settings_watch import BEFORE_ANY, PLATFORM, SettingsWatch, newest_of
from deployments.platforms.settled import Settled, settle
from routing.clock import SystemClock

_log = logging.getLogger(__name__)


class PlatformReplica:
    """One platform in one process. Its credential is read here and goes nowhere."""

    async def __init__(self, boot: Boot, name: str) -> None:  # type: ignore[misc]  # Serve awaits it
        gc.set_threshold(*GC_THRESHOLDS)
        self._boot, self._name = boot, name
        clock = SystemClock()
        files = settle(boot, {})
        self._database = open_database(address_of(boot, files.settings, nodes_alive()))
        store = PlatformSettingsStore(self._database)
        newest = await _newest(store)
        settled = settle(boot, self._own(newest.changes)) if newest.changes else files
        if self._resolved(settled).state == "disabled":
            settled = (
                files  # its changes fit no more, and nobody asks it; a deployment has to be up
            )
        resolved, self._connection = self._reached(settled)
        self._platform = Generations(
            open_platform(name, self._connection),
            _models(resolved),
            settled.settings.routing.max_deadline_s,
        )
        self._runner = BatchRunner(
            name,
            self._platform,
            in_flight_max=resolved.max_connections,
            timeout_s=resolved.timeout_s,
        )
        self._offers = ModelWatch(name, self._platform.models, clock)
        self._offers.start()
        self._settings = SettingsWatch(store, f"{PLATFORM} {name}", self._take, clock)
        self._settings.start(newest.version)

    async def run(self, items: Sequence[Item]) -> AsyncGenerator[list[Event], None]:
        """A batch's events as they come."""
        async with contextlib.aclosing(self._runner.run(items)) as batch:
            async for events in batch:
                yield events

    async def answer(self, items: Sequence[Item]) -> list[Event]:
        """A batch's events in one piece, for who needs none of them before the last."""
        async with contextlib.aclosing(self._runner.run(items)) as batch:
            return [event async for events in batch for event in events]

    async def cancel(self, ids: Sequence[str]) -> None:
        """End these items if they run here."""
        await self._runner.cancel(ids)

    async def offer(self) -> Offer:
        """What was last heard of the platform's models; it may wait for the first list."""
        return await self._offers.offer()

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Requests under way: Serve itself sees batches, of which one may hold sixty-four."""
        return {"in_flight": float(self._runner.in_flight)}

    async def __del__(self) -> None:
        """Give the connections back when Serve stops the replica."""
        if hasattr(self, "_settings"):
            await asyncio.shield(self._settings.aclose())
        if hasattr(self, "_offers"):
            await asyncio.shield(self._offers.aclose())
        if hasattr(self, "_platform"):
            await asyncio.shield(self._platform.aclose())
        if hasattr(self, "_database"):
            await asyncio.shield(self._database.aclose())

    async def _take(self, version: SettingsVersion) -> str:
        """Work with a version from now on; what is under way ends as it began."""
        settled = await asyncio.to_thread(settle, self._boot, self._own(version.changes))
        if self._resolved(settled).state == "disabled":
            return "; ".join(settled.left_out)
        resolved, connection = self._reached(settled)
        if connection == self._connection:
            self._platform.rename(_models(resolved))
        else:
            platform = open_platform(self._name, connection)
            try:
                self._platform.change(platform, _models(resolved))
            except TooManyGenerations:
                await platform.aclose()
                raise
            self._connection = connection
        self._runner.bound(resolved.max_connections, resolved.timeout_s)
        return "; ".join(settled.left_out)

    def _own(self, changes: Changes) -> Changes:
        """What concerns a process that is there in any case: switched off, it ends what was planned before."""
        mine = changes.get(self._name, {})
        return {self._name: {key: value for key, value in mine.items() if key != "enabled"}}

    def _resolved(self, settled: Settled) -> ResolvedPlatform:
        return next(each for each in settled.resolved if each.name == self._name)

    def _reached(self, settled: Settled) -> tuple[ResolvedPlatform, Connection]:
        resolved = self._resolved(settled)
        if resolved.state == "simulated":
            if self._boot.simulators is None:
                raise RuntimeError(f"{self._name} is to be simulated, and no simulator runs")
            address: str | None = self._boot.simulators + SIMULATED[self._name]
            credential = SIMULATOR_KEY
        else:
            # None where the vendor takes an identity in place of a key: its adapter asks for it.
            secret = credential_of(settled.settings, resolved.name)
            credential = "" if secret is None else secret.get_secret_value()
            address = resolved.base_url
        connection = Connection(credential, address, resolved.max_connections, resolved.options)
        return resolved, connection


async def _newest(store: PlatformSettingsStore) -> SettingsVersion:
    try:
        return await newest_of(store)
    except (DatabaseBusy, DatabaseUnavailable) as error:
        # A platform can be asked without a database; the watch reads it as soon as there is one.
        _log.warning("changes of the settings cannot be read (%s); the files hold", error)
        return BEFORE_ANY


def _models(resolved: ResolvedPlatform) -> frozenset[str]:
    return frozenset({resolved.model, *(further.model for further in resolved.further_models)})
