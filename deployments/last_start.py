"""With which configuration a data directory was started last: what its commands mean when they are told none."""

import json
from pathlib import Path

from routing.errors import ConfigError

_NAME = "configuration.json"


def note_start(home: Path, config: tuple[Path, ...] | None) -> None:
    """Remember the files that `home` is started with, None for the shipped ones."""
    paths = None if config is None else [str(path) for path in config]
    written = home / f"{_NAME}.new"
    written.write_text(json.dumps(paths), encoding="utf-8")
    # At once: a command that reads half of it would take the shipped ones.
    written.replace(home / _NAME)


def last_start(home: Path) -> tuple[Path, ...] | None:
    """The files that `home` was started with last; None for the shipped ones, or before any start.

    Raises:
        ConfigError: what was noted cannot be read.
    """
    path = home / _NAME
    if not path.exists():
        return None
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return None if said is None else tuple(Path(each) for each in said)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(str(path), None, "", "cannot be read; say --config") from error
