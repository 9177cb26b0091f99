"""The end of a configured model: which date counts, what is said, and how often."""

import logging
from datetime import UTC, date, datetime

import pytest

from config.models import shipped_models
from deployments.ingress.retirement import Configured, Retirements, retirement_of
from deployments.platforms.models import ListedModel, Offer
from routing.clock import ManualClock

TODAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
DAY_S = 86_400.0
TABLE = Configured("gpt-5", "2026-12-11", "gpt-6.1-sol")
NOTHING = Offer()


def offer(day: date | None, model: str = "gpt-5") -> Offer:
    return Offer((ListedModel("another", date(2026, 11, 23)), ListedModel(model, day)), NOON)


def test_a_model_that_ends_soon_says_when_and_what_to_use_instead() -> None:
    found = retirement_of(TABLE, NOTHING, TODAY, 90)
    assert found is not None
    assert (found.days_left, found.source) == (19, "models.yaml")
    assert found.warning == (
        "gpt-5 will be shut down in 19 days, on 2026-12-11; use gpt-6.1-sol instead"
    )


@pytest.mark.parametrize(
    ("written", "said", "counts", "source"),
    [
        ("2026-12-11", date(2026, 12, 1), date(2026, 12, 1), "platform"),
        ("2026-12-11", date(2026, 12, 24), date(2026, 12, 11), "models.yaml"),
        ("2026-12-11", date(2026, 12, 11), date(2026, 12, 11), "platform"),
        ("2026-12-11", None, date(2026, 12, 11), "models.yaml"),
        (None, date(2026, 12, 1), date(2026, 12, 1), "platform"),
    ],
)
def test_the_earlier_of_the_two_dates_counts_and_its_source_is_told(
    written: str | None, said: date | None, counts: date, source: str
) -> None:
    """A vendor that knows no date does not take back what the table says."""
    found = retirement_of(Configured("gpt-5", written, None), offer(said), TODAY, 90)
    assert found is not None
    assert (found.retires_at, found.source) == (counts, source)


@pytest.mark.parametrize(
    ("days", "is_told"), [(89, True), (90, True), (91, False), (0, True), (-400, True)]
)
def test_only_an_end_within_the_configured_days_is_told(days: int, *, is_told: bool) -> None:
    """And one that has passed for ever: somebody still has it in a configuration."""
    day = date.fromordinal(TODAY.toordinal() + days)
    found = retirement_of(Configured("gpt-5"), offer(day), TODAY, 90)
    assert (found is not None) is is_told
    if found is not None:
        assert found.days_left == days


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2026, 11, 21), "was to be shut down on 2026-11-21"),
        (date(2026, 11, 22), "is shut down today"),
        (date(2026, 11, 23), "will be shut down tomorrow, on 2026-11-23"),
    ],
)
def test_near_days_are_said_in_words_and_an_unknown_successor_is_not_invented(
    day: date, words: str
) -> None:
    found = retirement_of(Configured("gpt-5"), offer(day), TODAY, 90)
    assert found is not None
    assert found.warning == f"gpt-5 {words}; choose another model"


def test_another_models_end_is_nobodys_business() -> None:
    """Neither a row that begins with the same letters nor one that is not configured."""
    assert retirement_of(Configured("gpt-5"), offer(TODAY, "gpt-5-mini"), TODAY, 90) is None


def test_every_model_of_the_shipped_table_that_ends_has_a_successor_to_name() -> None:
    table = shipped_models()
    assert all(table.successor(model) for model in table.retiring)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_the_log_says_it_once_a_day_however_often_it_is_looked_at(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Every ten minutes the offers come in; a day has one warning, and counts down."""
    clock = ManualClock(NOON)
    retirements = Retirements({"openai": [TABLE]}, 90, clock)
    for _ in range(3 * 24 * 6):
        retirements.warn("openai", NOTHING)
        clock.advance(600)
    said = warnings_in(caplog)
    assert len(said) == 4  # noon to noon, three times: four days by the calendar
    assert "in 19 days" in said[0]
    assert "in 16 days" in said[3]


def test_a_day_begins_at_midnight_utc(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock(NOON + DAY_S / 2 - 1)
    retirements = Retirements({"openai": [TABLE]}, 90, clock)
    retirements.warn("openai", NOTHING)
    clock.advance(2)
    retirements.warn("openai", NOTHING)
    first, second = warnings_in(caplog)
    assert ("in 19 days" in first, "in 18 days" in second) == (True, True)


def test_each_model_is_warned_about_by_itself_and_the_next_end_is_shown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Two models of one platform, and the same model on another."""
    mini = Configured("gpt-5-mini", "2026-12-01", "gpt-6.1-terra")
    configured = {"openai": [TABLE, mini], "azure_openai": [TABLE], "anthropic": []}
    retirements = Retirements(configured, 90, ManualClock(NOON))
    for _ in range(3):
        for platform in (*configured, "copilot_studio"):
            retirements.warn(platform, NOTHING)
    assert len(warnings_in(caplog)) == 3
    shown = retirements.of("openai", NOTHING)
    assert shown is not None
    assert shown.model == "gpt-5-mini"
    assert retirements.of("anthropic", NOTHING) is None


def test_looking_at_the_status_says_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    retirements = Retirements({"openai": [TABLE]}, 90, ManualClock(NOON))
    assert retirements.of("openai", NOTHING) is not None
    assert warnings_in(caplog) == []
