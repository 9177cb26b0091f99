"""The catalogue of a configuration, through every change of price that the shipped list knows of."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from functools import partial

from config.resolve import ResolvedPlatform, to_profiles
from deployments.platforms.prices import days_of_change, price_of
from routing.catalog import Catalog
from routing.price_calendar import PriceCalendar


def price_calendar(
    resolved: Sequence[ResolvedPlatform], today: date, horizon_s: float
) -> PriceCalendar:
    """The models of `resolved` from `today` (UTC) on; no request may take longer than `horizon_s`.

    Half a millisecond for each model on each day of change, of which a year has a handful.
    """
    first = catalog_on(resolved, today)
    days = {day for p in first.profiles for day in days_of_change(p.name, p.model, today)}
    changes = [
        (datetime.combine(day, time(), UTC).timestamp(), catalog_on(resolved, day))
        for day in sorted(days)
    ]
    return PriceCalendar(first, changes, horizon_s)


def catalog_on(resolved: Sequence[ResolvedPlatform], day: date) -> Catalog:
    """The models of `resolved` at the prices of one day."""
    return Catalog(
        profile
        for each in resolved
        for profile in to_profiles(each, partial(price_of, each.name, on=day))
    )
