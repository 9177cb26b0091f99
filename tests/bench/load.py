"""The load: so many callers, each asking again as soon as it was answered (a closed loop).

A process of its own, one line of JSON in and one out per run, so that it neither shares
an event loop with what it measures nor pays its own start again every round.
"""

import asyncio
import base64
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import cast

import uvloop
from typing_extensions import override

# A request that takes this long is not slow but lost; the run fails.
ANSWER_TIMEOUT_S = 20.0
_LAST_CHUNK = b"\r\n0\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Order:
    """What to run: `raw` (base64) is sent `requests` times by `clients` callers to a loopback port."""

    port: int
    raw: str
    ending: str
    clients: int
    requests: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it; latencies in milliseconds until the answer's last byte."""

    rate: float
    p50_ms: float
    p99_ms: float


class _Caller(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._received = bytearray()
        self._length: int | None = None
        self._done: asyncio.Future[bytes] | None = None

    async def ask(self, raw: bytes) -> bytes:
        """The whole answer, head and body."""
        assert self._transport is not None
        self._received.clear()
        self._length = None
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(raw)
        return await self._done

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Of uvloop, which does not derive its transports from asyncio's.
        self._transport = cast("asyncio.WriteTransport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        if self._length is None:
            end = received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(received[:end]).lower()
            _, found, length = head.partition(b"content-length:")
            # 0 stands for chunks, which say themselves when they end.
            self._length = end + 4 + int(length.partition(b"\r\n")[0]) if found else 0
        is_whole = len(received) >= self._length if self._length else received.endswith(_LAST_CHUNK)
        if is_whole and self._done is not None and not self._done.done():
            self._done.set_result(bytes(received))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(ConnectionError("closed before the answer was whole"))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


async def run(order: Order) -> Measured:
    """Ask until every request was answered.

    Raises:
        RuntimeError: an answer was not 200, or lacks its end.
        TimeoutError: an answer did not come.
    """
    loop = asyncio.get_running_loop()
    raw, ending = base64.b64decode(order.raw), order.ending.encode()
    made = [
        await loop.create_connection(_Caller, "127.0.0.1", order.port) for _ in range(order.clients)
    ]
    left = iter(range(order.requests))
    taken_s: list[float] = []
    began = time.perf_counter()
    await asyncio.gather(*(_work(caller, raw, ending, left, taken_s) for _, caller in made))
    elapsed_s = time.perf_counter() - began
    for _, caller in made:
        caller.close()
    taken_s.sort()
    return Measured(
        rate=len(taken_s) / elapsed_s,
        p50_ms=taken_s[len(taken_s) // 2] * 1000,
        p99_ms=taken_s[min(len(taken_s) - 1, len(taken_s) * 99 // 100)] * 1000,
    )


async def _work(
    caller: _Caller, raw: bytes, ending: bytes, left: Iterable[int], taken_s: list[float]
) -> None:
    for _ in left:
        began = time.perf_counter()
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            answer = await caller.ask(raw)
        taken_s.append(time.perf_counter() - began)
        if not answer.startswith(b"HTTP/1.1 200") or ending not in answer:
            raise RuntimeError(f"not a whole answer: {answer[:1000]!r} … {answer[-300:]!r}")


def main() -> None:
    """Carry out orders until standard input ends."""
    for line in sys.stdin:
        try:
            said: dict[str, object] = asdict(uvloop.run(run(Order(**json.loads(line)))))
        except Exception as error:  # noqa: BLE001  told to whoever ordered
            said = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
