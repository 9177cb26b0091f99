"""Vertex AI as a platform: the official SDK writes the head of every request, the codec its body."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from functools import partial

import httpx2
from google.auth.exceptions import GoogleAuthError
from google.genai import Client
from google.genai.errors import APIError
from google.genai.types import (
    AutomaticFunctionCallingConfig,
    GenerateContentConfig,
    HttpOptions,
    ListModelsConfig,
    Model,
)
from google.oauth2.credentials import Credentials
from typing_extensions import override

from deployments.platforms.asking import asking
from deployments.platforms.base import Connection, Platform
from deployments.platforms.errors import MAX_DETAIL, without
from deployments.platforms.head import HeadRecorder, SdkHead
from deployments.platforms.models import ListedModel, collect, listed
from deployments.platforms.transport import IDLE_S, Transport
from deployments.platforms.vertex.adc import ApplicationDefault
from deployments.platforms.vertex.address import LOCATION, base_url
from deployments.platforms.vertex.codec import VERTEX, decode_reply, encode_request
from deployments.platforms.vertex.stream import StreamDecoder
from deployments.platforms.vertex.words import status_error
from deployments.platforms.wire import Wire
from routing.errors import ConfigError, ErrorKind, PlatformError
from routing.exchange import ChatChunk, ChatReply, ChatRequest

# The SDK's own default is v1beta1, which changes without notice.
API_VERSION = "v1"
# Google's list has no v1.
LIST_API_VERSION = "v1beta1"
# An address belongs to a model and a method; a configuration names two or three models.
MAX_ADDRESSES = 64

_BARE = GenerateContentConfig(
    automatic_function_calling=AutomaticFunctionCallingConfig(disable=True),
    automatic_continuation=False,
)
_PAGE = ListModelsConfig(page_size=100)


class VertexPlatform(Platform):
    """Gemini on Vertex AI. `idle_s` is how long it may be silent in the middle of an answer.

    `connection.options` has `project_id`, and `location` unless it is `global`. Without a
    credential Google's application default credentials are looked for at the first call;
    a credential is an access token.

    Raises:
        ConfigError: There is no `project_id`.
    """

    def __init__(self, connection: Connection, idle_s: float = IDLE_S) -> None:
        project = connection.options.get("project_id")
        if not project:
            raise ConfigError("platforms", None, f"{VERTEX}.project_id", "names no project")
        location = connection.options.get("location") or LOCATION
        self._adc = None if connection.credential else ApplicationDefault()
        self._recorder = HeadRecorder()
        self._http = self._recorder.client()
        self._client = partial(
            _client,
            project,
            location,
            self._adc or _static(connection.credential),
            connection.base_url or base_url(location),
        )
        # Kept, because its end would close what it has opened.
        self._sdk = self._client(API_VERSION, self._http)
        self._asking = asyncio.Lock()
        self._secret = connection.credential
        self._transport = Transport(connection.max_connections, idle_s)
        self._wires: dict[tuple[str, bool], Wire] = {}

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        wire = self._wire(request.model, streams=False)
        return await wire.complete(encode_request(request), decode_reply, deadline_s)

    @override
    def stream(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[ChatChunk]:
        wire = self._wire(request.model, streams=True)
        return wire.stream(encode_request(request), StreamDecoder, deadline_s)

    @override
    async def models(self) -> tuple[ListedModel, ...]:
        """The models of Google's own, without dates: Google tells them in prose alone."""
        try:
            # First to nowhere, so that a token is fetched by one asker at a time.
            async with self._asking:
                await self._sdk.aio.models.list()
        except (GoogleAuthError, RuntimeError) as error:
            raise _failure(ErrorKind.CREDENTIALS, error) from error
        async with asking(VERTEX, self._read_error, self._secret, APIError) as http:
            sdk = self._client(LIST_API_VERSION, http)
            try:
                pages = await sdk.aio.models.list(config=_PAGE)
                return await collect(VERTEX, pages, _read)
            finally:
                await sdk.aio.aclose()
                sdk.close()

    @override
    async def aclose(self) -> None:
        await self._transport.aclose()
        await self._sdk.aio.aclose()
        self._sdk.close()
        await self._http.aclose()

    def _wire(self, model: str, *, streams: bool) -> Wire:
        """The wire to one method of one model: both stand in the address."""
        wire = self._wires.get((model, streams))
        if wire is None:
            if len(self._wires) >= MAX_ADDRESSES:
                del self._wires[next(iter(self._wires))]
            wire = Wire(
                platform=VERTEX,
                transport=self._transport,
                head=SdkHead(
                    self._recorder, partial(self._write_head, model, streams), self._forget
                ),
                read_error=self._read_error,
                secret=self._secret,
                request_id_header="x-goog-request-id",
            )
            self._wires[model, streams] = wire
        return wire

    def _read_error(self, body: bytes, status: int, headers: Mapping[str, str]) -> PlatformError:
        error = status_error(VERTEX, body, status, headers)
        return without(self._adc.last, error) if self._adc else error

    def _forget(self) -> None:
        """Drop a token that was refused, wherever it is kept."""
        self._wires.clear()
        if self._adc is not None:
            self._adc.forget()

    async def _write_head(self, model: str, streams: bool) -> None:
        """Have the SDK write one request; nothing is sent."""
        models = self._sdk.aio.models
        try:
            # One recorder serves all models: one of them writes at a time.
            async with self._asking:
                if streams:
                    async for _ in await models.generate_content_stream(
                        model=model, contents="", config=_BARE
                    ):
                        pass
                else:
                    await models.generate_content(model=model, contents="", config=_BARE)
        except ValueError as error:  # of the model's name
            raise _failure(ErrorKind.MODEL_GONE, error) from error
        except (GoogleAuthError, RuntimeError) as error:
            raise _failure(ErrorKind.CREDENTIALS, error) from error


def _client(
    project: str,
    location: str,
    credentials: ApplicationDefault | Credentials,
    address: str,
    api_version: str,
    http: httpx2.AsyncClient,
) -> Client:
    return Client(
        enterprise=True,
        project=project,
        location=location,
        credentials=credentials,
        http_options=HttpOptions(
            base_url=address, api_version=api_version, httpx_async_client=http
        ),
    )


def _read(model: Model) -> ListedModel | None:
    # publishers/google/models/gemini-3.8-flash: what is asked for is the last part.
    name = (model.name or "").rpartition("/")[2]
    return listed(name, window=model.input_token_limit)


def _static(token: str) -> Credentials:
    return Credentials(token)  # type: ignore[no-untyped-call]


def _failure(kind: ErrorKind, error: Exception) -> PlatformError:
    return PlatformError(VERTEX, kind, f"{type(error).__name__}: {error}"[:MAX_DETAIL])
