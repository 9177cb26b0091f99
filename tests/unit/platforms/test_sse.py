"""The reader of server-sent events: the specification's rules, whatever the network does to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.platforms.sse import MAX_EVENT, SseError, SseEvent, SseReader

STREAM = (
    b"\xef\xbb\xbfevent: first\ndata: {}\n\n"
    b": a comment\r\nid: 7\r\nretry: 10\r\ndata: one\r\ndata:two\r\ndata\r\n\r\n"
    b"data: only cr\r\r"
    b"event: nobody's\n\n"
    b"data:  two spaces, one is data\nunknown: field\n\n\n\n"
    b'event: last\nevent: renamed\ndata: {"a": "\xc3\xa9"}\n\n'
    b"data: never finished"
)
EVENTS = [
    SseEvent("first", b"{}"),
    SseEvent("", b"one\ntwo\n"),
    SseEvent("", b"only cr"),
    SseEvent("", b" two spaces, one is data"),
    SseEvent("renamed", '{"a": "é"}'.encode()),
]


def read(*pieces: bytes, max_event: int = MAX_EVENT) -> list[SseEvent]:
    reader = SseReader(max_event)
    return [event for piece in pieces for event in reader.feed(piece)]


def test_a_stream_is_read_by_the_rules_of_the_specification() -> None:
    """Comments, unknown fields, three kinds of line end, several data lines, a byte order mark."""
    assert read(STREAM) == EVENTS


def test_a_stream_that_comes_byte_by_byte_is_the_same_stream() -> None:
    """The worst a network can do."""
    assert read(*(STREAM[i : i + 1] for i in range(len(STREAM)))) == EVENTS


@given(st.data())
def test_no_way_of_splitting_the_bytes_changes_the_events(data: st.DataObject) -> None:
    """Packets know nothing of events."""
    lines = st.sampled_from(
        [
            b"data: x",
            b"data:",
            b"data",
            b"event: e",
            b"event",
            b":",
            b"",
            b"",
            b"id: 1",
            b" data: no",
        ]
    )
    ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
    stream = b"".join(data.draw(st.lists(st.tuples(lines, ends).map(b"".join), max_size=30)))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=10)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*pieces) == read(stream)


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_an_event_too_large_to_hold_is_refused(size: int) -> None:
    """A vendor cannot fill our memory, in one piece or in many."""
    stream = b"data: " + b"x" * 200 + b"\n\n"
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    with pytest.raises(SseError, match="more than 100 bytes"):
        read(*pieces, max_event=100)


def test_many_small_events_are_no_large_one() -> None:
    """The limit is one of an event, not of a stream."""
    assert len(read(b"data: x\n\n" * 1_000, max_event=100)) == 1_000
