"""The Serve deployment of one platform: opens its adapter and runs batches against it."""

import asyncio
import contextlib
import gc
import logging
import os
from collections.abc import AsyncGenerator, Sequence

from config.loader import load_settings
from config.resolve import credential_of, resolve_platforms
from deployments.boot import SIMULATED, SIMULATOR_KEY, Boot
from deployments.options import GC_THRESHOLDS
from deployments.platforms.base import Connection
from deployments.platforms.batch import BatchRunner
from deployments.platforms.model_watch import ModelWatch
from deployments.platforms.models import Offer
from deployments.platforms.multiplex import Event, Item
from deployments.platforms.registry import open_platform
from routing.clock import SystemClock

_log = logging.getLogger(__name__)


class PlatformReplica:
    """One platform in one process. Its credential is read here and goes nowhere."""

    async def __init__(self, boot: Boot, name: str) -> None:  # type: ignore[misc]  # Serve awaits it
        gc.set_threshold(*GC_THRESHOLDS)
        settings = load_settings(boot.config, os.environ, boot.profile).settings
        resolved = {p.name: p for p in resolve_platforms(settings, boot.profile)}[name]  # type: ignore[index]
        if resolved.state == "simulated":
            if boot.simulators is None:
                raise RuntimeError(f"{name} is to be simulated, and no simulator runs")
            address: str | None = boot.simulators + SIMULATED[name]
            credential = SIMULATOR_KEY
        else:
            # None where the vendor takes an identity in place of a key: its adapter asks for it.
            secret = credential_of(settings, resolved.name)
            credential = "" if secret is None else secret.get_secret_value()
            address = resolved.base_url
        self._platform = open_platform(
            name, Connection(credential, address, resolved.max_connections, resolved.options)
        )
        self._runner = BatchRunner(
            name,
            self._platform,
            in_flight_max=resolved.max_connections,
            timeout_s=resolved.timeout_s,
        )
        self._watch = ModelWatch(name, self._platform.models, SystemClock())
        self._watch.start()

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
        return await self._watch.offer()

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Requests under way: Serve itself sees batches, of which one may hold sixty-four."""
        return {"in_flight": float(self._runner.in_flight)}

    async def __del__(self) -> None:
        """Give the connections back when Serve stops the replica."""
        if hasattr(self, "_watch"):
            await asyncio.shield(self._watch.aclose())
        if hasattr(self, "_platform"):
            await asyncio.shield(self._platform.aclose())
