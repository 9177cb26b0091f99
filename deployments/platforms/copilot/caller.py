"""Requests to Microsoft's two wires: a bearer token, JSON there, an answer or its error back."""

from collections.abc import Mapping
from typing import Literal

from multidict import CIMultiDict
from yarl import URL

from deployments.platforms.copilot.words import COPILOT, status_error
from deployments.platforms.transport import Answer, RequestHead, Transport
from deployments.platforms.vendor_json import dump, load_object
from routing.message import Json, JsonObject

_AGENT = "SupportMax"
_SUCCESS = frozenset({200, 201, 202, 204})

Method = Literal["GET", "POST"]


class Caller:
    """Sends requests over one transport."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    async def open(
        self,
        method: Method,
        url: URL,
        token: str,
        body: Mapping[str, Json] | None = None,
        accept: str = "application/json",
    ) -> Answer:
        """The beginning of an answer that is no error; its caller must `close` it.

        Raises:
            PlatformError: The answer is an error.
        """
        headers = CIMultiDict({"accept": accept, "user-agent": _AGENT})
        if token:
            headers["authorization"] = f"Bearer {token}"
        if method == "GET":
            answer = await self.transport.get(RequestHead(url, headers))
        else:
            headers["content-type"] = "application/json"
            answer = await self.transport.post(
                RequestHead(url, headers), b"" if body is None else dump(body)
            )
        if answer.status in _SUCCESS:
            return answer
        try:
            raise status_error(await answer.read(), answer.status, answer.headers)
        finally:
            answer.close()

    async def ask(
        self, method: Method, url: URL, token: str, body: Mapping[str, Json] | None = None
    ) -> JsonObject:
        """The JSON object a request is answered with.

        Raises:
            PlatformError: The answer is an error, or no JSON object.
        """
        answer = await self.open(method, url, token, body)
        try:
            return load_object(COPILOT, await answer.read())
        finally:
            answer.close()
