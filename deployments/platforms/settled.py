"""The configuration with what was changed of it while it ran: what a process works with."""

import logging
import os
from dataclasses import dataclass

from config.changes import Changes, changeable
from config.loader import load_settings
from config.problems import ConfigErrors
from config.resolve import ResolvedPlatform, resolve_platforms
from config.settings import Settings
from deployments.boot import Boot
from routing.errors import ConfigError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settled:
    """What holds. `left_out` says of platforms that are off because their changes fit the files no more."""

    settings: Settings
    resolved: tuple[ResolvedPlatform, ...]
    left_out: tuple[str, ...] = ()


def settle(boot: Boot, changes: Changes) -> Settled:
    """The files with `changes` over them. It reads files: not for an event loop.

    Where somebody has edited the files so that a platform's changes cannot be meant any more, that
    platform is off until somebody says what is meant: what was changed may have been what made it
    safe to use. The others go on.

    Raises:
        ConfigError: the files themselves cannot be meant.
    """
    try:
        return _settled(boot, changes)
    except ConfigErrors as errors:
        ailing = {_platform(error) for error in errors.errors} & set(changes)
        said = tuple(str(error) for error in errors.errors)
    except ConfigError as error:
        ailing, said = {_platform(error)} & set(changes), (str(error),)
    safe: dict[str, dict[str, object]] = {}
    files = _settled(boot, {}).settings
    there = {name for name, _ in files.platforms.present()}
    for name, keys in changes.items():
        if name in there:
            safe[name] = {"enabled": False} if name in ailing else dict(keys)
    for line in said:
        _log.error("a change of the platforms does not fit the files any more: %s", line)
    settled = _settled(boot, safe)  # type: ignore[arg-type]  # values as they were read
    return Settled(settled.settings, settled.resolved, said)


def _settled(boot: Boot, changes: Changes) -> Settled:
    settings = load_settings(boot.config, os.environ, boot.profile, changes).settings
    return Settled(settings, resolve_platforms(settings, boot.profile))


def _platform(error: ConfigError) -> str:
    """The platform whose key the error names, empty for another's."""
    parts = error.key.replace("[", ".").split(".")
    is_one = len(parts) > 1 and parts[0] == "platforms" and bool(changeable(parts[1]))
    return parts[1] if is_one else ""
