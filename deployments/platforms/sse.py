"""Server-sent events out of byte chunks, as the WHATWG specification reads them.

Knows nothing of any vendor. `id` and `retry` are for browsers that reconnect; we do not.
"""

from typing import NamedTuple

# 8 MiB: OpenAI's last event repeats the whole answer, the instructions and every tool.
MAX_EVENT = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class SseError(ValueError):
    """The stream is not one of server-sent events we are willing to hold in memory."""


class SseEvent(NamedTuple):
    """One event: its name ("" if it has none) and its data, still bytes for the JSON parser."""

    event: str
    data: bytes


class SseReader:
    """Collects bytes until events are whole; how they were split on the way does not matter."""

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._rest = bytearray()
        self._after_cr = False
        self._at_start = True

    def feed(self, data: bytes) -> list[SseEvent]:
        """The events that `data` completes; an unfinished one at the stream's end is no event.

        Raises:
            SseError: One event is larger than this reader may hold.
        """
        data = self._with_plain_newlines(data)
        if self._rest:
            # Only the seam can hide a terminator that began earlier: a large event that
            # arrives in many pieces is searched once, not once per piece.
            seam = len(self._rest) - 1
            self._rest += data
            if self._rest.find(b"\n\n", seam) < 0:
                self._check(len(self._rest))
                return []
            data = bytes(self._rest)
            self._rest.clear()
        *blocks, rest = data.split(b"\n\n")
        self._check(len(rest))
        self._rest += rest
        if not blocks:
            return []
        if self._at_start:
            self._at_start = False
            blocks[0] = blocks[0].removeprefix(_BOM)
        events = []
        for block in blocks:
            self._check(len(block))
            event = _parse(block)
            if event is not None:
                events.append(event)
        return events

    def _with_plain_newlines(self, data: bytes) -> bytes:
        if self._after_cr and data:
            # This LF is the second half of a CRLF whose first half has ended a line already.
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _check(self, size: int) -> None:
        if size > self._max_event:
            message = f"an event of more than {self._max_event} bytes"
            raise SseError(message)


def _parse(block: bytes) -> SseEvent | None:
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        if line.startswith(b"data:"):
            data.append(_value(line, 5))
        elif line.startswith(b"event:"):
            name = _value(line, 6)
        elif line == b"data":
            data.append(b"")
        elif line == b"event":
            name = b""
    if not data:
        return None
    return SseEvent(name.decode(errors="replace"), data[0] if len(data) == 1 else b"\n".join(data))


def _value(line: bytes, start: int) -> bytes:
    """What stands behind the colon, without the one space the specification allows there."""
    return line[start + 1 :] if line[start : start + 1] == b" " else line[start:]
