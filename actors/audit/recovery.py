"""Where a chain can be continued, after whatever ended the process that wrote it.

A commit is one write that ends with a seal. What lies behind the last seal was never
acknowledged to anybody; it is put aside as it is, and the gap is stated. A chain that does not
hold together before its last seal is no crash: it is left alone, for `verify` to name.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from actors.audit.folder import files_in
from actors.audit.keys import PublicKeys
from actors.audit.record import link, take_apart
from actors.audit.seal import is_good

if TYPE_CHECKING:
    from routing.message import JsonObject


class ChainBroken(ValueError):
    """The chain cannot be continued; it is evidence now."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a chain right behind a seal: file and byte in it, entries so far, and the head."""

    chain: str
    file: int
    offset: int
    number: int
    head: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """Where to go on, None at the beginning; what was cut off, and whether the end was said."""

    position: Position | None
    torn_bytes: int = 0
    was_closed: bool = True


def recover(folder: Path, keys: PublicKeys) -> Recovered:
    """Find the end of the chain, and put aside what a crash left behind it.

    Only for whoever holds the folder's lock.

    Raises:
        ChainBroken: the chain does not hold together.
        OSError: it cannot be read, or the tail not be put aside.
    """
    files = files_in(folder)
    if not files:
        return Recovered(None)
    path = files[-1]
    data = path.read_bytes()
    found = _last_seal(folder.name, int(path.stem), data, keys)
    if found is None:
        raise ChainBroken(f"{path}: no seal in it can be trusted")
    position, was_closed = found
    torn = data[position.offset :]
    # Of a write that was cut off the seal is what is missing, or what was cut.
    if any(b'"k":"seal"' in line for line in torn.split(b"\n")[:-1]):
        raise ChainBroken(f"{path}: does not hold together after entry {position.number}")
    if torn:
        _put_aside(path.with_suffix(f".torn-{position.number}"), torn)
        os.truncate(path, position.offset)
    return Recovered(position, len(torn), was_closed and not torn)


def _last_seal(
    chain: str, file: int, data: bytes, keys: PublicKeys
) -> tuple[Position, bool] | None:
    """The last place the chain holds together to, and whether the entry before said it ends there."""
    head, number, start = b"", 0, 0
    found: tuple[Position, bool] | None = None
    is_closing = False
    while (end := data.find(b"\n", start) + 1) > 0:
        try:
            line = take_apart(data[start:end])
            body: JsonObject = orjson.loads(line.body)
            if start == 0:
                head, number = bytes.fromhex(str(body["previous"])), int(str(body["n"])) - 1
            after = link(head, line.body)
            if after.hex() != line.head or body["n"] != number + 1:
                break
        except (ValueError, KeyError, AttributeError, TypeError):
            break
        number += 1
        if body["k"] == "seal":
            if not is_good(body, chain, head, keys):
                break
            found = Position(chain, file, end, number, line.head), is_closing
        is_closing = body.get("action") == "audit.closed"
        head, start = after, end
    return found


def _put_aside(path: Path, torn: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(torn)
        file.flush()
        os.fsync(file.fileno())
