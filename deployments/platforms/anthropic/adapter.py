"""Anthropic as a platform: the official SDK writes the head of every request, the codec its body."""

from collections.abc import AsyncGenerator, Mapping
from functools import partial

from anthropic import AnthropicError, AsyncAnthropic
from anthropic.lib.credentials import AccessToken
from anthropic.types import ModelInfo
from httpx2 import Timeout
from typing_extensions import override

from deployments.platforms.anthropic.codec import ANTHROPIC, decode_reply, encode_request
from deployments.platforms.anthropic.stream import StreamDecoder
from deployments.platforms.anthropic.words import status_error
from deployments.platforms.anthropic.workload import exchanged_token
from deployments.platforms.asking import asking
from deployments.platforms.base import HOSTED_MCP, Connection, Platform
from deployments.platforms.errors import MAX_DETAIL, without
from deployments.platforms.head import HeadRecorder, SdkHead
from deployments.platforms.models import ListedModel, collect, listed
from deployments.platforms.rate_limits import anthropic_limit
from deployments.platforms.transport import CONNECT_S, IDLE_S, POOL_S, Transport
from deployments.platforms.wire import Wire
from routing.clock import SystemClock
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatChunk, ChatReply, ChatRequest

# The root, without /v1. Said aloud, or the SDK would take an address from the environment.
BASE_URL = "https://api.anthropic.com"
# What lets a request name servers whose tools Anthropic calls.
HOSTED_BETA = "mcp-client-2025-11-20"
MODELS_A_PAGE = 1000  # the most that is given; the default is 20


class AnthropicPlatform(Platform):
    """Anthropic's Messages API. `idle_s` is how long it may be silent in the middle of an answer.

    Raises:
        ConfigError: `Connection.options` ask for a workload identity and do not describe it.
    """

    def __init__(self, connection: Connection, idle_s: float = IDLE_S) -> None:
        recorder = HeadRecorder()
        self._is_hosted = HOSTED_MCP in connection.options
        base_url = connection.base_url or BASE_URL
        self._exchanged = exchanged_token(connection, base_url)
        self._sdk = AsyncAnthropic(
            api_key=None if self._exchanged else connection.credential,
            credentials=self._access if self._exchanged else None,
            base_url=base_url,
            timeout=Timeout(connect=CONNECT_S, read=idle_s, write=idle_s, pool=POOL_S),
            max_retries=0,
            http_client=recorder.client(),
            open_telemetry=False,
        )
        self._wire = Wire(
            platform=ANTHROPIC,
            transport=Transport(connection.max_connections, idle_s),
            head=SdkHead(
                recorder, self._write_head, self._exchanged.forget if self._exchanged else None
            ),
            read_error=self._read_error,
            secret=connection.credential,
            request_id_header="request-id",
            read_limit=partial(anthropic_limit, SystemClock()),
        )
        self._secret = connection.credential

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        body = encode_request(request, stream=False, is_hosted=self._is_hosted)
        return await self._wire.complete(body, decode_reply, deadline_s)

    @override
    def stream(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[ChatChunk]:
        body = encode_request(request, stream=True, is_hosted=self._is_hosted)
        return self._wire.stream(body, StreamDecoder, deadline_s)

    @override
    async def models(self) -> tuple[ListedModel, ...]:
        await self._write_head()  # says in our words what is wrong with a credential
        async with asking(ANTHROPIC, self._read_error, self._secret, AnthropicError) as http:
            pages = self._sdk.with_options(http_client=http).models.list(limit=MODELS_A_PAGE)
            return await collect(ANTHROPIC, pages, _read)

    @override
    async def aclose(self) -> None:
        await self._wire.aclose()
        await self._sdk.close()
        if self._exchanged is not None:
            await self._exchanged.aclose()

    def _read_error(self, body: bytes, status: int, headers: Mapping[str, str]) -> PlatformError:
        error = status_error(ANTHROPIC, body, status, headers)
        return without(self._exchanged.last, error) if self._exchanged else error

    async def _access(self, *, force_refresh: bool = False) -> AccessToken:
        """What the SDK writes into a head; 0 tells it not to keep what is kept already."""
        return AccessToken(self._exchanged.last if self._exchanged else "", expires_at=0)

    async def _write_head(self) -> None:
        """Have the SDK write one request; nothing is sent, but a token may be fetched."""
        if self._exchanged is not None:
            # Not by the SDK, which would call what is wrong with an identity a connection error.
            await self._exchanged.get()
        try:
            if self._is_hosted:
                await self._sdk.beta.messages.with_raw_response.create(
                    model="", max_tokens=1, messages=[], betas=[HOSTED_BETA]
                )
                return
            await self._sdk.messages.with_raw_response.create(model="", max_tokens=1, messages=[])
        except AnthropicError as error:
            said = f"{type(error).__name__}: {error}"
            raise PlatformError(ANTHROPIC, ErrorKind.CREDENTIALS, said[:MAX_DETAIL]) from error


def _read(model: ModelInfo) -> ListedModel | None:
    # The SDK does not check what it was sent: a row may lack what its type promises.
    return listed(
        getattr(model, "id", None),
        retires=getattr(model, "retires_at", None),
        deprecated=getattr(model, "deprecated_at", None),
        window=getattr(model, "max_input_tokens", None),
    )
