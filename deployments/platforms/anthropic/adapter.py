"""Anthropic as a platform: the official SDK writes the head of every request, the codec its body."""

from collections.abc import AsyncGenerator
from functools import partial

from anthropic import AnthropicError, AsyncAnthropic
from httpx2 import Timeout
from typing_extensions import override

from deployments.platforms.anthropic.codec import ANTHROPIC, decode_reply, encode_request
from deployments.platforms.anthropic.stream import StreamDecoder
from deployments.platforms.anthropic.words import status_error
from deployments.platforms.base import Connection, Platform
from deployments.platforms.errors import MAX_DETAIL
from deployments.platforms.head import HeadRecorder, SdkHead
from deployments.platforms.transport import CONNECT_S, IDLE_S, POOL_S, Transport
from deployments.platforms.wire import Wire
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatChunk, ChatReply, ChatRequest

# The root, without /v1. Said aloud, or the SDK would take an address from the environment.
BASE_URL = "https://api.anthropic.com"


class AnthropicPlatform(Platform):
    """Anthropic's Messages API. `idle_s` is how long it may be silent in the middle of an answer."""

    def __init__(self, connection: Connection, idle_s: float = IDLE_S) -> None:
        recorder = HeadRecorder()
        self._sdk = AsyncAnthropic(
            api_key=connection.credential,
            base_url=connection.base_url or BASE_URL,
            timeout=Timeout(connect=CONNECT_S, read=idle_s, write=idle_s, pool=POOL_S),
            max_retries=0,
            http_client=recorder.client(),
            open_telemetry=False,
        )
        self._wire = Wire(
            platform=ANTHROPIC,
            transport=Transport(connection.max_connections, idle_s),
            head=SdkHead(recorder, self._write_head),
            read_error=partial(status_error, ANTHROPIC),
            secret=connection.credential,
            request_id_header="request-id",
        )

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        body = encode_request(request, stream=False)
        return await self._wire.complete(body, decode_reply, deadline_s)

    @override
    def stream(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[ChatChunk]:
        body = encode_request(request, stream=True)
        return self._wire.stream(body, StreamDecoder, deadline_s)

    @override
    async def aclose(self) -> None:
        await self._wire.aclose()
        await self._sdk.close()

    async def _write_head(self) -> None:
        """Have the SDK write one request; nothing is sent."""
        try:
            await self._sdk.messages.with_raw_response.create(model="", max_tokens=1, messages=[])
        except AnthropicError as error:
            said = f"{type(error).__name__}: {error}"
            raise PlatformError(ANTHROPIC, ErrorKind.CREDENTIALS, said[:MAX_DETAIL]) from error
