"""A platform through our adapter, as a replica asks it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from deployments.platforms.base import Connection
from deployments.platforms.registry import open_platform
from routing.exchange import ChatRequest, TextDelta
from routing.message import Message
from tests.bench.contestant import ANSWER_TIMEOUT_S, Part


class Ours:
    """The adapter of one platform."""

    def __init__(self, part: Part) -> None:
        connection = Connection(part.key, part.base_url, options=part.options)
        self._platform = open_platform(part.platform, connection)
        asked = (Message("user", part.question),)
        self._request = ChatRequest(part.model, asked, max_tokens=4000)

    async def complete(self) -> str:
        """The text of the whole answer."""
        return (await self._platform.complete(self._request, ANSWER_TIMEOUT_S)).text

    async def stream(self) -> AsyncGenerator[str]:
        """The same text as it comes."""
        answer = self._platform.stream(self._request, ANSWER_TIMEOUT_S)
        async with aclosing(answer) as chunks:
            async for chunk in chunks:
                if isinstance(chunk, TextDelta):
                    yield chunk.text

    async def aclose(self) -> None:
        """Give the connections back."""
        await self._platform.aclose()
