"""The status shows the prices of the moment, in a process that was started before they changed."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, cast

import orjson

from deployments.ingress.offers import Offers
from deployments.ingress.platform_status import Listed, Listing
from deployments.ingress.platforms import Platforms
from deployments.ingress.retirement import Retirements
from routing.catalog import Catalog
from routing.clock import ManualClock
from routing.money import Price
from routing.price_calendar import PriceCalendar
from routing.scorecard import Snapshot
from tests.unit.routing.worlds import platform

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z
MIDNIGHT = NOON + 43_200
OLD, NEW = Price(Decimal(1), Decimal(2)), Price(Decimal(3), Decimal(6))
PROFILE = platform("openai", price=OLD)


class Board:
    snapshot = Snapshot.empty("us")


async def test_from_midnight_on_the_status_shows_the_new_price() -> None:
    """Of the platform and of its model; a minute before it says what is to come as well."""
    clock = ManualClock(NOON)
    after = Catalog([replace(PROFILE, price=NEW)])
    catalogs = PriceCalendar(Catalog([PROFILE]), [(MIDNIGHT, after)], 60.0)
    rows = (
        Listed("openai", "", (PROFILE,)),
        Listed("azure_openai", "AZURE_OPENAI_KEY not set", ()),
    )
    listed = Listing(rows)
    offers, database = Offers({}, lambda *_: None, clock), cast("Any", None)
    retirements = Retirements({}, 90, clock)
    routes = Platforms(listed, catalogs, Board(), database, clock, offers, retirements)

    async def shown() -> list[tuple[float, list[str]]]:
        response = await routes.status(cast("Any", None))
        row, disabled = orjson.loads(bytes(response.body))["platforms"]
        assert (disabled["state"], disabled["prices"]) == ("disabled", None)
        prices = [row["prices"], row["targets"][0]["prices"]]
        return [(p["input"], [tier["service_tier"] for tier in p["tiers"]]) for p in prices]

    assert await shown() == 2 * [(1.0, [])]
    clock.advance(43_199)
    assert await shown() == 2 * [(1.0, ["standard from 2026-11-23"])]
    clock.advance(1)
    assert await shown() == 2 * [(3.0, [])]
