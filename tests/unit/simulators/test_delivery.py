"""The schedule: where an answer waits, where it breaks, and what the reader has seen by then."""

import orjson
import pytest

from deployments.simulators.delivery import Delivery, Pace, Write, schedule
from deployments.simulators.faults import Cut, Disconnect, Garbage, Slow, Stall
from deployments.simulators.frames import Frame, json_frames

STREAM = [
    Frame(b"begin;"),
    Frame(b'{"a":1};', is_chunk=True),
    Frame(b'{"b":2};', is_chunk=True),
    Frame(b"done;"),
    Frame(b"end;"),
]
PACE = Pace(first_byte_s=0.5, chunk_s=0.1)


def sent(delivery: Delivery) -> bytes:
    return b"".join(write.body for write in delivery.writes)


def test_only_chunks_are_waited_for_and_the_rest_leaves_with_them() -> None:
    """The pace of a stream is the pace of what its reader sees."""
    assert schedule(STREAM, PACE) == Delivery(
        0.5, (Write(0.0, b'begin;{"a":1};'), Write(0.1, b'{"b":2};done;end;'))
    )


def test_a_slow_answer_is_whole() -> None:
    """Slowness alone loses nothing."""
    delivery = schedule(STREAM, PACE, Slow(kind="slow", delay_ms=2_000, chunk_delay_ms=300))
    assert delivery.first_byte_s == 2.0
    assert [write.wait_s for write in delivery.writes] == [0.0, 0.3]
    assert delivery.ending == "whole"


@pytest.mark.parametrize(
    ("after_chunks", "seen"),
    [
        (0, b"begin;"),
        (1, b'begin;{"a":1};'),
        (2, b'begin;{"a":1};{"b":2};'),
        (99, b'begin;{"a":1};{"b":2};done;'),
    ],
)
def test_a_cut_stream_shows_that_many_chunks_and_never_its_end(
    after_chunks: int, seen: bytes
) -> None:
    """Whoever scripts a cut decides what the user had seen by then."""
    cut = schedule(STREAM, PACE, Cut(kind="cut", after_chunks=after_chunks))
    assert (sent(cut), cut.ending) == (seen, "cut")
    broken = schedule(STREAM, PACE, Disconnect(kind="disconnect", after_chunks=after_chunks))
    assert (sent(broken), broken.ending) == (seen, "broken")


def test_a_stall_is_one_long_wait_in_a_whole_answer() -> None:
    """A stalled answer goes on for the client who waits."""
    delivery = schedule(STREAM, PACE, Stall(kind="stall", after_chunks=1, stall_s=7))
    assert [write.wait_s for write in delivery.writes] == [0.0, 7.0]
    assert sent(delivery) == b"".join(frame.body for frame in STREAM)


def test_garbage_spoils_one_chunk_and_the_stream_goes_on() -> None:
    """A client meets one bad event among good ones."""
    delivery = schedule(STREAM, PACE, Garbage(kind="garbage", after_chunks=1))
    pieces = sent(delivery).split(b";")
    assert pieces[1] == b'{"a":1}'
    assert b"<garbage>" in pieces[2]
    assert delivery.ending == "whole"


@pytest.mark.parametrize("payload", [{"text": "x" * 40}, {"a": [1, 2, 3]}, {}, [""], "word", 7])
@pytest.mark.parametrize("after_chunks", [0, 1, 2])
def test_a_garbled_json_body_is_never_json(payload: object, after_chunks: int) -> None:
    """Garbage which happens to parse would test nothing."""
    delivery = schedule(
        json_frames(payload), PACE, Garbage(kind="garbage", after_chunks=after_chunks)
    )
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(sent(delivery))
