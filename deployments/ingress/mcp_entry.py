"""Who may knock at the MCP gateway: the same keys, roles and regions as at every other route."""

import random
from typing import TYPE_CHECKING

from deployments.ingress.auth_entry import AuthEntry
from deployments.ingress.peers import PeerAddress, Peers
from deployments.ingress.regions import FIGURES, AtHome, Home, Homes

if TYPE_CHECKING:
    from starlette.requests import Request

    from actors.database.engine import Database
    from config.settings import Settings
    from deployments.boot import Boot
    from deployments.security.principal import Principal
    from deployments.security.trail import Trail
    from routing.clock import Clock
    from routing.region import RegionFigures


class McpEntry:
    """The entry of one replica; it asks the other regions only whether they are there."""

    def __init__(
        self,
        boot: "Boot",
        settings: "Settings",
        database: "Database",
        clock: "Clock",
        trail: "Trail",
    ) -> None:
        regions = settings.regions
        others = {} if regions is None else regions.peers
        addresses = {
            name: PeerAddress(peer.url, peer.api_key.get_secret_value())
            for name, peer in others.items()
        }
        chance = random.Random()  # noqa: S311  spreads requests; nothing secret hangs on it
        self._peers = Peers(addresses, _unheard, FIGURES, clock, chance)
        homes = Homes("", {}, self._peers)
        if regions is not None:
            tenants = {tenant: Home(at.home, at.failover) for tenant, at in regions.tenants.items()}
            homes = Homes(regions.name, tenants, self._peers)
        self._entry = AuthEntry(boot, settings, database, clock, trail)
        self._at_home = AtHome(self._entry.authentication, homes)
        self._peers.start()

    async def __call__(self, request: "Request") -> "Principal":
        """Who is calling; raises AccessError or MisdirectedRequest."""
        return await self._at_home(request)

    async def must_stand(self, principal: "Principal") -> None:
        """Return unless the directory put a caller out who shows a token of ours; else as `__call__`."""
        await self._entry.authentication.must_stand(principal)

    async def aclose(self) -> None:
        """Stop asking."""
        await self._entry.aclose()
        await self._peers.aclose()


async def _unheard(figures: "RegionFigures") -> None:
    """The ingress tells the coordinator what other regions see; once is enough."""
