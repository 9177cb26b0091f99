"""One vendor's wire: sends what a codec encoded, hands back what it decodes, within a deadline.

Everything that can go wrong between us and a vendor leaves here as a `PlatformError`.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from deployments.platforms import errors
from deployments.platforms.head import SdkHead
from deployments.platforms.rate_limits import ReadLimit
from deployments.platforms.sse import SseEvent, SseReader
from deployments.platforms.transport import Answer, Transport
from deployments.platforms.vendor_json import dump
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatChunk, ChatReply, RateLimit, ReplyDone, TextDelta
from routing.message import Json

_NO_END = "the stream ended without its last event"
_TOO_LATE = "the deadline passed before the answer was complete"


class StreamDecoder(Protocol):
    """Turns a vendor's events into chunks; the last one is `ReplyDone`."""

    def feed(self, event: SseEvent) -> list[ChatChunk]:
        """The chunks this event amounts to; raises PlatformError when it reports a failure."""
        ...


class Wire:
    """The calls of one platform.

    `read_error` turns the body, status and headers of an answer that is an error into
    ours. `secret` is kept out of every error. `read_limit` reads what an answer's headers
    say is left of our allowance, None where the vendor says nothing of it.
    """

    def __init__(
        self,
        *,
        platform: str,
        transport: Transport,
        head: SdkHead,
        read_error: Callable[[bytes, int, Mapping[str, str]], PlatformError],
        secret: str,
        request_id_header: str,
        read_limit: ReadLimit | None = None,
    ) -> None:
        self._platform = platform
        self._transport = transport
        self._head = head
        self._read_error = read_error
        self._secret = secret
        self._request_id_header = request_id_header
        self._read_limit = read_limit

    async def complete(
        self,
        body: Mapping[str, Json],
        decode: Callable[[bytes, str | None], ChatReply],
        deadline_s: float,
    ) -> ChatReply:
        """The whole answer to an encoded request.

        Raises:
            PlatformError: Whatever went wrong, the deadline included.
        """
        deadline = _deadline(deadline_s)
        with self._explained(deadline):
            async with asyncio.timeout_at(deadline):
                answer = await self._open(body)
                limit = self._limit(answer)
                try:
                    raw = await answer.read()
                finally:
                    answer.close()
            return _limited(decode(raw, answer.header(self._request_id_header)), limit)

    async def stream(
        self,
        body: Mapping[str, Json],
        start_decoder: Callable[[str | None], StreamDecoder],
        deadline_s: float,
    ) -> AsyncGenerator[ChatChunk]:
        """Text as it comes, then `ReplyDone`; text that arrived together is one chunk.

        Raises:
            PlatformError: Whatever went wrong, the deadline and a missing end included.
        """
        deadline = _deadline(deadline_s)
        with self._explained(deadline):
            async with asyncio.timeout_at(deadline):
                answer = await self._open(body)
            limit = self._limit(answer)
            # Cut the connection, not the task: a timeout held open across a `yield` would
            # cancel the consumer in the middle of its own work, and one per read costs more.
            timer = asyncio.get_running_loop().call_at(deadline, answer.close)
            try:
                decoder = start_decoder(answer.header(self._request_id_header))
                reader = SseReader()
                while data := await answer.read_some():
                    for chunk in _chunks(reader.feed(data), decoder):
                        if isinstance(chunk, ReplyDone):
                            yield ReplyDone(_limited(chunk.reply, limit))
                            await _drain(answer)
                            return
                        yield chunk
            finally:
                timer.cancel()
                answer.close()
            raise PlatformError(self._platform, ErrorKind.STREAM_TRUNCATED, _NO_END)

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._transport.aclose()

    def _limit(self, answer: Answer) -> RateLimit | None:
        # When the headers are there: what they say is by then, not by a long answer's end.
        return None if self._read_limit is None else self._read_limit(answer.header)

    async def _open(self, body: Mapping[str, Json]) -> Answer:
        answer = await self._transport.post(await self._head.get(), dump(body))
        if answer.status == 200:
            return answer
        try:
            if answer.status == 401:
                self._head.forget()
            raise self._read_error(await answer.read(), answer.status, answer.headers)
        finally:
            answer.close()

    @contextlib.contextmanager
    def _explained(self, deadline: float) -> Iterator[None]:
        """Let what vendors and networks do leave as a PlatformError; our own bugs stay bugs."""
        try:
            yield
        except PlatformError as error:
            clean = errors.without(self._secret, error)
            if clean is error:
                raise
            raise clean from None  # the original still holds the credential
        except errors.FAULTS as error:
            if asyncio.get_running_loop().time() >= deadline:
                raise PlatformError(self._platform, ErrorKind.TIMEOUT, _TOO_LATE) from error
            explained = errors.local_error(self._platform, error)
            raise errors.without(self._secret, explained) from error


def _limited(reply: ChatReply, limit: RateLimit | None) -> ChatReply:
    return reply if limit is None else replace(reply, rate_limit=limit)


def _deadline(deadline_s: float) -> float:
    return asyncio.get_running_loop().time() + deadline_s


async def _drain(answer: Answer) -> None:
    # The reply is whole; whatever happens behind it costs a connection, not the answer.
    with contextlib.suppress(Exception):
        await answer.drain()


def _chunks(events: Sequence[SseEvent], decoder: StreamDecoder) -> list[ChatChunk]:
    """The chunks of events that arrived together, neighbouring texts joined."""
    chunks: list[ChatChunk] = []
    text: list[str] = []
    for event in events:
        for chunk in decoder.feed(event):
            if isinstance(chunk, TextDelta):
                text.append(chunk.text)
                continue
            if text:
                chunks.append(TextDelta("".join(text)))
                text.clear()
            chunks.append(chunk)
    if text:
        chunks.append(TextDelta("".join(text)))
    return chunks
