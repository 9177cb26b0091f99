"""An agent deployed on Vertex AI's Agent Engine: its methods, called by name.

Speaks HTTP with a google-auth token. Google's own client for this loads 224 MB, so it
stays out of a replica.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from functools import partial

from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2.credentials import Credentials

from deployments.platforms.base import Connection
from deployments.platforms.errors import MAX_DETAIL, without
from deployments.platforms.head import HeadRecorder, SdkHead
from deployments.platforms.transport import IDLE_S, Transport
from deployments.platforms.vendor_json import load_object, object_in
from deployments.platforms.vertex.adc import ApplicationDefault
from deployments.platforms.vertex.address import base_url
from deployments.platforms.vertex.codec import VERTEX
from deployments.platforms.vertex.words import rpc_error, status_error
from deployments.platforms.wire import Wire
from routing.errors import ConfigError, ErrorKind, PlatformError
from routing.message import Json, JsonObject

# Sessions and the newer kinds of agent have no v1 yet.
API_VERSION = "v1beta1"
_NAME = re.compile(r"projects/[^/]+/locations/([^/]+)/reasoningEngines/[^/]+")


class AgentEngine:
    """The agent called `name`: `projects/.../locations/.../reasoningEngines/...`.

    Without a credential Google's application default credentials are looked for at the
    first call; a credential is an access token.

    Raises:
        ConfigError: That is not the name of an agent.
    """

    def __init__(self, connection: Connection, name: str, idle_s: float = IDLE_S) -> None:
        said = _NAME.fullmatch(name)
        if said is None:
            message = f"{name!r} is not projects/.../locations/.../reasoningEngines/..."
            raise ConfigError("platforms", None, f"{VERTEX}.agent_engine", message)
        base = (connection.base_url or base_url(said[1])).rstrip("/")
        self._address = f"{base}/{API_VERSION}/{name}"
        self._adc = None if connection.credential else ApplicationDefault()
        self._credentials = self._adc or Credentials(connection.credential)  # type: ignore[no-untyped-call]
        # google-auth's refresh is not made to run twice at once.
        self._refreshing = asyncio.Lock()
        self._transport = Transport(connection.max_connections, idle_s)
        self._query = self._wire("query", connection.credential)
        self._stream_query = self._wire("streamQuery?alt=sse", connection.credential)

    async def query(self, method: str, arguments: JsonObject, deadline_s: float) -> Json:
        """What the agent's `method` returns, such as the session of `async_create_session`.

        Raises:
            PlatformError: Whatever went wrong, the deadline included.
        """
        body: JsonObject = {"classMethod": method, "input": arguments}
        return load_object(VERTEX, await self._query.read(body, deadline_s)).get("output")

    async def stream_query(
        self, method: str, arguments: JsonObject, deadline_s: float
    ) -> AsyncGenerator[JsonObject]:
        """The events of the agent's `method`, such as `async_stream_query`, as they come.

        The wire has no last event: an agent that is cut off cleanly seems to have finished.

        Raises:
            PlatformError: Whatever went wrong, the deadline included.
        """
        body: JsonObject = {"classMethod": method, "input": arguments}
        async with aclosing(self._stream_query.lines(body, deadline_s)) as lines:
            async for line in lines:
                event = load_object(VERTEX, line)
                if error := object_in(event, "error"):
                    raise rpc_error(VERTEX, error)
                yield event

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._transport.aclose()

    def _wire(self, method: str, secret: str) -> "_LineWire":
        recorder = HeadRecorder()
        write = partial(self._write_head, recorder, f"{self._address}:{method}")
        return _LineWire(
            platform=VERTEX,
            transport=self._transport,
            head=SdkHead(recorder, write, self._forget),
            read_error=self._read_error,
            secret=secret,
            request_id_header="x-goog-request-id",
        )

    def _forget(self) -> None:
        if self._adc is not None:
            self._adc.forget()

    def _read_error(self, body: bytes, status: int, headers: Mapping[str, str]) -> PlatformError:
        error = status_error(VERTEX, body, status, headers)
        return without(self._adc.last, error) if self._adc else error

    async def _write_head(self, recorder: HeadRecorder, url: str) -> None:
        credentials = self._credentials
        async with self._refreshing:
            if credentials.expired or not credentials.token:
                try:
                    await asyncio.to_thread(credentials.refresh, Request())
                except GoogleAuthError as error:
                    said = f"{type(error).__name__}: {error}"[:MAX_DETAIL]
                    raise PlatformError(VERTEX, ErrorKind.CREDENTIALS, said) from error
        headers = {
            "authorization": f"Bearer {credentials.token}",
            "content-type": "application/json",
        }
        if credentials.quota_project_id:
            headers["x-goog-user-project"] = credentials.quota_project_id
        async with recorder.client() as http:
            await http.post(url, headers=headers)


class _LineWire(Wire):
    """A wire whose answers are one JSON value, or one a line."""

    async def read(self, body: JsonObject, deadline_s: float) -> bytes:
        """The whole answer."""
        deadline = asyncio.get_running_loop().time() + deadline_s
        with self._explained(deadline):
            async with asyncio.timeout_at(deadline):
                answer = await self._open(body)
                try:
                    return await answer.read()
                finally:
                    answer.close()

    async def lines(self, body: JsonObject, deadline_s: float) -> AsyncGenerator[bytes]:
        """The values in the answer's lines, as they come; it is bounded as any answer."""
        deadline = asyncio.get_running_loop().time() + deadline_s
        with self._explained(deadline):
            async with asyncio.timeout_at(deadline):
                answer = await self._open(body)
            timer = asyncio.get_running_loop().call_at(deadline, answer.close)
            rest = b""
            try:
                while data := await answer.read_some():
                    *lines, rest = (rest + data).split(b"\n")
                    for value in _values(lines):
                        yield value
                for value in _values([rest]):
                    yield value
            finally:
                timer.cancel()
                answer.close()


def _values(lines: Sequence[bytes]) -> Iterator[bytes]:
    """What lines hold: bare JSON mostly, `data: ` before it where a proxy makes events of them."""
    for line in lines:
        if value := line.strip().removeprefix(b"data:").strip():
            yield value
