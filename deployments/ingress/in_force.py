"""The platforms' settings as an ingress replica works with them: taken at its start, and when they change."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from actors.database.platform_settings import PlatformSettingsStore, SettingsVersion
from config.fingerprint import fingerprints
from deployments.ingress import settings_for
from deployments.ingress.platform_status import Listed, Listing
from deployments.platforms.price_calendar import price_calendar
from deployments.platforms.settings_watch import INGRESS, SettingsWatch, newest_of
from deployments.platforms.settled import Settled, settle
from routing.catalog import Catalog
from routing.live_catalogs import LiveCatalogs

if TYPE_CHECKING:
    from config.resolve import ResolvedPlatform
    from deployments.boot import Boot
    from deployments.ingress.retirement import Configured
    from routing.clock import Clock
    from routing.price_calendar import PriceCalendar

Addressed = Callable[[Mapping[str, str]], None]
"""Hears the fingerprints of what platforms are asked with."""


class InForce:
    """What everybody in a replica is given who has to know which platforms there are now.

    `catalogs`, `listing` and `models` stay the same objects and change their contents, all at
    once: nothing is awaited while they do.
    """

    def __init__(
        self,
        boot: "Boot",
        store: PlatformSettingsStore,
        reachable: Collection[str],
        settled: Settled,
        version: int,
        clock: "Clock",
    ) -> None:
        """`reachable` are the platforms that have a process; the others cannot be asked."""
        self.store = store
        self.settled = settled
        self._boot = boot
        self._reachable = frozenset(reachable)
        self._clock = clock
        self._horizon_s = settled.settings.routing.max_deadline_s
        self.catalogs = LiveCatalogs(self._calendar(settled), self._horizon_s)
        self.listing = Listing((), version)
        self.models: dict[str, list[Configured]] = {}
        """The models in use by platform, with what is known of their ends."""

        self.watch = SettingsWatch(store, INGRESS, self._take, clock)
        self._addressed: Addressed | None = None
        self._show(settled, version)

    @property
    def reachable(self) -> frozenset[str]:
        """The platforms that have a process."""
        return self._reachable

    def start(self, addressed: Addressed) -> None:
        """Begin to watch; `addressed` hears what platforms are asked with from now on."""
        self._addressed = addressed
        self.watch.start(self.listing.version, "; ".join(self.settled.left_out))

    async def aclose(self) -> None:
        """Stop watching."""
        await self.watch.aclose()

    async def _take(self, version: SettingsVersion) -> str:
        settled = await asyncio.to_thread(settle, self._boot, version.changes)
        calendar = self._calendar(settled)
        self.catalogs.take(calendar, self._clock.now())
        self._show(settled, version.version)
        if self._addressed is not None:
            self._addressed(fingerprints(settled.settings, settled.resolved))
        return "; ".join(settled.left_out)

    def _show(self, settled: Settled, version: int) -> None:
        catalog = self.catalogs.at(self._clock.now())
        self.settled = settled
        self.listing.rows = tuple(self._listed(each, catalog) for each in settled.resolved)
        self.listing.version = version
        self.models.clear()
        self.models.update(settings_for.models_in_use(catalog.profiles))

    def _listed(self, each: "ResolvedPlatform", catalog: Catalog) -> Listed:
        detail = each.reason
        if each.state != "disabled" and each.name not in self._reachable:
            detail = "it was off when the service started; start it again"
        return Listed(each.name, detail, catalog.of(each.name), each.options, each.base_url)

    def _calendar(self, settled: Settled) -> "PriceCalendar":
        asked = [
            each
            for each in settled.resolved
            if each.state != "disabled" and each.name in self._reachable
        ]
        today = datetime.fromtimestamp(self._clock.now(), UTC).date()
        return price_calendar(asked, today, self._horizon_s)


async def in_force(
    boot: "Boot", store: PlatformSettingsStore, reachable: Collection[str], clock: "Clock"
) -> InForce:
    """The newest version, as this process can work with it.

    Raises:
        ConfigError: the files cannot be meant.
        DatabaseUnavailable: what was changed cannot be read; the files alone might be what was
            switched off.
    """
    newest = await newest_of(store)
    settled = await asyncio.to_thread(settle, boot, newest.changes)
    return InForce(boot, store, reachable, settled, newest.version, clock)
