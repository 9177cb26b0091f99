"""A platform through its vendor's own Python client, as its documentation shows it.

Each is imported where it is used: a process has one of them.
"""

from collections.abc import AsyncGenerator
from typing import Any

from tests.bench.contestant import Asker, Part

MAX_TOKENS = 4000


def open_sdk(part: Part) -> Asker:
    """The vendor's client, told no more than it needs."""
    match part.platform:
        case "openai":
            return _OpenAI(part, part.base_url)
        case "azure_openai":
            return _OpenAI(part, f"{part.base_url}/openai/v1/")
        case "anthropic":
            return _Anthropic(part)
        case "google_vertex":
            return _Google(part)
        case "copilot_studio":
            return _Copilot(part)
        case unknown:
            raise ValueError(unknown)


class _OpenAI:
    def __init__(self, part: Part, base_url: str) -> None:
        from openai import AsyncOpenAI  # noqa: PLC0415

        self._client = AsyncOpenAI(api_key=part.key, base_url=base_url, max_retries=0)
        self._asked: dict[str, Any] = {
            "model": part.model,
            "input": [{"type": "message", "role": "user", "content": part.question}],
            "max_output_tokens": MAX_TOKENS,
            "store": False,
        }

    async def complete(self) -> str:
        response = await self._client.responses.create(**self._asked)
        return str(response.output_text)

    async def stream(self) -> AsyncGenerator[str]:
        async with await self._client.responses.create(**self._asked, stream=True) as events:
            async for event in events:
                if event.type == "response.output_text.delta":
                    yield event.delta

    async def aclose(self) -> None:
        await self._client.close()


class _Anthropic:
    def __init__(self, part: Part) -> None:
        from anthropic import AsyncAnthropic  # noqa: PLC0415

        self._client = AsyncAnthropic(api_key=part.key, base_url=part.base_url, max_retries=0)
        self._asked: dict[str, Any] = {
            "model": part.model,
            "messages": [{"role": "user", "content": part.question}],
            "max_tokens": MAX_TOKENS,
        }

    async def complete(self) -> str:
        message = await self._client.messages.create(**self._asked)
        return "".join(block.text for block in message.content if block.type == "text")

    async def stream(self) -> AsyncGenerator[str]:
        async with await self._client.messages.create(**self._asked, stream=True) as events:
            async for event in events:
                if event.type == "content_block_delta" and event.delta.type == "text_delta":
                    yield event.delta.text

    async def aclose(self) -> None:
        await self._client.close()


class _Google:
    def __init__(self, part: Part) -> None:
        from google.genai import Client, types  # noqa: PLC0415
        from google.oauth2.credentials import Credentials  # noqa: PLC0415

        self._client = Client(
            enterprise=True,
            project=part.options["project_id"],
            location=part.options["location"],
            credentials=Credentials(part.key),  # type: ignore[no-untyped-call]
            http_options=types.HttpOptions(base_url=part.base_url, api_version="v1"),
        )
        config = types.GenerateContentConfig(max_output_tokens=MAX_TOKENS)
        self._asked: dict[str, Any] = {
            "model": part.model,
            "contents": part.question,
            "config": config,
        }

    async def complete(self) -> str:
        response = await self._client.aio.models.generate_content(**self._asked)
        return response.text or ""

    async def stream(self) -> AsyncGenerator[str]:
        chunks = await self._client.aio.models.generate_content_stream(**self._asked)
        async for chunk in chunks:
            if chunk.text:
                yield chunk.text

    async def aclose(self) -> None:
        await self._client.aio.aclose()
        self._client.close()


class _Copilot:
    """Direct-to-Engine has no answer but a stream. A client keeps its conversation: one each."""

    def __init__(self, part: Part) -> None:
        from microsoft_agents.copilotstudio.client import (  # noqa: PLC0415
            ConnectionSettings,
            CopilotClient,
        )

        path = "copilotstudio/dataverse-backed/authenticated/bots"
        address = f"{part.base_url}/{path}/{part.options['schema_name']}"
        self._settings = ConnectionSettings("", "", direct_connect_url=address)
        self._make = CopilotClient
        self._part = part

    async def complete(self) -> str:
        return "".join([piece async for piece in self.stream()])

    async def stream(self) -> AsyncGenerator[str]:
        client = self._make(self._settings, self._part.key)
        async for _ in client.start_conversation(emit_start_conversation_event=False):
            pass
        has_typed = False
        async for activity in client.ask_question(self._part.question):
            if activity.type == "typing" or not has_typed:
                has_typed = True
                yield activity.text or ""

    async def aclose(self) -> None:
        """It opens and closes a connection with every request."""
