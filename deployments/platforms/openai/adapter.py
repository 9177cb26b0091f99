"""OpenAI as a platform: the official SDK writes the head of every request, the codec its body."""

from collections.abc import AsyncGenerator, Mapping
from functools import partial

from httpx2 import Timeout
from openai import AsyncOpenAI, OpenAIError
from openai.types import Model
from typing_extensions import override

from deployments.platforms.asking import asking
from deployments.platforms.base import HOSTED_MCP, Connection, Platform
from deployments.platforms.errors import MAX_DETAIL, without
from deployments.platforms.head import HeadRecorder, SdkHead
from deployments.platforms.models import ListedModel, collect, listed
from deployments.platforms.openai.codec import OPENAI, StreamDecoder, decode_reply
from deployments.platforms.openai.conversation import KeptConversations
from deployments.platforms.openai.hosted import encode
from deployments.platforms.openai.words import status_error
from deployments.platforms.openai.workload import exchanged_token
from deployments.platforms.rate_limits import openai_limit
from deployments.platforms.transport import CONNECT_S, IDLE_S, POOL_S, Transport
from deployments.platforms.wire import Wire
from routing.clock import SystemClock
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatChunk, ChatReply, ChatRequest

# Said aloud, or the SDK would take an address from the environment.
BASE_URL = "https://api.openai.com/v1"


class OpenAIPlatform(Platform):
    """OpenAI's Responses API. `idle_s` is how long it may be silent in the middle of an answer.

    Raises:
        ConfigError: `Connection.options` ask for a workload identity and do not describe it.
    """

    def __init__(self, connection: Connection, idle_s: float = IDLE_S) -> None:
        recorder = HeadRecorder()
        self._is_hosted = HOSTED_MCP in connection.options
        self._exchanged = exchanged_token(connection)
        self._sdk = AsyncOpenAI(
            api_key=self._exchanged.get if self._exchanged else connection.credential,
            base_url=connection.base_url or BASE_URL,
            timeout=Timeout(connect=CONNECT_S, read=idle_s, write=idle_s, pool=POOL_S),
            max_retries=0,
            http_client=recorder.client(),
        )
        self._wire = Wire(
            platform=OPENAI,
            transport=Transport(connection.max_connections, idle_s),
            head=SdkHead(
                recorder, self._write_head, self._exchanged.forget if self._exchanged else None
            ),
            read_error=self._read_error,
            secret=connection.credential,
            request_id_header="x-request-id",
            read_limit=partial(openai_limit, SystemClock()),
        )
        self._secret = connection.credential
        self._kept = KeptConversations(OPENAI, self._begin_conversation, self._delete_conversation)

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        if request.vendor_conversation is None:
            return await self._complete(request, deadline_s)
        return await self._kept.complete(request, deadline_s, self._complete)

    @override
    def stream(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[ChatChunk]:
        if request.vendor_conversation is None:
            return self._stream(request, deadline_s)
        return self._kept.stream(request, deadline_s, self._stream)

    async def _complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        body = encode(request, stream=False, is_hosted=self._is_hosted)
        return await self._wire.complete(body, decode_reply, deadline_s)

    def _stream(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[ChatChunk]:
        body = encode(request, stream=True, is_hosted=self._is_hosted)
        return self._wire.stream(body, StreamDecoder, deadline_s)

    async def _begin_conversation(self) -> str:
        await self._write_head()  # says in our words what is wrong with a credential
        async with asking(OPENAI, self._read_error, self._secret, OpenAIError) as http:
            return (await self._sdk.with_options(http_client=http).conversations.create()).id

    async def _delete_conversation(self, name: str) -> None:
        async with asking(OPENAI, self._read_error, self._secret, OpenAIError) as http:
            await self._sdk.with_options(http_client=http).conversations.delete(name)

    @override
    async def models(self) -> tuple[ListedModel, ...]:
        await self._write_head()  # says in our words what is wrong with a credential
        async with asking(OPENAI, self._read_error, self._secret, OpenAIError) as http:
            return await collect(
                OPENAI, self._sdk.with_options(http_client=http).models.list(), _read
            )

    @override
    async def aclose(self) -> None:
        await self._kept.aclose()
        await self._wire.aclose()
        await self._sdk.close()
        if self._exchanged is not None:
            await self._exchanged.aclose()

    def _read_error(self, body: bytes, status: int, headers: Mapping[str, str]) -> PlatformError:
        error = status_error(OPENAI, body, status, headers)
        return without(self._exchanged.last, error) if self._exchanged else error

    async def _write_head(self) -> None:
        """Have the SDK write one request; nothing is sent, but a token may be fetched."""
        try:
            await self._sdk.responses.with_raw_response.create(model="", input="")
        except OpenAIError as error:
            said = f"{type(error).__name__}: {error}"
            raise PlatformError(OPENAI, ErrorKind.CREDENTIALS, said[:MAX_DETAIL]) from error


def _read(model: Model) -> ListedModel | None:
    # The SDK does not check what it was sent: a row may lack what its type promises.
    return listed(getattr(model, "id", None), retires=getattr(model, "shutdown_date", None))
