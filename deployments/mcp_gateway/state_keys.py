"""The keys under which requests travel to their clients and back: the same in every replica."""

import secrets
from pathlib import Path

from deployments.flags import write_secret
from routing.errors import ConfigError

# What the protocol's library asks of a key.
KEY_MIN = 32
# Two while one is replaced by the next; more is a file of something else.
KEYS_MAX = 8


def make_keys(path: Path) -> None:
    """Write a file with one new key, mode 0600, unless there is a file already."""
    if not path.exists():
        write_secret(path, secrets.token_hex(KEY_MIN))


def read_keys(path: Path) -> list[bytes]:
    """The keys in the file, one a line; the first seals, all open.

    Raises:
        ConfigError: the file cannot be read, or what it holds are no keys.
    """
    try:
        lines = path.read_bytes().split()
    except OSError as error:
        message = f"cannot be read ({error.strerror}); every replica needs the same file of keys"
        raise ConfigError(
            str(path), None, "mcp.security.request_state_keys_file", message
        ) from None
    if not 0 < len(lines) <= KEYS_MAX or any(len(line) < KEY_MIN for line in lines):
        message = f"put 1 to {KEYS_MAX} keys of {KEY_MIN} or more characters into it, one a line"
        raise ConfigError(str(path), None, "mcp.security.request_state_keys_file", message)
    return lines
