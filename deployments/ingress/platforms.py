"""GET /v3/platforms/status, /healthz and /readyz: how things stand, from the last snapshot."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from starlette.responses import Response

from actors.database.engine import Database
from deployments.agent.road import Scoreboard
from deployments.ingress.offers import Offers
from deployments.ingress.platform_status import Listed, Listing, row_of, state_of
from deployments.ingress.retirement import Retirements
from deployments.ingress.routes import Call, reply
from routing.catalog import Catalogs
from routing.clock import Clock
from routing.errors import NoPlatformAvailable
from routing.message import JsonObject


class Platforms:
    """The routes that say how things stand."""

    def __init__(
        self,
        listing: Listing,
        catalogs: Catalogs,
        scoreboard: Scoreboard,
        database: Database,
        clock: Clock,
        offers: Offers,
        retirements: Retirements,
        degraded: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`degraded` says what of the rest does not work as it should."""
        self._listing = listing
        self._catalogs = catalogs
        self._scoreboard = scoreboard
        self._database = database
        self._clock = clock
        self._offers = offers
        self._retirements = retirements
        self._degraded = degraded

    async def status(self, call: Call) -> Response:
        """Every platform of the configuration now."""
        snapshot = self._scoreboard.snapshot
        rows = [self._row(listed) for listed in self._listing.rows]
        return reply(
            {
                "region": snapshot.region,
                "snapshot": snapshot.version,
                "settings_version": self._listing.version,
                "platforms": rows,
            }
        )

    async def healthz(self, call: Call) -> Response:
        """This process is up."""
        return reply({"status": "ok"})

    async def readyz(self, call: Call) -> Response:
        """A platform and the store can be used; 503 otherwise."""
        await self._database.read(
            lambda connection: connection.exec_driver_sql("SELECT 1").scalar()
        )
        now = self._clock.now()
        snapshot = self._scoreboard.snapshot
        states = (state_of(listed, snapshot, now) for listed in self._listing.rows)
        if not any(state in {"ready", "degraded"} for state in states):
            raise NoPlatformAvailable("No platform can be asked at present.")
        degraded = self._degraded()
        return reply({"status": "ok", **({"degraded": list(degraded)} if degraded else {})})

    def _row(self, listed: Listed) -> JsonObject:
        offer, now = self._offers.of(listed.name), self._clock.now()
        return row_of(
            replace(listed, profiles=self._catalogs.at(now).of(listed.name)),
            self._scoreboard.snapshot,
            offer,
            self._retirements.of(listed.name, offer),
            now,
        )
