"""A question goes to every source; one that fails is named and the rest answer."""

import asyncio
from collections.abc import Sequence

import pytest
from typing_extensions import override

from actors.audience import Audience
from actors.knowledge import Passage
from deployments.mcp_gateway.context import SOURCE_DEADLINE_S, ContextGateway, Source
from tests.unit.virtual_time import VirtualTimeLoop


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


class Shelf(Source):
    """A source that finds these, for anybody."""

    def __init__(self, *ids: str) -> None:
        self._found = [passage(id_) for id_ in ids]
        self.asked: list[tuple[str, str, str | None, int, Audience]] = []

    @override
    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int, reach: Audience
    ) -> Sequence[Passage]:
        self.asked.append((tenant, query, user_id, limit, reach))
        return self._found


class Broken(Source):
    """A source that raises."""

    @override
    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int, reach: Audience
    ) -> Sequence[Passage]:
        raise OSError("the index is gone")


class Hanging(Source):
    """A source that never answers, and notes that it was given up."""

    def __init__(self) -> None:
        self.given_up = False

    @override
    async def search(
        self, tenant: str, query: str, user_id: str | None, limit: int, reach: Audience
    ) -> Sequence[Passage]:
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up = True
        raise AssertionError("unreachable")


def passage(id_: str) -> Passage:
    return Passage("vector_store", id_, id_, f"text of {id_}", "public")


def ids(passages: Sequence[Passage]) -> list[str]:
    return [found.id for found in passages]


async def test_a_failing_source_is_named_and_the_rest_answer() -> None:
    """The customer gets what there is; whoever looks sees what was missing."""
    gateway = ContextGateway({"good": Shelf("a", "b"), "broken": Broken()})
    context = await gateway.get_context("acme", "refund?", None)
    assert ids(context.passages) == ["a", "b"]
    assert context.degraded == ("broken",)


async def test_a_hanging_source_costs_its_deadline_and_no_more() -> None:
    """It is given up, named, and left nothing running."""
    hanging, loop = Hanging(), asyncio.get_running_loop()
    began = loop.time()
    context = await ContextGateway({"slow": hanging, "good": Shelf("a")}).get_context(
        "acme", "refund?", None
    )
    assert loop.time() - began == pytest.approx(SOURCE_DEADLINE_S)
    assert (ids(context.passages), context.degraded) == (["a"], ("slow",))
    assert hanging.given_up


async def test_a_caller_who_leaves_is_not_mistaken_for_a_failing_source() -> None:
    """Cancelling the question cancels it; it does not come back as degraded."""
    asking = asyncio.create_task(
        ContextGateway({"slow": Hanging()}).get_context("acme", "refund?", None)
    )
    await asyncio.sleep(0.1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_what_two_sources_agree_on_comes_first() -> None:
    """Ranks are fused: second in both beats first in one."""
    gateway = ContextGateway({"one": Shelf("a", "b"), "two": Shelf("c", "b")})
    context = await gateway.get_context("acme", "refund?", None)
    assert ids(context.passages) == ["b", "a", "c"]


async def test_the_limit_holds_for_all_sources_together() -> None:
    """Six passages are six, however many sources there are."""
    gateway = ContextGateway({"one": Shelf(*"abcdef"), "two": Shelf(*"uvwxyz")})
    assert len((await gateway.get_context("acme", "q", None)).passages) == 6


async def test_only_the_sources_asked_for_are_asked_and_each_once() -> None:
    """Tenant, customer and limit reach the source as they were given."""
    one, two = Shelf("a"), Shelf("b")
    gateway = ContextGateway({"one": one, "two": two})
    context = await gateway.get_context("acme", "q", "user_1", ["two", "two"], 3, "agent")
    assert (one.asked, two.asked) == ([], [("acme", "q", "user_1", 3, "agent")])
    assert ids(context.passages) == ["b"]


async def test_no_source_at_all_is_no_error() -> None:
    """A caller may ask for an answer from the conversation alone."""
    context = await ContextGateway({"one": Shelf("a")}).get_context("acme", "q", None, [])
    assert (context.passages, context.degraded) == ((), ())


async def test_what_has_no_room_is_left_out_and_said() -> None:
    """A context of 50 tokens holds as many passages as that, the best first."""
    gateway = ContextGateway({"one": Shelf(*(f"{n}" * 60 for n in range(6)))})
    context = await gateway.get_context("acme", "q", None, max_tokens=50)
    assert len(context.passages) == 2
    assert context.cut
    assert not (await gateway.get_context("acme", "q", None)).cut


async def test_a_first_passage_that_is_too_long_is_given_as_far_as_it_goes() -> None:
    """Something is better than nothing, and it is said that it is not all."""
    context = await ContextGateway({"one": Shelf("a" * 500)}).get_context(
        "acme", "q", None, max_tokens=50
    )
    (passage,) = context.passages
    assert len(passage.text) == 150
    assert context.cut
