"""VertexAIAgent: Google's Vertex AI as a script asks it, over SupportMax."""

from deployments.clients.configured import Configured
from deployments.clients.door import Door
from deployments.clients.google_wire import (
    Contents,
    GeneratedContent,
    Tools,
    read_completion,
    to_messages,
    to_tools,
)

PLATFORM = "google_vertex"
# Of the two roads to the platform the one that takes tools and whole conversations.
_PATH = "/v1/chat/completions"


class VertexAIAgent:
    """Gemini in the project and location that SupportMax is configured with.

    A simulated platform has neither, and takes the place of any.
    """

    def __init__(self, project_id: str, location: str, door: Door | None = None) -> None:
        self._door = door or Door()
        expected = {"project_id": project_id, "location": location}
        self._configured = Configured(PLATFORM, expected)

    def generate_content(self, contents: Contents, tools: Tools = ()) -> GeneratedContent:
        """The model's answer to a text or to a conversation as Google writes it.

        A turn is `{"role": "user" | "model", "parts": [...]}`; a part is `{"text"}`,
        `{"function_call": {"name", "args"}}` or `{"function_response": {"name", "response"}}`.
        `tools` are functions, of which only the signature is told, or Google's
        `{"function_declarations": [...]}`. Nothing is called here: see `function_calls`.

        Raises:
            Problem: there is no answer; `configured_otherwise` where project or location is not
                SupportMax's.
        """
        body = _body(contents, tools)
        self._configured.compare(self._door)
        return read_completion(self._door.send("POST", _PATH, body))

    async def agenerate_content(self, contents: Contents, tools: Tools = ()) -> GeneratedContent:
        """The same in an event loop."""
        body = _body(contents, tools)
        await self._configured.acompare(self._door)
        return read_completion(await self._door.asend("POST", _PATH, body))


def _body(contents: Contents, tools: Tools) -> dict[str, object]:
    body: dict[str, object] = {"model": PLATFORM, "messages": to_messages(contents)}
    offered = to_tools(tools)
    return {**body, "tools": offered} if offered else body
