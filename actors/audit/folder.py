"""Where chains lie: a folder for each, its numbered files, and the lock of whoever writes it."""

import fcntl
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from actors.audit.errors import AuditUnavailable

# Processes of one kind on one machine that write at once, and chains too broken to be continued.
CHAINS_MAX = 64
# Of a file system a name has 255 bytes; a machine's 63, and a cluster's are long and end alike.
_PLAIN_MAX = 80
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*-[0-9a-f]{1,16}")
_FILE = re.compile(r"[0-9]{6}\.jsonl")


@dataclass(frozen=True, slots=True)
class Held:
    """A chain's folder that this process alone may write to, until `release`."""

    path: Path
    descriptor: int

    def release(self) -> None:
        """Let another process have it."""
        os.close(self.descriptor)


def plain(name: str) -> str:
    """`name` as a part of a folder's name."""
    found = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unnamed"
    if len(found) <= _PLAIN_MAX:
        return found
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{found[: _PLAIN_MAX - 13].rstrip('-')}-{digest}"


def chains_in(root: Path) -> list[Path]:
    """Every chain's folder below `root`, by name."""
    if not root.is_dir():
        return []
    return sorted(path for path in root.iterdir() if path.is_dir() and _NAME.fullmatch(path.name))


def chains_of(root: Path, name: str) -> list[Path]:
    """The folders of chains that `name` began."""
    began = plain(name)
    return [path for path in chains_in(root) if path.name.rpartition("-")[0] == began]


def files_in(folder: Path) -> list[Path]:
    """A chain's files, the first one first."""
    return sorted(path for path in folder.iterdir() if _FILE.fullmatch(path.name))


def file_name(number: int) -> str:
    """The name of a chain's file `number`, counted from 1."""
    return f"{number:06}.jsonl"


def hold(folder: Path) -> Held | None:
    """Take the lock of the folder, which is made if missing; None where another process has it.

    Raises:
        OSError: the folder above is not there, or nothing can be written to it.
    """
    folder.mkdir(exist_ok=True, mode=0o700)
    path = folder / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Of a file that was deleted meanwhile everybody can have a lock of their own.
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return Held(folder, descriptor)
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None


def is_held(folder: Path) -> bool:
    """Whether some process writes this chain now."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def taken(name: str) -> AuditUnavailable:
    """All that there may be are written by others, or broken."""
    return AuditUnavailable(f"all {CHAINS_MAX} chains of {name} are taken or broken")
