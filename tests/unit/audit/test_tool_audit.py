"""Tools on record: what changes something only after it is on disk, and never what it was told."""

from pathlib import Path

import pytest
from mcp_types import CallToolResult

from actors.audit import AuditUnavailable
from deployments.mcp_gateway.gateway import Gateway
from routing.clock import ManualClock
from routing.errors import AccessError
from routing.message import JsonObject
from tests.audit_world import AuditWorld
from tests.unit.gateway.desk import Desk
from tests.unit.gateway.tool_world import Shop, caller, said, tool

MAY = ("mcp:tools", "customers:change", "customers:any")


@pytest.fixture
def world(tmp_path: Path) -> AuditWorld:
    return AuditWorld(tmp_path)


async def test_a_call_that_changes_something_is_recorded_before_it_is_made(
    world: AuditWorld,
) -> None:
    """And a call that reads when it is over; neither with an argument, an answer or the customer's id."""
    shop = Shop(tool("refund", side_effect="money"), tool("look"))
    who = caller(*MAY, customer="ann@example.org")
    async with world.trail() as trail:
        gateway = Gateway([shop], ManualClock(), trail=trail)
        await gateway.call(who, "shop__look", {"invoice": "in_secret"})
        await gateway.call(who, "shop__refund", {"invoice": "in_secret"})
        with pytest.raises(AccessError):
            await gateway.call(who, "shop__my secret words", {})
        sought = trail.sought("ann@example.org")
    told = [(row["action"], row["outcome"], row["reason"]) for row in world.records()][1:-1]
    assert told == [
        ("tool:shop__look", "done", "done"),
        ("tool:shop__refund", "begun", ""),
        ("tool:shop__refund", "done", "done"),
        ("tool", "denied", "unknown"),
    ]
    assert all(row["object"] in sought for row in world.records() if "shop" in str(row["action"]))
    for secret in (b"in_secret", b"ann@", b"secret words"):
        assert secret not in world.everything()


async def test_when_it_cannot_be_recorded_nothing_is_changed_and_no_approval_is_used_up(
    world: AuditWorld,
) -> None:
    """Reading goes on; the call that pays is told why, and can be made again."""
    calls: list[str] = []

    async def does(arguments: JsonObject) -> CallToolResult:
        calls.append(str(arguments["what"]))
        return said("done")

    desk = Desk("too much")
    desk.state = "approved"
    till = Shop(tool("refund", side_effect="money"), tool("look"), does=does)
    who = caller(*MAY)
    async with world.trail() as trail:
        gateway = Gateway([till], ManualClock(), desk, trail=trail)
        away = world.root.with_name("away")
        world.root.rename(away)
        refused = await gateway.call(who, "shop__refund", {"what": "refund"})
        assert refused.is_error
        assert "not on record" in refused.text
        for decide in (gateway.decide, gateway.confirm):
            with pytest.raises(AuditUnavailable):
                await decide(who.principal, "apr_1", approved=False)
        assert desk.state == "approved"
        assert not (await gateway.call(who, "shop__look", {"what": "look"})).is_error
        assert calls == ["look"]
        away.rename(world.root)
        assert not (await gateway.call(who, "shop__refund", {"what": "refund"})).is_error
        assert calls == ["look", "refund"]
        await gateway.decide(who.principal, "apr_1", approved=True)
    actions = [row["action"] for row in world.records() if row["outcome"] == "begun"]
    assert actions == ["tool:shop__refund", "approval:approve"]
