"""The models a platform offers, as its own endpoint lists them, and when they will end."""

from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeVar

from deployments.platforms.errors import bad_reply

# OpenAI lists about a hundred, Google's whole garden is some hundreds: more is no list.
MODELS_MAX = 1000
_MAX_ID = 200  # characters; a fine-tuned model's name has about eighty
# Other years are a mistake, or a figure that is no date at all.
_YEARS = range(2020, 2101)

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class ListedModel:
    """One model of a vendor's list; None is what the vendor does not say. Days are UTC.

    `retires_at` is the first day without it, `context_window` its input in tokens.
    """

    id: str
    retires_at: date | None = None
    deprecated_at: date | None = None
    context_window: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What was last heard of a platform's models; times are seconds since the epoch.

    `models` is None until the vendor has said, at `as_of`, what it offers; none at all where
    it publishes no list. `unknown_since` is when asking began to fail, `detail` how.
    """

    models: tuple[ListedModel, ...] | None = None
    as_of: float | None = None
    unknown_since: float | None = None
    detail: str = ""

    def find(self, model: str) -> ListedModel | None:
        """The row of `model`, by its exact name."""
        return next((row for row in self.models or () if row.id == model), None)


async def collect(
    platform: str, rows: AsyncIterable[_Row], read: Callable[[_Row], ListedModel | None]
) -> tuple[ListedModel, ...]:
    """The first `MODELS_MAX` rows that are models, page after page.

    Raises:
        PlatformError: There is none: who answers questions has a model.
    """
    found: list[ListedModel] = []
    async for row in rows:
        model = read(row)
        if model is not None:
            found.append(model)
        if len(found) == MODELS_MAX:
            break
    if not found:
        raise bad_reply(platform, "a list of models without a model")
    return tuple(found)


def listed(
    name: object, *, retires: object = None, deprecated: object = None, window: object = None
) -> ListedModel | None:
    """A row as a vendor wrote it, or None where it names no model; odd figures are left out."""
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_ID:
        return None
    tokens = window if type(window) is int and window > 0 else None
    return ListedModel(name, day_of(retires), day_of(deprecated), tokens)


def day_of(moment: object) -> date | None:
    """The UTC day of a vendor's date: ISO 8601 text, a time, or seconds since the epoch."""
    try:
        found = _time_of(moment)
        day = None if found is None else found.astimezone(UTC).date()
    except (ValueError, OverflowError, OSError):
        return None
    return day if day is not None and day.year in _YEARS else None


def _time_of(moment: object) -> datetime | None:
    match moment:
        case datetime():
            found = moment
        case str():
            found = datetime.fromisoformat(moment)
        case bool():
            return None
        case int() | float():
            return datetime.fromtimestamp(moment, UTC)
        case _:
            return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
