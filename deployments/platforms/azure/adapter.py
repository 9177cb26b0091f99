"""Azure OpenAI as a platform: OpenAI's codec and SDK, Azure's addresses and credentials.

A request names a deployment; everything above speaks of the model behind it, so that is
what a reply reports, whatever snapshot or nickname Azure calls it by.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import httpx2
from openai import AsyncAzureOpenAI, AsyncOpenAI, OpenAIError
from openai.types import Model
from typing_extensions import override

from deployments.platforms.asking import asking
from deployments.platforms.base import Connection, Platform
from deployments.platforms.errors import MAX_DETAIL, without
from deployments.platforms.head import HeadRecorder, SdkHead
from deployments.platforms.models import ListedModel, collect, listed
from deployments.platforms.openai.codec import StreamDecoder, decode_reply, encode_request
from deployments.platforms.openai.words import status_error
from deployments.platforms.rate_limits import openai_limit
from deployments.platforms.sse import SseEvent
from deployments.platforms.transport import CONNECT_S, IDLE_S, POOL_S, Transport
from deployments.platforms.wire import Wire
from routing.clock import SystemClock
from routing.errors import ConfigError, ErrorKind, PlatformError
from routing.exchange import ChatChunk, ChatReply, ChatRequest, ReplyDone
from routing.message import Json

if TYPE_CHECKING:
    from deployments.platforms.azure.entra import EntraToken

AZURE_OPENAI = "azure_openai"

DEPLOYMENT_OF = "deployment:"
"""What the option that names a further model's deployment begins with."""

# By API: resources of the v1 API are Foundry's, the older ones Cognitive Services'.
SCOPES: Mapping[str, str] = {
    "v1": "https://ai.azure.com/.default",
    "legacy": "https://cognitiveservices.azure.com/.default",
}


class AzureOpenAIPlatform(Platform):
    """The Responses API of one Azure OpenAI deployment.

    `Connection.base_url` is the resource's endpoint. `Connection.options`: `deployment`
    (the model's own name if left out) and `deployment:MODEL` for every further one, `api` (`v1`, or `legacy` with an `api_version`), and
    `auth` (`key`, or `entra` with an optional `scope`). `idle_s` is how long Azure may be
    silent in the middle of an answer.

    Raises:
        ConfigError: The endpoint or the credential is missing, or an option is unknown.
    """

    def __init__(self, connection: Connection, idle_s: float = IDLE_S) -> None:
        recorder = HeadRecorder()
        self._deployment = connection.options.get("deployment")
        self._deployments = {
            name.removeprefix(DEPLOYMENT_OF): deployment
            for name, deployment in connection.options.items()
            if name.startswith(DEPLOYMENT_OF)
        }
        self._entra = _entra(connection)
        timeout = httpx2.Timeout(connect=CONNECT_S, read=idle_s, write=idle_s, pool=POOL_S)
        self._sdk = _sdk(connection, self._entra, recorder, timeout)
        self._wire = Wire(
            platform=AZURE_OPENAI,
            transport=Transport(connection.max_connections, idle_s),
            head=SdkHead(recorder, self._write_head, self._entra.forget if self._entra else None),
            read_error=self._read_error,
            secret=connection.credential,
            # The gateway's, on every answer, also on those that never reached a model.
            request_id_header="apim-request-id",
            read_limit=partial(openai_limit, SystemClock()),
        )
        self._secret = connection.credential

    @override
    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        body = self._encode(request, stream=False)
        return await self._wire.complete(body, partial(_decode, request.model), deadline_s)

    @override
    def stream(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[ChatChunk]:
        body = self._encode(request, stream=True)
        return self._wire.stream(body, partial(_StreamDecoder, request.model), deadline_s)

    @override
    async def models(self) -> tuple[ListedModel, ...]:
        """The base models of the resource's region, whatever is deployed of them."""
        await self._write_head()  # says in our words what is wrong with a credential
        async with asking(AZURE_OPENAI, self._read_error, self._secret, OpenAIError) as http:
            sdk = self._sdk.with_options(http_client=http)
            return await collect(AZURE_OPENAI, sdk.models.list(), _read)

    @override
    async def aclose(self) -> None:
        await self._wire.aclose()
        await self._sdk.close()
        if self._entra is not None:
            await self._entra.aclose()

    def _encode(self, request: ChatRequest, *, stream: bool) -> dict[str, Json]:
        # Encoded under the model's name, which decides what may be asked of it.
        body = encode_request(request, stream, AZURE_OPENAI)
        deployment = self._deployments.get(request.model, self._deployment)
        return body | {"model": deployment or request.model}

    def _read_error(self, body: bytes, status: int, headers: Mapping[str, str]) -> PlatformError:
        error = status_error(AZURE_OPENAI, body, status, headers)
        return without(self._entra.last, error) if self._entra else error

    async def _write_head(self) -> None:
        """Have the SDK write one request; nothing is sent, but a token may be fetched."""
        try:
            await self._sdk.responses.with_raw_response.create(model="", input="")
        except OpenAIError as error:
            said = f"{type(error).__name__}: {error}"
            raise PlatformError(AZURE_OPENAI, ErrorKind.CREDENTIALS, said[:MAX_DETAIL]) from error


class _StreamDecoder(StreamDecoder):
    def __init__(self, model: str, request_id: str | None) -> None:
        super().__init__(request_id, AZURE_OPENAI)
        self._model = model

    @override
    def feed(self, event: SseEvent) -> list[ChatChunk]:
        return [
            ReplyDone(replace(chunk.reply, model=self._model))
            if isinstance(chunk, ReplyDone)
            else chunk
            for chunk in super().feed(event)
        ]


def _decode(model: str, raw: bytes, request_id: str | None) -> ChatReply:
    return replace(decode_reply(raw, request_id, AZURE_OPENAI), model=model)


def _read(model: Model) -> ListedModel | None:
    """A row of Azure's: the end is a second, and of inference, not of fine-tuning."""
    ends = getattr(model, "deprecation", None)
    retires = ends.get("inference") if isinstance(ends, Mapping) else None
    return listed(getattr(model, "id", None), retires=retires)


def _entra(connection: Connection) -> "EntraToken | None":
    """The identity to ask for tokens, or None where there is a key."""
    if connection.credential:
        return None
    options = connection.options
    if options.get("auth") != "entra":
        raise ConfigError("platforms", None, f"{AZURE_OPENAI}.api_key", "a key, or auth: entra")
    from deployments.platforms.azure.entra import EntraToken  # noqa: PLC0415 - see there

    return EntraToken(AZURE_OPENAI, options.get("scope") or SCOPES[_api(connection)])


def _api(connection: Connection) -> str:
    api = connection.options.get("api", "v1")
    if api not in SCOPES:
        raise ConfigError("platforms", None, f"{AZURE_OPENAI}.api", f"{api!r} is not v1 or legacy")
    return api


def _sdk(
    connection: Connection,
    entra: "EntraToken | None",
    recorder: HeadRecorder,
    timeout: httpx2.Timeout,
) -> AsyncOpenAI:
    """The SDK's client for this API; it writes the heads and sends nothing."""
    if not connection.base_url:
        raise ConfigError("platforms", None, f"{AZURE_OPENAI}.endpoint", "Azure has no default")
    # The portal shows the endpoint with and without the path of the v1 API.
    endpoint = connection.base_url.rstrip("/").removesuffix("/openai/v1")
    if _api(connection) == "v1":
        return AsyncOpenAI(
            api_key=entra.get if entra else connection.credential,
            base_url=f"{endpoint}/openai/v1/",
            timeout=timeout,
            max_retries=0,
            http_client=recorder.client(),
        )
    version = connection.options.get("api_version")
    if not version:
        message = "api: legacy needs one, such as 2025-04-01-preview"
        raise ConfigError("platforms", None, f"{AZURE_OPENAI}.api_version", message)
    return AsyncAzureOpenAI(
        api_key=None if entra else connection.credential,
        azure_ad_token_provider=entra.get if entra else None,
        azure_endpoint=endpoint,
        azure_deployment=connection.options.get("deployment"),
        api_version=version,
        timeout=timeout,
        max_retries=0,
        http_client=recorder.client(),
    )
