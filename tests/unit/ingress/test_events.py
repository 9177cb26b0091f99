"""Server-sent events: frames a browser understands, and a sign of life in the pauses."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message

from deployments.ingress import events
from tests.unit.virtual_time import VirtualTimeLoop


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


class Frames:
    """A source of frames with these pauses before each; notes whether it was closed."""

    def __init__(self, *pauses_s: float) -> None:
        self._pauses_s = pauses_s
        self.closed = False

    async def __call__(self) -> AsyncGenerator[bytes, None]:
        try:
            for number, pause_s in enumerate(self._pauses_s):
                await asyncio.sleep(pause_s)
                yield b"%d" % number
        finally:
            self.closed = True


def test_a_frame_is_one_event_whatever_the_data_holds() -> None:
    """Line breaks in the data would end the event; JSON keeps them out."""
    data = {"text": "a\n\nevent: done\r\ndata: {}\u2028"}
    frame = events.frame("delta", data)
    assert frame.startswith(b"event: delta\ndata: {")
    assert frame.endswith(b"}\n\n")
    assert frame.count(b"\n") == 3
    assert b"\r" not in frame


async def test_a_silent_stream_gives_a_sign_of_life_as_often_as_asked() -> None:
    """Proxies hang up on silence; comments are no events, so a reader never sees them."""
    frames = [f async for f in events.with_heartbeat(Frames(0.0, 3.5, 0.0)(), every_s=1.0)]
    assert frames == [b"0", *[b": still here\n\n"] * 3, b"1", b"2"]


async def test_a_stream_that_talks_gets_no_heartbeat() -> None:
    """The clock starts anew with every frame."""
    frames = [f async for f in events.with_heartbeat(Frames(*[0.9] * 5)(), every_s=1.0)]
    assert frames == [b"0", b"1", b"2", b"3", b"4"]


async def test_a_failure_of_the_source_is_not_swallowed() -> None:
    """Whoever reads must learn that the end is not an end."""

    async def failing() -> AsyncGenerator[bytes, None]:
        yield b"0"
        raise KeyError("bug")

    frames = events.with_heartbeat(failing(), every_s=1.0)
    assert await anext(frames) == b"0"
    with pytest.raises(KeyError):
        await anext(frames)


@pytest.mark.parametrize("read", [1, 2])
async def test_a_reader_who_leaves_closes_the_source_at_once(read: int) -> None:
    """Between two frames or in the middle of a wait: the vendor's call must end now."""
    source = Frames(0.0, 5.0, 5.0)
    frames = events.with_heartbeat(source(), every_s=1.0)
    for _ in range(read):
        await anext(frames)
    await frames.aclose()
    assert source.closed


async def test_a_caller_who_hangs_up_closes_the_source_although_nothing_is_being_sent() -> None:
    """The response itself closes its events; memory may be tidied much later."""
    source, loop = Frames(0.0, 60.0), asyncio.get_running_loop()
    began = loop.time()

    async def receive() -> Message:
        await asyncio.sleep(1.0)
        return {"type": "http.disconnect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
    await events.response(source())(scope, receive, send)
    assert source.closed
    assert loop.time() - began == pytest.approx(1.0)
    assert [m["body"] for m in sent[1:]] == [b"0"]


async def test_a_cancelled_reader_closes_the_source_at_once() -> None:
    """Serve cancels the task when the caller hangs up."""
    source = Frames(0.0, 60.0)

    async def read() -> None:
        async for _ in events.with_heartbeat(source(), every_s=1.0):
            pass

    reading = asyncio.create_task(read())
    await asyncio.sleep(10.0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await asyncio.sleep(0)
    assert source.closed


async def test_nobody_on_the_way_may_keep_or_change_a_stream() -> None:
    """Caches, compressors and buffering proxies are told to keep away."""
    response = events.response(Frames()())
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store, no-transform"
    assert response.headers["x-accel-buffering"] == "no"
