"""A yes to a tool of somebody else's server, which cannot undo and may do things twice: it is used once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from mcp.server import MCPServer
from mcp_types import InputRequiredResult

from deployments.mcp_gateway.business.approval_queue import requester_of
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.mounted import Mounted, Rule
from deployments.mcp_gateway.tool import Approval, ToolOutcome
from deployments.mcp_gateway.tool_server import Exchange
from deployments.security.principal import Principal
from routing.errors import AccessError
from routing.message import JsonObject
from tests.unit.gateway.tool_world import Shop, tool
from tests.unit.tools.desk import Desk, calling, opened, person

if TYPE_CHECKING:
    from mcp.server import ServerRequestContext


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


async def test_a_question_in_an_approved_call_is_a_failure_and_stays_one(tmp_path: Path) -> None:
    """And nothing that reads like a success: nobody has done anything."""
    asked: list[JsonObject] = []

    async def ask(arguments: JsonObject) -> InputRequiredResult:
        asked.append(arguments)
        return InputRequiredResult(input_requests=None, request_state="s")

    async with opened(tmp_path / "x.db") as desk:
        send = tool("send", side_effect="egress", trust="untrusted")
        gateway = Gateway([Shop(send, does=ask)], desk.clock, desk.queue)
        client, over = (
            calling(tainted=True),
            Exchange(wire=cast("ServerRequestContext[Any, Any]", object())),
        )
        waiting = (await gateway.call(client, send.name, {}, exchange=over)).needs_approval
        assert waiting is not None
        await gateway.decide(person("supervisor", "sue"), waiting.id, approved=True)
        first = await gateway.call(client, send.name, {}, exchange=over)
        again = await gateway.call(client, send.name, {}, exchange=replace(over, state="s"))
    assert (first.is_error, first.needs_input, again.is_error) == (True, None, True)
    assert "asks its user something" in first.text
    assert "asks its user something" in again.text
    assert len(asked) == 1


async def test_nobody_approves_a_call_of_a_tool_that_they_are_not_offered(tmp_path: Path) -> None:
    """The yes would be kept, and whoever asked would make the call with it."""
    async with opened(tmp_path / "x.db") as desk:
        shop = Shop(tool("pay", side_effect="money", permission="shop:pay", trust="untrusted"))
        gateway = Gateway([shop], desk.clock, desk.queue)
        asker = calling(tainted=True)
        asker = replace(asker, principal=_may_pay(asker.principal))
        waiting = (await gateway.call(asker, "shop__pay", {})).needs_approval
        assert waiting is not None
        sue = person("supervisor", "sue")
        with pytest.raises(AccessError, match="offered its tool"):
            await gateway.decide(sue, waiting.id, approved=True)
        assert (await gateway.call(asker, "shop__pay", {})).needs_approval == waiting
        assert shop.calls == []
        shown = await gateway.decide(
            _may_pay(person("supervisor", "bob")), waiting.id, approved=True
        )
        assert shown.state == "approved"
        assert (await gateway.call(asker, "shop__pay", {})).text != ""
        assert len(shop.calls) == 1


async def test_who_is_not_offered_a_tool_may_still_say_no(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as desk:
        shop = Shop(tool("pay", side_effect="money", permission="shop:pay", trust="untrusted"))
        gateway = Gateway([shop], desk.clock, desk.queue)
        asker = calling(tainted=True)
        asker = replace(asker, principal=_may_pay(asker.principal))
        waiting = (await gateway.call(asker, "shop__pay", {})).needs_approval
        assert waiting is not None
        shown = await gateway.decide(person("supervisor", "sue"), waiting.id, approved=False)
        assert shown.state == "refused"


async def test_what_somebody_asked_for_who_was_put_out_since_is_not_made(tmp_path: Path) -> None:
    """Nor where they are back: it was asked for before."""
    async with opened(tmp_path / "x.db") as desk:
        shop, ended_at = Shop(tool("pay", side_effect="money")), float("inf")

        async def must_stand(principal: Principal) -> None:
            assert principal.as_of is not None
            if principal.as_of < ended_at:
                raise AccessError("unauthenticated", "Whoever this is for is not active here.")

        gateway = Gateway([shop], desk.clock, desk.queue)
        waiting = (await gateway.call(calling(tainted=True), "shop__pay", {})).needs_approval
        assert waiting is not None
        sue = person("supervisor", "sue")
        await gateway.decide(sue, waiting.id, approved=True)
        row = await desk.approvals.get(sue.tenant, waiting.id, desk.clock.now())
        assert row is not None
        late = Gateway([shop], desk.clock, desk.queue, must_stand=must_stand)
        with pytest.raises(AccessError, match="Nothing was done"):
            await late.call(requester_of(row, sue), row.tool, row.arguments)
        assert shop.calls == []
        ended_at = row.requested_at
        assert not (await late.call(requester_of(row, sue), row.tool, row.arguments)).is_error
        assert len(shop.calls) == 1


def _may_pay(principal: Principal) -> Principal:
    return replace(principal, permissions=principal.permissions | {"shop:pay"})


async def test_a_yes_that_only_the_requester_can_use_waits_for_them(tmp_path: Path) -> None:
    """Where the server knows callers one by one, who approves has no token of theirs."""
    async with opened(tmp_path / "x.db") as desk:
        shop = Shop(
            replace(tool("send", side_effect="egress", trust="untrusted"), is_personal=True)
        )
        gateway = Gateway([shop], desk.clock, desk.queue)
        signed_on = replace(calling(tainted=True), subject_token="t")  # noqa: S106  anybody's
        waiting = (await gateway.call(signed_on, "shop__send", {})).needs_approval
        assert waiting is not None
        sue = person("supervisor", "sue")
        await gateway.decide(sue, waiting.id, approved=True)
        row = await desk.approvals.get(sue.tenant, waiting.id, desk.clock.now())
        assert row is not None
        outcome = await gateway.call(requester_of(row, sue), row.tool, row.arguments)
        assert "somebody who signed on" in outcome.text
        assert shop.calls == []
        assert not (await gateway.call(signed_on, "shop__send", {})).is_error
        assert shop.calls == [("send", {})]
