"""What is too old goes, and erasures are finished: in the background, by one process of a region at a time."""

import asyncio
import contextlib
import logging
import os
from collections import Counter
from collections.abc import Mapping

from actors.audit.errors import AuditUnavailable
from actors.database.duties import Duties
from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.database.retention import KINDS, Ages, Kind, Retention
from actors.subjects import MACHINE
from config.retention import RetentionSettings
from deployments.security.principal import Principal
from deployments.security.trail import Deed, Trail
from deployments.user_data.erasing import Erasing
from routing.clock import Clock

_log = logging.getLogger(__name__)

LOOK_S = 30.0
"""How often a process looks whether something is due: a query of one row."""
SWEEP_EVERY_S = 3_600.0
"""What is kept for days may stay an hour longer."""
ERASURES_EVERY_S = 60.0
LEASE_S = 60.0
"""A batch takes milliseconds, and the lease is renewed after each; who is silent for this long is gone."""
PAUSE_S = 0.1
"""Between batches: at 100 rows each a thousand a second, and nine tenths of the time for chats."""
SWEEP_ROWS_MAX = 500_000
"""Of one sweep; what is left waits for the next, so that an erasure never waits behind a huge one."""
ERASURES_AT_ONCE = 20
RETENTION, ERASURES = "retention", "erasures"
SWEPT = "retention.swept"
_AWAY = (DatabaseBusy, DatabaseUnavailable, AuditUnavailable)


def ages_of(settings: RetentionSettings, kind: Kind) -> Ages:
    """The days of a kind as they are configured."""
    own = {tenant: settings.days(kind.name, tenant) for tenant in settings.tenants}
    most = settings.days(kind.name)
    return Ages(most, {tenant: days for tenant, days in own.items() if days < most})


async def too_old(
    retention: Retention, settings: RetentionSettings, now: float
) -> dict[str, Counter[str]]:
    """How many rows would go now, by tenant and kind."""
    found = dict[str, Counter[str]]()
    for kind in KINDS:
        rows = await retention.too_old(kind, ages_of(settings, kind), now)
        for tenant, count in rows.items():
            found.setdefault(tenant, Counter())[kind.name] += count
    return found


class Sweeping:
    """The background work of one process; most of the time it is somebody else's."""

    def __init__(
        self,
        retention: Retention,
        settings: RetentionSettings,
        erasing: Erasing,
        duties: Duties,
        trail: Trail,
        clock: Clock,
    ) -> None:
        self._retention = retention
        self._settings = settings
        self._erasing = erasing
        self._duties = duties
        self._trail = trail
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, on the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Stop; what was begun is gone on with by whoever is next."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def once(self) -> None:
        """Do what is due and nobody else's; what goes wrong is logged, and for the next time."""
        for work in (self._erasures, self._sweep):
            try:
                await work()
            except _AWAY as error:
                _log.warning("regular work waits: %s", error)
            except Exception:  # noqa: BLE001  the next time may go well
                _log.exception("regular work failed")

    async def _run(self) -> None:
        while True:
            # Time is what is waited for; nothing announces that a row is a day older.
            await asyncio.sleep(LOOK_S)
            await self.once()

    async def _erasures(self) -> None:
        if not await self._duties.take(ERASURES, self._clock.now(), LEASE_S):
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEASE_S):
                await self._erasing.go_on(_machine(""), ERASURES_AT_ONCE)
        await self._duties.done(ERASURES, self._clock.now() + ERASURES_EVERY_S)

    async def _sweep(self) -> None:
        now = self._clock.now()
        if not await self._duties.take(RETENTION, now, LEASE_S):
            return
        expected = await too_old(self._retention, self._settings, now)
        for tenant in expected:
            # On record before anything goes, for whoever audits that tenant.
            await self._trail.commit(_machine(tenant), Deed(SWEPT, "begun"))
        gone = await self._removed(now) if expected else {}
        for tenant, counts in gone.items():
            said = " ".join(f"{kind}:{count}" for kind, count in sorted(counts.items()))
            _log.info("retention: of %s went %s", tenant, said)
            await self._trail.commit(_machine(tenant), Deed(SWEPT, "done", reason=said))
        await self._duties.done(RETENTION, self._clock.now() + SWEEP_EVERY_S)

    async def _removed(self, now: float) -> Mapping[str, Counter[str]]:
        """What went, by tenant and kind; it ends early where another process has taken over."""
        gone, left = dict[str, Counter[str]](), SWEEP_ROWS_MAX
        for kind in KINDS:
            ages = ages_of(self._settings, kind)
            while left > 0:
                rows = await self._retention.remove(kind, ages, now)
                for tenant, count in rows.items():
                    gone.setdefault(tenant, Counter())[kind.name] += count
                left -= rows.total()
                if not await self._duties.renew(RETENTION, self._clock.now(), LEASE_S):
                    return gone
                if rows.total() < self._retention.batch:
                    break
                await asyncio.sleep(PAUSE_S)
        return gone


def _machine(tenant: str) -> Principal:
    """Nobody asked for it: it is this machine's own work."""
    return Principal(tenant, f"{MACHINE}{os.getuid()}")
