"""The configured models follow the shipped price list through the year, without a restart."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TimeOfDateConstraint

from config.loader import load_settings
from config.resolve import resolve_platforms
from deployments.platforms.price_calendar import catalog_on, price_calendar
from deployments.platforms.prices import days_of_change, price_of
from routing.catalog import Catalog
from routing.money import Price
from tests.property.test_prices import PROVIDERS, _models

TODAY = date(2026, 11, 22)
MONTHS = [TODAY + timedelta(days) for days in range(0, 400, 30)]


def plain(price: Price | None) -> object:
    return None if price is None else price.to_json()


def prices_of(catalog: Catalog) -> dict[str, object]:
    return {profile.target: plain(profile.price) for profile in catalog.profiles}


def midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("platform", PROVIDERS)
def test_no_price_changes_on_a_day_that_was_not_foretold(platform: str) -> None:
    """Of no known model: on the days of any change, the day before each, and through the year."""
    changes = {model: days_of_change(platform, model, TODAY) for model in _models()}
    edges = {
        day - timedelta(n) for foretold in changes.values() for day in foretold for n in (0, 1)
    }
    for model, foretold in changes.items():
        for day in sorted({*MONTHS, *edges}):
            since = max((change for change in foretold if change <= day), default=TODAY)
            expected = plain(price_of(platform, model, since))
            assert plain(price_of(platform, model, day)) == expected, (model, day)


@pytest.mark.parametrize("provider", PROVIDERS.values())
def test_no_price_of_ours_changes_with_the_time_of_day(provider: str) -> None:
    """The list can say so, and does of others: a day's price would then be no bound."""
    (listed,) = (found for found in get_snapshot().providers if found.id == provider)
    for model in listed.models:
        conditions = [row.constraint for row in model.price_variants or ()]
        if not isinstance(model.prices, ModelPrice):
            conditions += [row.constraint for row in model.prices]
        assert not any(isinstance(each, TimeOfDateConstraint) for each in conditions), model.id


def test_there_is_a_change_to_be_tested() -> None:
    """A list without one would make the tests here easy."""
    first = date(2026, 12, 1)
    assert first in days_of_change("google_vertex", "gemini-4-argon", TODAY)
    assert first not in days_of_change("google_vertex", "gemini-4-argon", first)
    assert days_of_change("copilot_studio", "copilot-studio", TODAY) == frozenset()
    assert days_of_change("openai", "gpt-7-nova", TODAY) == frozenset()


def test_a_configuration_s_models_have_the_price_of_every_day(tmp_path: Path) -> None:
    """Asked once, months ahead: what it then says of a day is what a start on that day says."""
    file = tmp_path / "c.yaml"
    file.write_text(
        """
platforms:
  google_vertex: {model: gemini-4-argon, models: [gemini-3.8-flash]}
  openai: {model: gpt-6.1-terra, price_override: {input: 1, output: 2}}
  copilot_studio: {}
"""
    )
    resolved = resolve_platforms(load_settings([file], {}, "development").settings, "development")
    calendar = price_calendar(resolved, TODAY, 120.0)
    for day in (TODAY, *MONTHS, date(2026, 12, 1), date(2027, 1, 1)):
        now, fresh = midnight(day), catalog_on(resolved, day)
        assert prices_of(calendar.at(now)) == prices_of(fresh), day
        assert prices_of(calendar.at(now + 12 * 3_600)) == prices_of(fresh), day
    argon = "google_vertex/gemini-4-argon"
    before, after = (prices_of(calendar.at(midnight(date(2026, 12, 1)) + s)) for s in (-3_600, 0))
    assert before[argon] != after[argon]
    assert {**before, argon: None} == {**after, argon: None}
