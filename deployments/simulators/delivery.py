"""Delivery: when each frame of an answer leaves, and how the answer ends.

`schedule` is pure and decides; `PacedResponse` does it over ASGI and notes in the journal whether
the client stayed to the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from deployments.simulators.faults import Behaviour, Cut, Disconnect, Garbage, Slow, Stall
from deployments.simulators.frames import Frame, place_after
from deployments.simulators.journal import Entry


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a simulator answers when nothing is scripted."""

    first_byte_s: float = 0.0
    chunk_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes which leave together, after a wait."""

    wait_s: float
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """The whole course of one answer; `broken` ends without the end HTTP asks for."""

    first_byte_s: float
    writes: tuple[Write, ...]
    ending: Literal["whole", "cut", "broken"] = "whole"


IMMEDIATE = Pace()


def schedule(frames: Sequence[Frame], pace: Pace, behaviour: Behaviour | None = None) -> Delivery:
    """Plan an answer's delivery; behaviours which are not about delivery change nothing."""
    match behaviour:
        case Slow(delay_ms=delay_ms, chunk_delay_ms=chunk_delay_ms):
            return schedule(frames, Pace(delay_ms / 1_000, chunk_delay_ms / 1_000))
        case Cut(after_chunks=chunks):
            sent = frames[: place_after(chunks, frames)]
            return Delivery(pace.first_byte_s, _writes(sent, pace), "cut")
        case Disconnect(after_chunks=chunks):
            sent = frames[: place_after(chunks, frames)]
            return Delivery(pace.first_byte_s, _writes(sent, pace), "broken")
        case Garbage(after_chunks=chunks):
            at = place_after(chunks, frames)
            spoiled = [*frames[:at], _spoil(frames[at]), *frames[at + 1 :]]
            return schedule(spoiled, pace)
        case Stall(after_chunks=chunks, stall_s=stall_s):
            at = place_after(chunks, frames)
            first, *rest = _writes(frames[at:], pace)
            late = replace(first, wait_s=stall_s)
            return Delivery(pace.first_byte_s, (*_writes(frames[:at], pace), late, *rest))
        case _:
            return Delivery(pace.first_byte_s, _writes(frames, pace))


def _writes(frames: Sequence[Frame], pace: Pace) -> tuple[Write, ...]:
    """Wait before each chunk but the first; frames without a wait join the write before them."""
    groups: list[tuple[float, list[bytes]]] = []
    begun = False
    for frame in frames:
        wait_s = pace.chunk_s if frame.is_chunk and begun else 0.0
        begun = begun or frame.is_chunk
        if groups and wait_s == 0.0:
            groups[-1][1].append(frame.body)
        else:
            groups.append((wait_s, [frame.body]))
    return tuple(Write(wait_s, b"".join(bodies)) for wait_s, bodies in groups)


def _spoil(frame: Frame) -> Frame:
    # Neither a string nor a value may hold this, so the JSON is broken wherever it lands; the
    # blank line ends a server-sent event.
    return replace(frame, body=frame.body[: len(frame.body) // 2] + b"<garbage>\n\n")


class PacedResponse(Response):
    """An answer which keeps to its delivery, and stops when the client goes away.

    There is no Content-Length: the vendors send chunked bodies too, and only a chunked body can
    be cut short with a clean end.
    """

    def __init__(
        self, delivery: Delivery, entry: Entry, status: int, headers: Mapping[str, str]
    ) -> None:
        super().__init__(status_code=status)
        self.raw_headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()]
        self._delivery = delivery
        self._entry = entry
        self._is_sent = False

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._stop_when_the_client_leaves, receive, group.cancel_scope)
                await self._send_all(send)
                group.cancel_scope.cancel()
        finally:
            self._entry.ended.set()

    async def _stop_when_the_client_leaves(
        self, receive: Receive, everything: anyio.CancelScope
    ) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        # uvicorn reports a disconnect after an answer's own end as well.
        if not self._is_sent:
            self._entry.cancelled = True
            everything.cancel()

    async def _send_all(self, send: Send) -> None:
        await anyio.sleep(self._delivery.first_byte_s)
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        for write in self._delivery.writes:
            if write.wait_s:
                await anyio.sleep(write.wait_s)
            await send({"type": "http.response.body", "body": write.body, "more_body": True})
        self._is_sent = True
        if self._delivery.ending == "broken":
            return  # uvicorn closes the connection of an answer which never ends
        self._entry.completed = self._delivery.ending == "whole"
        await send({"type": "http.response.body", "body": b"", "more_body": False})
