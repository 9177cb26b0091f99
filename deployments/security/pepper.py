"""The file that the hashes of API keys need: the same in every replica, and not in the database."""

import secrets
from pathlib import Path

from actors.database.key_hash import KeyHash
from deployments.flags import write_secret
from routing.errors import ConfigError

# 256 bits, as long as what it is for.
_BYTES = 32
# Two while one is replaced by the next; more is a file of something else.
_LINES_MAX = 8


def make_pepper(path: Path) -> None:
    """Write a file with a new pepper, mode 0600, unless there is a file already."""
    if not path.exists():
        write_secret(path, secrets.token_hex(_BYTES))


def read_pepper(path: Path) -> KeyHash:
    """How keys are hashed: the file's first line hashes new ones, every line opens old ones.

    Raises:
        ConfigError: as `read_peppers`.
    """
    return KeyHash(read_peppers(path))


def read_peppers(path: Path) -> list[bytes]:
    """The file's lines, the one in force first.

    Raises:
        ConfigError: the file cannot be read, or what it holds are no peppers.
    """
    try:
        lines = path.read_bytes().split()
    except OSError as error:
        message = f"cannot be read ({error.strerror}); every replica needs the same file"
        raise ConfigError(str(path), None, "", message) from None
    if not 0 < len(lines) <= _LINES_MAX or any(len(line) < _BYTES for line in lines):
        message = f"put 1 to {_LINES_MAX} lines of {_BYTES} or more characters into it"
        raise ConfigError(str(path), None, "", message)
    return lines
