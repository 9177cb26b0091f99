"""One policy for every call: what is seen, what waits, what is contained, and what is logged."""

import json
import logging
from typing import get_args

import anyio
import pytest
from mcp import MCPError
from mcp_types import CallToolResult, ElicitRequest, ElicitRequestFormParams, InputRequiredResult

from actors.database.errors import DatabaseUnavailable
from deployments.mcp_gateway import call_log, limits
from deployments.mcp_gateway.directory import LIST_DEADLINE_S
from deployments.mcp_gateway.gateway import Gateway
from deployments.mcp_gateway.tool import SideEffect
from deployments.security.principal import Principal
from routing.clock import ManualClock
from routing.errors import AccessError
from routing.message import JsonObject
from tests.unit.gateway.desk import Desk
from tests.unit.gateway.tool_world import Shop, caller, hang, said, tool
from tests.unit.virtual_time import LoopClock, VirtualTimeLoop

BOTH = ("mcp:tools", "mcp:context")
_CHANGES: tuple[SideEffect, ...] = tuple(set(get_args(SideEffect)) - {"read"})


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


def gateway(*servers: Shop, approvals: Desk | None = None) -> Gateway:
    return Gateway(servers, LoopClock(), approvals)


async def test_tools_are_listed_by_name_and_only_those_permitted() -> None:
    shop = Shop(tool("b"), tool("a"), tool("c", permission="mcp:context"))
    names = [found.name for found in await gateway(shop).tools(caller("mcp:tools"))]
    assert names == ["shop__a", "shop__b"]


async def test_a_tool_one_may_not_see_is_refused_in_the_words_for_one_that_is_not_there() -> None:
    hidden = gateway(Shop(tool("a", permission="mcp:context")))
    for name in ("shop__a", "shop__nothing", "a", "elsewhere__a", ""):
        with pytest.raises(AccessError) as refused:
            await hidden.call(caller("mcp:tools"), name, {})
        assert refused.value.detail == f"Unknown tool: {name}"
        assert refused.value.code == "not_found"


async def test_a_server_that_breaks_or_hangs_takes_no_tool_from_the_others() -> None:
    well = Shop(tool("a"))
    ill = [Shop(tool("x"), name="x", broken=True), Shop(tool("y"), name="y", hangs=True)]
    offered = gateway(*ill, well)
    began = LoopClock().monotonic()
    assert [found.name for found in await offered.tools(caller(*BOTH))] == ["shop__a"]
    assert LoopClock().monotonic() - began == pytest.approx(LIST_DEADLINE_S)
    assert [found.uri for found in await offered.shelf.resources(caller(*BOTH))] == ["shop://one"]
    assert [found.name for found in await offered.shelf.prompts(caller(*BOTH))] == ["shop__greet"]
    assert (await offered.call(caller(*BOTH), "shop__a", {})).text == "done"


async def test_of_two_servers_with_one_name_the_first_is_reached() -> None:
    first, second = Shop(tool("a")), Shop(tool("a"))
    offered = Gateway([first], LoopClock(), federated=lambda tenant: [second])
    assert len(await offered.tools(caller(*BOTH))) == 1
    await offered.call(caller(*BOTH), "shop__a", {})
    assert (len(first.calls), len(second.calls)) == (1, 0)


async def test_a_tenants_servers_are_not_anothers() -> None:
    theirs = Shop(tool("a", server="theirs"), name="theirs")
    offered = Gateway(
        [], LoopClock(), federated=lambda tenant: [theirs] if tenant == "northwind" else []
    )
    assert len(await offered.tools(caller(*BOTH))) == 1
    assert await offered.tools(caller(*BOTH, tenant="globex")) == ()
    with pytest.raises(AccessError):
        await offered.call(caller(*BOTH, tenant="globex"), "theirs__a", {})


async def test_a_tool_that_takes_too_long_is_ended_and_said_to_be() -> None:
    outcome = await gateway(Shop(tool("a"), does=hang)).call(caller(*BOTH), "shop__a", {})
    assert outcome.is_error
    assert outcome.text == "No answer within 5 s."


async def test_what_a_tool_raises_by_mistake_is_told_to_nobody() -> None:
    async def fail(arguments: JsonObject) -> CallToolResult:
        raise RuntimeError("password=hunter2")

    outcome = await gateway(Shop(tool("a"), does=fail)).call(caller(*BOTH), "shop__a", {})
    assert outcome.is_error
    assert "hunter2" not in outcome.text


async def test_an_error_of_the_protocol_is_an_outcome_where_no_client_waits_for_it() -> None:
    async def fail(arguments: JsonObject) -> CallToolResult:
        raise MCPError(-32602, "no such order")

    outcome = await gateway(Shop(tool("a"), does=fail)).call(caller(*BOTH), "shop__a", {})
    assert (outcome.is_error, outcome.text) == (True, "no such order")


async def test_a_tool_that_asks_is_told_where_nobody_can_be_asked() -> None:
    async def ask(arguments: JsonObject) -> InputRequiredResult:
        form = ElicitRequestFormParams(
            message="?", requested_schema={"type": "object", "properties": {}}
        )
        return InputRequiredResult(input_requests={"x": ElicitRequest(params=form)})

    outcome = await gateway(Shop(tool("a"), does=ask)).call(caller(*BOTH), "shop__a", {})
    assert outcome.is_error
    assert "nobody is there to ask" in outcome.text


async def test_money_waits_for_a_human_in_a_tainted_conversation_and_moves_once() -> None:
    shop, desk = Shop(tool("pay", side_effect="money")), Desk()
    offered, tainted = gateway(shop, approvals=desk), caller(*BOTH, customer="u", tainted=True)
    waits = await offered.call(tainted, "shop__pay", {"usd": 5})
    assert waits.needs_approval is not None
    assert waits.is_error
    assert shop.calls == []
    await offered.decide(tainted.principal, waits.needs_approval.id, approved=True)
    assert (await offered.call(tainted, "shop__pay", {"usd": 5})).text == "done"
    again = await offered.call(tainted, "shop__pay", {"usd": 5})
    assert again.structured == {"text": "done"}
    assert len(shop.calls) == 1


async def test_a_refusal_is_final_for_the_call() -> None:
    shop, desk = Shop(tool("pay", side_effect="money")), Desk("it is over the limit")
    offered = gateway(shop, approvals=desk)
    await offered.call(caller(*BOTH), "shop__pay", {})
    await offered.decide(caller(*BOTH).principal, "apr_1", approved=False)
    refused = await offered.call(caller(*BOTH), "shop__pay", {})
    assert refused.text.startswith("Nothing was done: it is over the limit")
    assert shop.calls == []


async def test_without_anybody_to_ask_what_needs_a_human_is_not_done() -> None:
    shop = Shop(tool("pay", side_effect="money"))
    outcome = await gateway(shop).call(caller(*BOTH, tainted=True), "shop__pay", {})
    assert outcome.is_error
    assert shop.calls == []


async def test_without_the_queue_of_approvals_what_needs_a_human_is_not_done() -> None:
    shop = Shop(tool("pay", side_effect="money"))
    outcome = await gateway(shop, approvals=Desk(away=True)).call(caller(*BOTH), "shop__pay", {})
    assert outcome.is_error
    assert shop.calls == []


async def test_who_was_put_out_meanwhile_changes_nothing_and_may_read_what_they_asked_for() -> None:
    """An answer goes on for minutes after its caller was let in."""
    shop = Shop(tool("look"), *(tool(f"do_{e}", side_effect=e) for e in _CHANGES))
    out: set[str] = set()

    async def must_stand(principal: Principal) -> None:
        if principal.subject in out:
            raise AccessError("unauthenticated", "Whoever this is for is not active here.")

    offered = Gateway([shop], LoopClock(), must_stand=must_stand)
    who = caller(*BOTH, customer="u")
    assert (await offered.call(who, "shop__do_write", {})).text == "done"
    out.add(who.principal.subject)
    for effect in _CHANGES:
        with pytest.raises(AccessError, match="Nothing was done") as refused:
            await offered.call(who, f"shop__do_{effect}", {})
        assert refused.value.code == "forbidden"
    assert (await offered.call(who, "shop__look", {})).text == "done"
    assert [name for name, _ in shop.calls] == ["do_write", "look"]


async def test_where_nobody_can_say_who_stands_nothing_is_changed() -> None:
    shop = Shop(tool("pay", side_effect="money"))

    async def must_stand(principal: Principal) -> None:
        raise DatabaseUnavailable("who was put out cannot be read")

    offered = Gateway([shop], LoopClock(), must_stand=must_stand)
    assert (await offered.call(caller(*BOTH), "shop__pay", {})).is_error
    assert shop.calls == []


async def test_reading_never_asks_a_human() -> None:
    shop, desk = Shop(tool("look")), Desk("everything needs one")
    outcome = await gateway(shop, approvals=desk).call(
        caller(*BOTH, tainted=True), "shop__look", {}
    )
    assert outcome.text == "done"


async def test_too_many_calls_at_once_are_told_when_to_come_again() -> None:
    clock = ManualClock()
    shop = Shop(tool("a"))
    offered = Gateway([shop], clock)
    outcomes = [
        await offered.call(caller(*BOTH), "shop__a", {}) for _ in range(int(limits.BURST) + 1)
    ]
    assert [outcome.is_error for outcome in outcomes].index(True) == limits.BURST
    assert outcomes[-1].text == "Too many calls; try again in 0.1 s."
    clock.advance(0.1)
    assert not (await offered.call(caller(*BOTH), "shop__a", {})).is_error


async def test_one_principals_calls_are_not_counted_for_another() -> None:
    offered = Gateway([Shop(tool("a"))], ManualClock())
    for _ in range(int(limits.BURST)):
        await offered.call(caller(*BOTH), "shop__a", {})
    other = await offered.call(caller(*BOTH, tenant="globex"), "shop__a", {})
    assert not other.is_error


async def test_every_call_leaves_a_line_without_its_arguments(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger=call_log.__name__)
    offered = gateway(Shop(tool("a")))
    await offered.call(caller(*BOTH), "shop__a", {"card": "4111111111111111"})
    with pytest.raises(AccessError):
        await offered.call(caller(*BOTH), "shop__b" * 100, {})
    lines = [json.loads(record.getMessage()) for record in caplog.records]
    assert [line["ending"] for line in lines] == ["done", "unknown"]
    assert lines[0]["tool"] == "shop__a"
    assert "4111" not in caplog.text
    assert len(lines[1]["tool"]) == 64


async def test_a_call_that_is_given_up_is_logged_as_such(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=call_log.__name__)
    with anyio.move_on_after(1.0):
        await gateway(Shop(tool("a"), does=hang)).call(caller(*BOTH), "shop__a", {})
    assert json.loads(caplog.records[0].getMessage())["ending"] == "cancelled"


async def test_resources_and_prompts_need_their_servers_permission() -> None:
    offered, outsider = gateway(Shop()), caller("mcp:tools")
    assert await offered.shelf.resources(outsider) == ()
    assert await offered.shelf.templates(outsider) == ()
    assert await offered.shelf.prompts(outsider) == ()
    with pytest.raises(AccessError):
        await offered.shelf.read(outsider, "shop://one")
    with pytest.raises(AccessError):
        await offered.shelf.prompt(outsider, "shop__greet", {})


async def test_an_address_is_read_at_the_server_that_has_it() -> None:
    servers = [Shop(name="x", broken=True), Shop(name="y"), Shop()]
    found = await gateway(*servers).shelf.read(caller(*BOTH), "shop://one")
    assert isinstance(found.model_dump(), dict)
    assert found.model_dump()["contents"][0]["text"] == "shop"
    with pytest.raises(AccessError, match="Unknown resource"):
        await gateway(*servers).shelf.read(caller(*BOTH), "nowhere://one")


async def test_an_answer_larger_than_a_model_should_pay_for_is_cut() -> None:
    async def much(arguments: JsonObject) -> CallToolResult:
        return said("x" * 200_000)

    outcome = await gateway(Shop(tool("a"), does=much)).call(caller(*BOTH), "shop__a", {})
    assert len(outcome.text) < 66_000
    assert "cut" in outcome.text[-100:]


async def test_what_others_put_on_a_shelf_is_marked_as_theirs() -> None:
    found = await gateway(Shop(trust="untrusted")).shelf.read(caller(*BOTH), "shop://one")
    text = found.model_dump()["contents"][0]["text"]
    assert text == '<untrusted source="shop">\nshop\n</untrusted>'
