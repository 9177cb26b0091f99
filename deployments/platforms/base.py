"""The protocol every platform's adapter fulfils, and the connection it is given."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from typing_extensions import override

from deployments.platforms.models import ListedModel
from routing.exchange import ChatChunk, ChatReply, ChatRequest

HOSTED_MCP = "hosted_mcp"
"""The option of a vendor that calls reading tools at our address by itself."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach one platform.

    `credential` is read inside the replica that needs it, never passed through Ray.
    `base_url` is None for the vendor's own address. `max_connections` bounds the pool
    that one replica holds. `options` are what this vendor alone needs to be told, by the
    names of its settings (`deployment`, `project_id`, `bot_id`, ...); its adapter reads them.
    """

    credential: str
    base_url: str | None = None
    max_connections: int = 1000
    options: Mapping[str, str] = field(default_factory=dict)

    @override
    def __repr__(self) -> str:
        return f"Connection(base_url={self.base_url!r}, credential=<hidden>)"


class Platform(Protocol):
    """One vendor's chat model.

    All calls raise `routing.errors.PlatformError` and nothing else of the vendor's;
    cancelling them closes the connection to the vendor. `deadline_s` is what is left,
    in seconds, for the whole answer; running over it is a PlatformError of kind timeout.
    """

    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        """The whole answer."""
        ...

    def stream(self, request: ChatRequest, deadline_s: float) -> AsyncGenerator[ChatChunk, None]:
        """Text as it comes, then exactly one `ReplyDone`; a stream without it was cut.

        A generator, so that a caller who leaves can close it at once (`contextlib.aclosing`).
        """
        ...

    async def models(self) -> tuple[ListedModel, ...]:
        """The models on offer, as the vendor's own list has them; none where it has no list.

        For the background: it opens a connection of its own, and may take half a minute.
        """
        return ()

    async def aclose(self) -> None:
        """Give the connections back."""
        ...
