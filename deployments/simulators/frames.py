"""Frames: an answer in the pieces in which its wire carries it, and the events they encode."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event, some vendors' without a name; `is_chunk` marks what faults count."""

    name: str
    payload: Mapping[str, object]
    is_chunk: bool = False


@dataclass(frozen=True, slots=True)
class Frame:
    """The bytes of one event, or of half a JSON body."""

    body: bytes
    is_chunk: bool = False


def encode_event(event: Event) -> Frame:
    """Return the event as `text/event-stream` writes it."""
    name = b"event: %s\n" % event.name.encode() if event.name else b""
    return Frame(b"%sdata: %s\n\n" % (name, orjson.dumps(event.payload)), event.is_chunk)


def json_frames(payload: object) -> list[Frame]:
    """Return a JSON body in two halves, so that it can break in the middle."""
    body = orjson.dumps(payload)
    middle = len(body) // 2
    return [Frame(body[:middle], is_chunk=True), Frame(body[middle:], is_chunk=True)]


def place_after(chunks: int, pieces: Sequence[Event | Frame]) -> int:
    """Return the index behind that many chunks, and always before the last piece.

    So whatever stops there withholds the terminal event, however short the answer is.
    """
    last = len(pieces) - 1
    seen = 0
    for index, piece in enumerate(pieces):
        if piece.is_chunk:
            if seen == chunks:
                return min(index, last)
            seen += 1
            if seen == chunks:
                return min(index + 1, last)
    return last
