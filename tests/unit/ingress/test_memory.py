"""/v3/memory/{user_id}: shown and erased for who may, and for the tenant it belongs to."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import Request

from actors.database import NewTurn, open_database
from actors.memory import Memory, Said, Step, make_memory
from actors.window_store import InProcessWindows
from deployments.ingress import api
from deployments.ingress.approvals import ApprovalRoutes
from deployments.ingress.gateway_operations import approval_operations
from deployments.ingress.memory import MemoryRoutes, memory_operations
from deployments.ingress.route_audit import is_change
from deployments.security.principal import Principal
from routing.clock import ManualClock

PERMISSIONS = frozenset({"users:erase", "customers:any", "mcp:context"})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncIterator[Memory]:
    database, clock = open_database(tmp_path / "x.db"), ManualClock()
    await database.migrate()
    memory = make_memory(database, InProcessWindows(clock), clock)
    turns = [NewTurn("user", "I am on Team", 10.0), NewTurn("assistant", "Good.", 10.0)]
    for tenant in ("acme", "globex"):
        await memory.episodes.append(tenant, "conv_1", "ann", turns)
        said = Said("conv_1", 1)
        await memory.facts.remember_said(tenant, "ann", "plan", "Team", said, "key:1")
        await memory.runbooks.publish(tenant, "refund", "Refund", [Step("look", "Look.")])
        await memory.runbooks.start(tenant, "ann", "conv_1", "refund", "key:1")
    yield memory
    await database.aclose()


def asking(memory: Memory, tenant: str, permissions: frozenset[str]) -> httpx2.AsyncClient:
    async def authenticate(request: Request) -> Principal:
        return Principal(tenant, "key:1", permissions=permissions)

    table = memory_operations(MemoryRoutes(memory, ManualClock()))
    app = api.application(table, authenticate, PERMISSIONS, 1_000)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://t")


async def test_what_is_remembered_is_shown_without_the_texts_of_conversations(
    memory: Memory,
) -> None:
    async with asking(memory, "acme", PERMISSIONS) as http:
        shown = (await http.get("/v3/memory/ann")).json()
    (fact,), (conversation,), (run,) = (
        shown[kind] for kind in ("facts", "conversations", "runbook_runs")
    )
    assert (fact["attribute"], fact["value"], fact["source_ref"]) == ("plan", "Team", "conv_1#1")
    assert (conversation["id"], conversation["turns"]) == ("conv_1", 2)
    assert (run["runbook"], run["state"]) == ("refund", "running")
    assert not shown["cut"]
    assert "Good." not in str(shown)


async def test_what_is_erased_is_counted_and_another_tenants_is_left(memory: Memory) -> None:
    async with asking(memory, "acme", PERMISSIONS) as http:
        erased = (await http.delete("/v3/memory/ann")).json()
        assert erased["erased"] == {
            "kept_answers": 0, "turns": 2, "runbook_steps": 0,
            "conversations": 1, "facts": 1, "runbook_runs": 1,
        }  # fmt: skip
        assert erased["complete"] is True
        shown = (await http.get("/v3/memory/ann")).json()
        assert [shown[kind] for kind in ("facts", "conversations", "runbook_runs")] == [[]] * 3
    async with asking(memory, "globex", PERMISSIONS) as http:
        assert len((await http.get("/v3/memory/ann")).json()["facts"]) == 1


@pytest.mark.parametrize(("without", "status"), [("users:erase", 403), ("customers:any", 404)])
async def test_who_may_not_neither_sees_nor_erases(
    memory: Memory, without: str, status: int
) -> None:
    async with asking(memory, "acme", PERMISSIONS - {without}) as http:
        assert (await http.get("/v3/memory/ann")).status_code == status
        assert (await http.delete("/v3/memory/ann")).status_code == status
    assert await memory.facts.recall("acme", "ann")


def test_whoever_looks_at_a_customers_own_data_is_on_record_before_they_see_it() -> None:
    """Where that cannot be written, nothing is shown: memory, and the arguments of waiting calls."""
    nothing: Any = None
    clock = ManualClock()
    shown = [
        *memory_operations(MemoryRoutes(nothing, clock)),
        *approval_operations(ApprovalRoutes(nothing, nothing, clock)),
    ]
    assert all(is_change(op) for op in shown)
