"""A yes to a tool of somebody else's server, which cannot undo and may do things twice: it is used once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from mcp.server import MCPServer

from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.mounted import Mounted, Rule
from deployments.mcp_gateway.tool import Approval, ToolOutcome
from tests.unit.tools.desk import Desk, calling, opened, person


class Bank:
    """Pays as often as it is told."""

    def __init__(self) -> None:
        self.paid: list[int] = []
        self.breaks = False


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[tuple[Bank, Desk]]:
    told = Bank()
    server: MCPServer[object] = MCPServer("bank")

    @server.tool(title="Pay")
    async def pay(usd: int) -> str:
        told.paid.append(usd)
        if told.breaks:
            raise ConnectionResetError
        return "paid"

    rule = Rule("mcp:tools", "money", 5.0, "untrusted")
    mounted = await Mounted.mount("bank", "mcp:tools", server, {"pay": rule})
    async with opened(tmp_path / "x.db") as desk:
        gateway = Gateway([mounted], desk.clock, desk.queue)
        yield (
            told,
            Desk(desk.database, desk.runner, desk.approvals, desk.queue, gateway, desk.clock),
        )


async def pay(desk: Desk, usd: int = 5) -> ToolOutcome:
    return await desk.gateway.call(calling(tainted=True), "bank__pay", {"usd": usd})


async def approved(desk: Desk) -> Approval:
    waiting = (await pay(desk)).needs_approval
    assert waiting is not None
    return await desk.gateway.decide(person("supervisor", "sue"), waiting.id, approved=True)


async def test_a_yes_is_used_once_however_many_call_at_once(bank: tuple[Bank, Desk]) -> None:
    told, desk = bank
    await approved(desk)
    outcomes = await asyncio.gather(*(pay(desk) for _ in range(10)))
    assert told.paid == [5]
    assert sum("paid" in outcome.text for outcome in outcomes) >= 1
    assert "paid" in (await pay(desk)).text
    assert told.paid == [5]


async def test_without_a_yes_nothing_is_paid(bank: tuple[Bank, Desk]) -> None:
    told, desk = bank
    await pay(desk)
    await pay(desk)
    assert told.paid == []


async def test_a_call_that_broke_is_not_made_again_by_itself(bank: tuple[Bank, Desk]) -> None:
    told, desk = bank
    await approved(desk)
    told.breaks = True
    assert (await pay(desk)).is_error
    assert (await pay(desk)).is_error
    assert told.paid == [5]


async def test_a_yes_that_was_taken_and_lost_is_not_given_again(bank: tuple[Bank, Desk]) -> None:
    """The process died between taking it and calling: whether it called is not known."""
    told, desk = bank
    approval = await approved(desk)
    assert await desk.queue.spend("northwind", approval.id)
    assert not await desk.queue.spend("northwind", approval.id)
    assert "not known" in (await pay(desk)).text
    assert told.paid == []
