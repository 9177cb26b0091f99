"""This region among others: its figures and leases, where its peers are, and who is at home here."""

import random
from typing import TYPE_CHECKING

from deployments.ingress import settings_for
from deployments.ingress.breakers import Breakers
from deployments.ingress.lease_courier import LeaseCourier
from deployments.ingress.peers import Peers
from deployments.ingress.region_operations import lease_operations, region_operations
from deployments.ingress.regions import FIGURES, AtHome, Regions

if TYPE_CHECKING:
    from config.settings import Settings
    from deployments.ingress.road_desk import RoadDesk
    from deployments.ingress.routes import Authenticate, Operation
    from routing.catalog import Catalogs
    from routing.clock import Clock


class RegionDesk:
    """What a replica has to do with other regions."""

    def __init__(
        self, settings: "Settings", desk: "RoadDesk", catalogs: "Catalogs", clock: "Clock"
    ) -> None:
        regions, coordinator = settings.regions, desk.coordinator
        addresses = settings_for.addresses(regions)
        chance = random.Random()  # noqa: S311  spreads requests; nothing secret hangs on it
        self._peers = Peers(addresses, coordinator.hear_region, FIGURES, clock, chance)
        self._courier = LeaseCourier(addresses, coordinator, desk.abroad, desk.homes, clock, chance)
        self._homes = settings_for.homes(regions, self._peers)
        self._breakers = Breakers(coordinator, catalogs, settings_for.operators(settings), clock)
        self._regions = Regions(coordinator)
        self._lending = settings_for.lending(regions, coordinator, desk.definitions, desk.homes)

    def operations(self) -> "list[Operation]":
        """The rows of the table."""
        return [
            *region_operations(self._breakers, self._regions),
            *lease_operations(self._lending),
        ]

    def at_home(self, authenticate: "Authenticate") -> AtHome:
        """`authenticate`, for those who are at home here or may come while their home is down."""
        return AtHome(authenticate, self._homes)

    def start(self) -> None:
        """Begin to talk with the peers."""
        self._peers.start()
        self._courier.start()

    async def aclose(self) -> None:
        """Stop."""
        await self._peers.aclose()
        await self._courier.aclose()
