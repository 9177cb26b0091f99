"""A file of keys on this machine, for a laptop and for who mounts one from elsewhere."""

import asyncio
import base64
import binascii
import hashlib
import os
import re
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.sealing.errors import ProviderRefused, ProviderUnavailable
from actors.sealing.provider import KeyContext
from deployments.flags import write_secret
from routing.errors import ConfigError

_NONCE_BYTES = 12
_LINE = re.compile(rb"[0-9a-f]{64}")
# A key a year for a decade; more is a file of something else.
_LINES_MAX = 16


def make_data_keys(path: Path) -> None:
    """Write a file with a new key, mode 0600, unless there is a file already."""
    if not path.exists():
        write_secret(path, secrets.token_hex(32))


def read_data_keys(path: Path) -> dict[str, AESGCM]:
    """The keys by their names, the first line's first.

    Raises:
        ConfigError: the file cannot be read, or what it holds are no keys.
    """
    try:
        lines = path.read_bytes().split()
    except OSError as error:
        message = (
            f"cannot be read ({error.strerror}); every process needs the same file, and what was "
            "sealed with its keys cannot be read without it"
        )
        raise ConfigError(str(path), None, "", message) from None
    if not 0 < len(lines) <= _LINES_MAX or not all(map(_LINE.fullmatch, lines)):
        message = f"put 1 to {_LINES_MAX} lines into it, each 64 hexadecimal digits"
        raise ConfigError(str(path), None, "", message)
    keys = [bytes.fromhex(line.decode()) for line in lines]
    # A name says which line it was and nothing of the line.
    return {hashlib.sha256(b"supportmax data.keys\0" + k).hexdigest()[:16]: AESGCM(k) for k in keys}


class FileProvider:
    """The keys of one file, read anew each time, so that a line added or removed counts at once."""

    name = "file"

    def __init__(self, path: Path) -> None:
        self._path = path

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        """The key under the file's first line."""
        name, first = next(iter((await self._keys()).items()))
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + first.encrypt(nonce, key, context.data())
        return f"{name}:{base64.b64encode(sealed).decode()}"

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        """The key again, if the line it was wrapped under is still there."""
        name, _, text = wrapped.partition(":")
        key = (await self._keys()).get(name)
        if key is None:
            raise ProviderRefused(self.name, "the line this was wrapped under is not in the file")
        try:
            sealed = base64.b64decode(text, validate=True)
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.data())
        except (InvalidTag, ValueError, binascii.Error):
            raise ProviderRefused(self.name, "this was not wrapped for this purpose") from None

    async def aclose(self) -> None:
        """Nothing is held."""

    async def _keys(self) -> dict[str, AESGCM]:
        try:
            return await asyncio.to_thread(read_data_keys, self._path)
        except ConfigError as error:
            raise ProviderUnavailable(self.name, str(error)) from error
