"""What is remembered of a customer is a source like others, with who said so."""

from pathlib import Path

import pytest

from actors.database import NewTurn, open_database
from actors.memory import Said, make_memory
from actors.window_store import InProcessWindows
from deployments.mcp_gateway.context import ContextGateway
from deployments.mcp_gateway.sources import Remembered
from routing.clock import ManualClock


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_facts_that_share_words_with_the_question_are_found_with_their_source(
    tmp_path: Path,
) -> None:
    database, clock = open_database(tmp_path / "x.db"), ManualClock()
    await database.migrate()
    memory = make_memory(database, InProcessWindows(clock), clock)
    turns = [NewTurn("user", "I use the Team plan; write in Spanish", 1_767_225_600.0)]
    await memory.conversations.append("acme", "conv_1", "ann", turns)
    for attribute, value in (("plan", "Team"), ("preferred_language", "Spanish")):
        said = Said("conv_1", 1)
        await memory.facts.remember_said("acme", "ann", attribute, value, said, "key:1")
    context = ContextGateway({"memory": Remembered(memory.facts)})
    found = await context.get_context("acme", "Which plans can I change to?", "ann")
    (passage,) = found.passages
    assert (passage.source, passage.text) == ("memory", "plan: Team")
    assert passage.title == "Said by the customer on 2026-01-01 (conv_1#1)"
    for tenant, user in (("acme", "bob"), ("globex", "ann"), ("acme", None)):
        assert not (await context.get_context(tenant, "Which plan?", user)).passages
    await database.aclose()
    gone = await context.get_context("acme", "Which plan?", "ann")
    assert (gone.passages, gone.degraded) == ((), ("memory",))
