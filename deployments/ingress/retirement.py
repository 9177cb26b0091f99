"""When a configured model will be shut down: by its vendor's own list, or by the table we ship."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

from deployments.platforms.models import Offer, day_of
from routing.clock import Clock

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Configured:
    """A model that is written into the configuration.

    `retires_at` is the table's day (`YYYY-MM-DD`), `successor` what the table says to use
    instead; None where it knows nothing.
    """

    model: str
    retires_at: str | None = None
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class Retirement:
    """The end of a configured model; `days_left` is negative once the day has passed."""

    model: str
    retires_at: date
    days_left: int
    source: Literal["platform", "models.yaml"]
    warning: str


def retirement_of(
    configured: Configured, offer: Offer, today: date, within_days: int
) -> Retirement | None:
    """The end of the model if it is at most `within_days` away: the earlier of the two dates."""
    row = offer.find(configured.model)
    said = None if row is None else row.retires_at
    written = day_of(configured.retires_at)
    day = min((d for d in (said, written) if d is not None), default=None)
    if day is None or (day - today).days > within_days:
        return None
    days_left = (day - today).days
    return Retirement(
        model=configured.model,
        retires_at=day,
        days_left=days_left,
        source="platform" if day == said else "models.yaml",
        warning=f"{_ends(configured.model, day, days_left)}; {_instead(configured.successor)}",
    )


class Retirements:
    """The ends of the models that are configured, by platform; each said once a day in the log."""

    def __init__(
        self, configured: Mapping[str, Sequence[Configured]], within_days: int, clock: Clock
    ) -> None:
        self._configured = configured
        self._within_days = within_days
        self._clock = clock
        self._warned: dict[tuple[str, str], date] = {}

    def of(self, platform: str, offer: Offer) -> Retirement | None:
        """The next end of a model that `platform` is configured with, if it is near."""
        near = self._near(platform, offer)
        return min(near, key=lambda retirement: retirement.retires_at, default=None)

    def warn(self, platform: str, offer: Offer) -> None:
        """Say in the log what ends soon, unless that was done today."""
        today = self._today()
        for retirement in self._near(platform, offer):
            key = (platform, retirement.model)
            if self._warned.get(key) != today:
                self._warned[key] = today
                _log.warning("platforms.%s: %s", platform, retirement.warning)

    def _near(self, platform: str, offer: Offer) -> list[Retirement]:
        today = self._today()
        ends = (
            retirement_of(configured, offer, today, self._within_days)
            for configured in self._configured.get(platform, ())
        )
        return [end for end in ends if end is not None]

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.now(), UTC).date()


def _ends(model: str, day: date, days_left: int) -> str:
    match days_left:
        case 0:
            return f"{model} is shut down today"
        case 1:
            return f"{model} will be shut down tomorrow, on {day}"
        case _ if days_left > 1:
            return f"{model} will be shut down in {days_left} days, on {day}"
        case _:
            # Vendors are late at times: whether it still answers is what its breaker says.
            return f"{model} was to be shut down on {day}"


def _instead(successor: str | None) -> str:
    return "choose another model" if successor is None else f"use {successor} instead"
