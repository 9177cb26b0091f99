"""What is shown of platforms' settings, their versions and who works with them."""

from collections.abc import Iterator
from typing import cast

import orjson

from actors.database.platform_settings import SettingsVersion, Taken
from config.changes import Changes, changeable
from config.platforms import PlatformSettings
from config.settings import Settings
from routing.clock import rfc3339
from routing.message import Json, JsonObject


def differences(before: Settings, after: Settings, old: Changes, new: Changes) -> Iterator[Json]:
    """Every setting of either that is not the same before and after."""
    was, now = dict(before.platforms.present()), dict(after.platforms.present())
    for name in sorted({*old, *new}):
        old_values = shown_of(name, was[name]) if name in was else {}
        new_values = shown_of(name, now[name]) if name in now else {}
        for key in sorted({*old.get(name, {}), *new.get(name, {})}):
            one, other = old_values.get(key), new_values.get(key)
            if one != other:
                yield {"key": f"platforms.{name}.{key}", "before": one, "after": other}


def shown_of(name: str, given: PlatformSettings) -> dict[str, Json]:
    """The settings that may be changed, and so hold no secret, as JSON."""
    plain = given.model_dump(include=set(changeable(name)))
    return cast("dict[str, Json]", orjson.loads(orjson.dumps(plain, default=float)))


def waiting_row(taken: Taken) -> JsonObject:
    """A process that is not there yet."""
    return {
        "process": taken.process,
        "role": taken.role,
        "version": taken.version,
        "detail": taken.detail,
    }


def version_row(row: SettingsVersion) -> JsonObject:
    """A version in the history."""
    return {
        "version": row.version,
        "platform": row.platform,
        "restored": row.restored,
        "diff": list(row.diff),
        "by": row.author,
        "at": rfc3339(row.at),
        "request": row.request,
    }
