"""The files of a source: one, or all of a folder that can be read. Links are not followed."""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from actors.knowledge.draft import SourceFile
from actors.knowledge.readers import SUFFIXES
from routing.errors import ConfigError

# Each is opened and hashed in some 0.1 ms: 10 s a run. A larger folder is several sources.
FILES_MAX = 100_000


@dataclass(frozen=True, slots=True)
class Found:
    """What is there to be read, and how many files are of no kind that can be."""

    files: tuple[SourceFile, ...]
    skipped: int = 0


def find(path: Path) -> Found:
    """The file, or the files in the folder and all folders below it, hidden ones left out.

    Raises:
        ConfigError: there is no such path, it is a file of no kind that can be read, or the
            folder holds too many.
    """
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            kinds = ", ".join(SUFFIXES)
            raise ConfigError(str(path), None, "", f"cannot be read; what can be is {kinds}")
        return Found((_file(path, path.name),))
    if not path.is_dir():
        raise ConfigError(str(path), None, "", "is not there")
    files: list[SourceFile] = []
    skipped = 0
    for folder, folders, names in os.walk(path, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            inside = Path(folder, name)
            # A link may lead out of the folder, to what nobody meant to hand in.
            if name.startswith(".") or inside.is_symlink() or not inside.is_file():
                continue
            if inside.suffix.lower() not in SUFFIXES:
                skipped += 1
                continue
            files.append(_file(inside, inside.relative_to(path).as_posix()))
        if len(files) > FILES_MAX:
            message = f"holds more than {FILES_MAX} files; ingest its folders one by one"
            raise ConfigError(str(path), None, "", message)
    return Found(tuple(files), skipped)


def _file(path: Path, name: str) -> SourceFile:
    return SourceFile(str(path), name, path.suffix.lower(), partial(_open, path))


def _open(path: Path) -> BinaryIO:
    return path.open("rb")


def _unreadable(error: OSError) -> None:
    # A folder that is passed over would look like one whose documents are gone.
    raise ConfigError(str(error.filename), None, "", f"cannot be read: {error.strerror}")
