"""The memory server behind the gateway: bound to its customer, and nothing is made up."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.requests import Request

from actors.database import NewTurn, open_database
from actors.memory import Memory, Step, make_memory
from actors.window_store import InProcessWindows
from config.gateway import GatewaySecurity
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.endpoint import Endpoint
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.servers.memory import RULES, memory_server
from deployments.mcp_gateway.tool import ToolOutcome
from deployments.mcp_gateway.wire import mcp_server
from deployments.security.principal import Principal
from routing.clock import ManualClock
from routing.errors import AccessError

ALL = frozenset({"mcp:context", "mcp:tools", "customers:any"})


class Desk:
    """The gateway with the memory server, and what it remembers."""

    def __init__(self, gateway: Gateway, memory: Memory) -> None:
        self.gateway = gateway
        self.memory = memory

    async def call(
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        *,
        customer: str | None = "ann",
        permissions: frozenset[str] = ALL,
        tainted: bool = True,
    ) -> ToolOutcome:
        principal = Principal("acme", "key:1", frozenset(), permissions)
        asking = Caller(principal, customer, f"conv_{customer}", tainted=tainted)
        return await self.gateway.call(asking, f"memory__{name}", arguments or {})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    database, clock = open_database(tmp_path / "x.db"), ManualClock(100.0)
    await database.migrate()
    memory = make_memory(database, InProcessWindows(clock), clock)
    for user in ("ann", "bob"):
        turns = [
            NewTurn("user", f"I am {user}. <b>Spanish</b> please", 50.0),
            NewTurn("assistant", "Gladly, in Portuguese.", 50.0),
        ]
        await memory.conversations.append("acme", f"conv_{user}", user, turns)
    yield Desk(Gateway([await memory_server(memory)], clock), memory)
    await database.aclose()


def body(outcome: ToolOutcome) -> dict[str, Any]:
    assert not outcome.is_error, outcome.text
    return cast("dict[str, Any]", outcome.structured)


async def test_what_the_customer_said_is_remembered_and_recalled_as_their_words(desk: Desk) -> None:
    given = {"attribute": "preferred_language", "value": "Spanish", "turn": 1}
    kept = body(await desk.call("remember", given))
    assert kept["source_ref"] == "conv_ann#1"
    recalled = await desk.call("recall")
    assert body(recalled)["facts"] == [kept]
    assert recalled.trust == "untrusted"
    assert recalled.text.startswith('<untrusted source="memory__recall">')
    assert body(await desk.call("recall", customer="bob"))["facts"] == []


@pytest.mark.parametrize(
    ("value", "turn"), [("German", 1), ("Portuguese", 2), ("Spanish", 3), ("I am bob", 1)]
)
async def test_what_a_model_makes_up_is_not_remembered(desk: Desk, value: str, turn: int) -> None:
    given = {"attribute": "preferred_language", "value": value, "turn": turn}
    outcome = await desk.call("remember", given)
    assert outcome.is_error
    assert "no_source" in outcome.text
    assert body(await desk.call("recall"))["facts"] == []


async def test_a_model_cannot_name_another_customer_or_conversation(desk: Desk) -> None:
    """No tool has such an argument, and one that is sent along changes nothing."""
    tools = await desk.gateway.tools(Caller(Principal("acme", "k", frozenset(), ALL), "ann"))
    assert {tool.local_name for tool in tools} == set(RULES)
    for tool in tools:
        named = set(cast("dict[str, Any]", tool.input_schema.get("properties", {})))
        assert not named & {"user_id", "customer", "tenant", "conversation_id"}
    said = await desk.call("conversation", {"user_id": "bob", "conversation_id": "conv_bob"})
    assert "bob" not in said.text


async def test_a_customers_own_key_reaches_nobody_else(desk: Desk) -> None:
    own = frozenset({"mcp:context", "mcp:tools"})
    outcome = await desk.call("recall", customer="bob", permissions=own)
    assert outcome.is_error
    assert "no such customer" in outcome.text.lower()


async def test_staff_without_a_customer_have_to_bind_one(desk: Desk) -> None:
    outcome = await desk.call("recall", customer=None)
    assert outcome.is_error
    assert "customer_needed" in outcome.text


async def test_after_untrusted_words_nothing_is_written_without_a_bound_customer(
    desk: Desk,
) -> None:
    outcome = await desk.call("forget", {"attribute": "preferred_language"}, customer=None)
    assert outcome.needs_approval is not None


async def test_who_may_only_read_sees_no_tool_that_writes(desk: Desk) -> None:
    reads = frozenset({"mcp:context", "customers:any"})
    with pytest.raises(AccessError, match="Unknown tool"):
        await desk.call("remember", {}, permissions=reads)
    assert body(await desk.call("recall", permissions=reads))["facts"] == []


async def test_the_conversation_comes_numbered_and_within_its_budget(desk: Desk) -> None:
    said = body(await desk.call("conversation", {"max_tokens": 100}))
    assert [turn["turn"] for turn in said["turns"]] == [1, 2]
    assert said["tokens"] <= 100


async def test_a_runbook_is_run_step_by_step_through_the_gateway(desk: Desk) -> None:
    steps = [Step("look", "Look."), Step("ask", "Ask.", shown_by="customer")]
    await desk.memory.runbooks.publish("acme", "refund", "Refund", steps)
    offered = body(await desk.call("runbooks"))["runbooks"]
    assert offered[0]["steps"] == ["look: Look.", "ask: Ask."]
    run = body(await desk.call("runbook_start", {"name": "refund"}))
    given = {"run_id": run["run_id"], "step": "ask", "outcome": "done"}
    skipped = await desk.call("runbook_step", given)
    assert "not_the_next_step" in skipped.text
    run = body(await desk.call("runbook_step", given | {"step": "look"}))
    assert (run["state"], run["next_step"], run["next_shown_by"]) == ("running", "ask", "customer")
    claimed = await desk.call("runbook_step", given | {"turn": 1, "quote": "Spanish"})
    assert "not_shown" in claimed.text  # it was said before the run began
    turns = [NewTurn("user", "Yes, refund it", 200.0)]
    await desk.memory.conversations.append("acme", "conv_ann", "ann", turns)
    run = body(await desk.call("runbook_step", given | {"turn": 3, "quote": "yes, refund"}))
    assert run["state"] == "done"
    foreign = await desk.call("runbook_run", {"run_id": run["run_id"]}, customer="bob")
    assert "not_found" in foreign.text


async def test_a_database_that_is_away_is_said_without_its_words(
    desk: Desk, tmp_path: Path
) -> None:
    database = open_database(tmp_path / "other.db")
    await database.migrate()
    await database.aclose()
    clock = ManualClock()
    gone = await memory_server(make_memory(database, InProcessWindows(clock), clock))
    outcome = await Desk(Gateway([gone], clock), desk.memory).call("recall")
    assert outcome.is_error
    assert "unavailable: Memory cannot be reached just now." in outcome.text
    assert "closed" not in outcome.text


@asynccontextmanager
async def connected(desk: Desk, **headers: str) -> AsyncIterator[Client]:
    """A client of the protocol, bound to a customer and a conversation by its own settings."""

    async def authenticate(request: Request) -> Principal:
        return Principal("acme", "key:1", frozenset(), ALL)

    endpoint = Endpoint(mcp_server(desk.gateway, [b"k" * 32], "1"), authenticate, GatewaySecurity())
    sent = {f"X-SupportMax-{name}": value for name, value in headers.items()}
    async with (
        endpoint._sessions.run(),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(endpoint), headers=sent) as http,
        Client(streamable_http_client("http://localhost/mcp", http_client=http)) as client,
    ):
        yield client


async def test_over_the_wire_a_guessed_conversation_or_run_of_another_is_unknown(
    desk: Desk,
) -> None:
    """Bound to ann, and everything that is named is bob's."""
    await desk.memory.runbooks.publish("acme", "refund", "Refund", [Step("look", "Look.")])
    run = await desk.memory.runbooks.start("acme", "bob", "conv_bob", "refund", "key:1")
    given = {"attribute": "language", "value": "Spanish", "turn": 1}
    assert not (await desk.call("remember", given, customer="bob")).is_error
    step = {"run_id": run.row.id, "step": "look", "outcome": "done"}
    async with connected(desk, Customer="ann", Conversation="conv_bob") as client:
        asked: list[tuple[str, dict[str, Any]]] = [
            ("conversation", {}),
            ("remember", given),
            ("runbook_run", {"run_id": run.row.id}),
            ("runbook_step", step),
        ]
        for name, arguments in asked:
            refused = await client.call_tool(f"memory__{name}", arguments)
            assert refused.is_error
            assert "I am bob" not in str(refused.content)
        found = (await client.call_tool("memory__recall", {})).structured_content
        assert found == {"facts": []}
        removed = await client.call_tool("memory__forget", {"attribute": "language"})
        assert removed.structured_content == {"removed": 0}
    async with connected(desk, Customer="bob", Conversation="conv_bob") as client:
        recalled = await client.call_tool("memory__recall", {})
        assert "Spanish" in str(recalled.structured_content)
        assert recalled.content[0].type == "text"
        assert recalled.content[0].text.startswith("<untrusted ")
