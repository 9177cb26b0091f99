"""Talking to the product: a question it can answer, and reading a stream of events to its end."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx2

MESSAGE = "I was charged twice in November. Do I get my money back?"
OTHER: Mapping[str, str] = {"openai": "anthropic", "anthropic": "openai"}
# A source that is late on a busy machine is left out of an answer, which says so; not for so long.
WHOLE_S = 20.0
_LOOK_S = 0.1

T = TypeVar("T")


async def whole(ask: Callable[[], Awaitable[T]], missing: Callable[[T], object]) -> T:
    """What is answered once nothing of it is `missing`, which an answer itself says."""
    until = time.monotonic() + WHOLE_S
    while found := missing(answer := await ask()):
        assert time.monotonic() < until, f"still missing: {found}"
        await asyncio.sleep(_LOOK_S)
    return answer


@dataclass
class Heard:
    """What came of one stream. `status` is 200 unless it was refused before it began."""

    status: int = 0
    events: list[tuple[str, Any]] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    broke: Exception | None = None

    @property
    def names(self) -> list[str]:
        """The events' names in their order."""
        return [name for name, _ in self.events]

    @property
    def text(self) -> str:
        """The text of all deltas."""
        return "".join(data["text"] for name, data in self.events if name == "delta")

    @property
    def done(self) -> Any:
        """The answer, None if there was none."""
        return self.events[-1][1] if self.events and self.events[-1][0] == "done" else None

    @property
    def error(self) -> Any:
        """The problem document it ended in, None if in none."""
        return self.events[-1][1] if self.events and self.events[-1][0] == "error" else None

    def assert_honest(self) -> None:
        """It ended in exactly one `done` with the whole text, or in one explicit error."""
        ends = [name for name in self.names if name in {"done", "error"}]
        assert self.status == 200, (self.status, self.events)
        assert len(ends) == 1, (self.names, self.broke)
        assert self.names[-1] == ends[0]
        if self.done is not None:
            assert self.text == self.done["text"]
            assert self.text


async def events(
    http: httpx2.AsyncClient, body: Mapping[str, object], path: str = "/v3/chat"
) -> AsyncGenerator[tuple[str, Any], None]:
    """The events as they come; a comment has the name "comment", a refusal "problem"."""
    async with http.stream(
        "POST", path, json={"message": MESSAGE, **body, "stream": True}
    ) as answer:
        if answer.status_code != 200:
            yield "problem", json.loads(await answer.aread())
            return
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = ""
        async for line in answer.aiter_lines():
            kind, _, value = line.partition(": ")
            match kind:
                case "event":
                    name = value
                case "data":
                    yield name, json.loads(value)
                case "":
                    if value:
                        yield "comment", value
                case unknown:
                    raise AssertionError(unknown)


async def listen(
    http: httpx2.AsyncClient, body: Mapping[str, object] | None = None, path: str = "/v3/chat"
) -> Heard:
    """A stream read to its end, whatever the end is; a connection that broke is noted, not raised."""
    heard = Heard()
    await listen_into(heard, http, body or {}, path)
    return heard


async def listen_into(
    heard: Heard, http: httpx2.AsyncClient, body: Mapping[str, object], path: str = "/v3/chat"
) -> None:
    """The same into `heard`, which others may watch meanwhile."""
    try:
        async for name, data in events(http, body, path):
            match name:
                case "comment":
                    heard.comments.append(data)
                case "problem":
                    heard.status = data["status"]
                    heard.events.append(("problem", data))
                case _:
                    heard.status = 200
                    heard.events.append((name, data))
    except httpx2.HTTPError as error:
        heard.broke = error
