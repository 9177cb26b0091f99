"""Vendors' rows of models: dates in every way they are written, and what is none."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime

import pytest

from deployments.platforms.models import MODELS_MAX, ListedModel, Offer, collect, day_of, listed
from routing.errors import ErrorKind, PlatformError


@pytest.mark.parametrize(
    "moment",
    [
        "2026-12-11",
        "2026-12-11T00:00:00Z",
        "2026-12-10T23:00:00-02:00",
        datetime(2026, 12, 11, 5, tzinfo=UTC),
        int(datetime(2026, 12, 11, tzinfo=UTC).timestamp()),
        datetime(2026, 12, 11, tzinfo=UTC).timestamp() + 0.5,
    ],
)
def test_a_day_is_read_however_it_is_written(moment: object) -> None:
    """As the day in UTC, wherever the vendor sits."""
    assert day_of(moment) == date(2026, 12, 11)


@pytest.mark.parametrize(
    "moment",
    [None, "", "soon", 0, -1, True, 1e300, float("nan"), float("inf"), "0001-01-01", [], {}, 17],
)
def test_what_is_no_day_is_unknown(moment: object) -> None:
    """The beginning of the epoch is what vendors write when they know no date."""
    assert day_of(moment) is None


@pytest.mark.parametrize("name", [None, "", 7, "x" * 201, ["gpt"]])
def test_a_row_without_a_name_is_no_model(name: object) -> None:
    assert listed(name) is None


@pytest.mark.parametrize("window", [None, 0, -5, "big", True, 1.5])
def test_an_odd_window_costs_only_itself(window: object) -> None:
    assert listed("gpt-7", retires="2027-01-01", window=window) == ListedModel(
        "gpt-7", date(2027, 1, 1)
    )


async def counted(rows: int) -> AsyncIterator[int]:
    for row in range(rows):
        yield row


def named(row: int) -> ListedModel | None:
    return ListedModel(f"model-{row}") if row % 2 else None


async def test_a_list_is_read_until_it_is_long_enough() -> None:
    """A vendor whose pages never end is left at the first thousand."""
    assert len(await collect("openai", counted(10), named)) == 5
    assert len(await collect("openai", counted(1_000_000), named)) == MODELS_MAX


async def test_a_list_without_a_model_is_a_bad_reply() -> None:
    with pytest.raises(PlatformError) as caught:
        await collect("openai", counted(1), named)
    assert caught.value.kind is ErrorKind.BAD_REPLY


def test_a_model_is_found_by_its_whole_name() -> None:
    offer = Offer((ListedModel("gpt-5-mini"), ListedModel("gpt-5")))
    assert offer.find("gpt-5") == ListedModel("gpt-5")
    assert offer.find("gpt") is None
    assert Offer().find("gpt-5") is None
