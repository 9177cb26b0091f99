"""MCPGateway: what the company knows about a question, for a script that answers by itself.

Over `POST /v3/mcp/context`. Clients of the protocol itself speak to `/mcp`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from deployments.clients.door import Door
from deployments.clients.problem import Problem

_CONTEXT = "/v3/mcp/context"


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that can be quoted, where it is from, and who may read it."""

    source: str
    id: str
    title: str
    text: str
    score: float
    url: str | None = None
    audience: str = "public"


@dataclass(frozen=True, slots=True)
class Context:
    """What was found, best first. `degraded` names sources that failed; `cut`: some had no room."""

    passages: tuple[Passage, ...]
    degraded: tuple[str, ...] = ()
    cut: bool = False
    took_ms: float = 0.0

    def __iter__(self) -> Iterator[Passage]:
        return iter(self.passages)


_READ = TypeAdapter(Context)


class MCPGateway:
    """The gateway of a running SupportMax; without a `door` where the environment says."""

    def __init__(self, door: Door | None = None) -> None:
        self._door = Door() if door is None else door

    async def get_context(
        self,
        query: str,
        user_id: str | None = None,
        sources: Sequence[str] | None = None,
        limit: int | None = None,
        max_tokens: int | None = None,
    ) -> Context:
        """The best passages of all sources asked; None is all that are switched on.

        `user_id` is whom is asked about. What may be read is settled by the key.

        Raises:
            Problem: there is no answer; `code` says why.
        """
        return _read(
            await self._door.asend(
                "POST", _CONTEXT, _body(query, user_id, sources, limit, max_tokens)
            )
        )

    def get_context_sync(
        self,
        query: str,
        user_id: str | None = None,
        sources: Sequence[str] | None = None,
        limit: int | None = None,
        max_tokens: int | None = None,
    ) -> Context:
        """The same where there is no event loop."""
        return _read(
            self._door.send("POST", _CONTEXT, _body(query, user_id, sources, limit, max_tokens))
        )


def _body(
    query: str,
    user_id: str | None,
    sources: Sequence[str] | None,
    limit: int | None,
    max_tokens: int | None,
) -> dict[str, object]:
    said = {
        "user_id": user_id,
        "sources": None if sources is None else [*sources],
        "limit": limit,
        "max_tokens": max_tokens,
    }
    return {"query": query} | {name: value for name, value in said.items() if value is not None}


def _read(answer: Mapping[str, object]) -> Context:
    try:
        return _READ.validate_python(answer)
    except ValidationError as error:
        raise Problem("unexpected_reply", f"This is no context of SupportMax: {error}") from error
