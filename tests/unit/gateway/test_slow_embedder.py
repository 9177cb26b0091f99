"""An embedder that does not answer costs a question its meaning, and the process nothing."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

from deployments.mcp_gateway.sources import EMBED_THREADS, EMBEDDING_MAX, Search


class Stuck:
    """A vendor who does not answer."""

    model = "m"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ends = threading.Event()

    def embed(self, texts: list[str]) -> Any:
        self.asked += texts
        self.ends.wait(30)
        raise TimeoutError


class Index:
    """More passages than are searched on the event loop."""

    model, size, vectors = "m", 50_000, object()

    def find(self, query: str, vector: object, *_: object) -> list[Any]:
        return [vector]


async def test_the_threads_of_a_stuck_embedder_are_not_those_of_others() -> None:
    stuck = Stuck()
    search = Search(cast("Any", SimpleNamespace(index=lambda _: Index())), cast("Any", stuck))
    try:
        questions = [f"question {n}" for n in range(2 * EMBEDDING_MAX)]
        asked = [search.find("acme", question, 5, "public") for question in questions]
        found = await asyncio.wait_for(asyncio.gather(*asked), 10)
        assert all(ranking is not None and ranking[1] == [None] for ranking in found)
        assert len(stuck.asked) == EMBED_THREADS
    finally:
        stuck.ends.set()


async def test_a_place_is_free_again_when_the_embedder_has_answered() -> None:
    stuck = Stuck()
    stuck.ends.set()
    search = Search(cast("Any", SimpleNamespace(index=lambda _: Index())), cast("Any", stuck))
    for n in range(EMBEDDING_MAX + 1):
        await search.find("acme", f"question {n}", 5, "public")
    assert len(stuck.asked) == EMBEDDING_MAX + 1
