"""Business tools in PostgreSQL, where writers really run at once: each call is still made once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from actors.database import open_database
from actors.database.address import Server
from deployments.mcp_gateway.business.approval_queue import requester_of
from routing.message import Json
from tests.unit.tools.desk import Desk, calling, desk_over, person, said

PROCESSES = 4


@pytest.fixture
async def desks(postgres_server: Server) -> AsyncIterator[list[Desk]]:
    """The same company, as several processes have it."""
    databases = [open_database(postgres_server) for _ in range(PROCESSES)]
    yield [await desk_over(database) for database in databases]
    for database in databases:
        await database.aclose()


def refund(invoice: str, usd: float) -> dict[str, Json]:
    return {"invoice_id": invoice, "reason": "DUP", "amount_usd": usd}


async def test_refunds_from_every_process_at_once_never_pass_what_was_paid(
    desks: list[Desk],
) -> None:
    """Twelve times $9 of $49, by four processes: five fit."""
    outcomes = await asyncio.gather(
        *(
            desk.runner.run(calling(), "refund_invoice", refund("INV-2026-0039", 9))
            for desk in desks
            for _ in range(3)
        )
    )
    codes = Counter(str(o.body.get("code", "made")) for o in outcomes)
    assert codes == {"made": 5, "more_than_was_paid": 7}
    assert await desks[0].refunded_cents("INV-2026-0039") == 4500


async def test_one_key_from_every_process_at_once_is_one_refund(desks: list[Desk]) -> None:
    outcomes = await asyncio.gather(
        *(
            desk.runner.run(calling(), "refund_invoice", refund("INV-2026-0039", 9), "k")
            for desk in desks
            for _ in range(5)
        )
    )
    assert len({str(outcome.body["refund_id"]) for outcome in outcomes}) == 1
    assert await desks[0].refunded_cents("INV-2026-0039") == 900


async def test_the_limit_of_a_customers_month_holds_over_invoices_and_processes(
    desks: list[Desk],
) -> None:
    """user_132 paid $199 three times; an agent may refund $200 of it a month."""
    invoices = ("INV-2026-0010", "INV-2026-0019", "INV-2026-0028", "INV-2026-0010")
    outcomes = await asyncio.gather(
        *(
            desk.runner.run(calling(customer="user_132"), "refund_invoice", refund(invoice, usd))
            for desk, invoice in zip(desks, invoices, strict=True)
            for usd in (60, 61, 62)
        )
    )
    total = sum(float(str(o.body["refunded_usd"])) for o in outcomes if not o.is_error)
    assert 0 < total <= 200
    refused = {str(o.body["code"]) for o in outcomes if o.is_error}
    assert "approval_needed" in refused
    assert refused <= {"approval_needed", "more_than_was_paid"}


async def test_an_approved_call_is_made_once_whichever_process_is_told(desks: list[Desk]) -> None:
    caller, asked = calling(customer="user_128"), refund("INV-2026-0001", 500)
    approval = (await desks[0].call(caller, "refund_invoice", asked)).needs_approval
    assert approval is not None

    async def approve(desk: Desk, name: str) -> str:
        supervisor = person("supervisor", name)
        await desk.gateway.decide(supervisor, approval.id, approved=True)
        row = await desk.approvals.get(supervisor.tenant, approval.id, desk.clock.now())
        assert row is not None
        outcome = await desk.gateway.call(requester_of(row, supervisor), row.tool, row.arguments)
        return str(said(outcome)["refund_id"])

    made = await asyncio.gather(*(approve(desk, f"s{n}") for n, desk in enumerate(desks * 2)))
    assert len(set(made)) == 1
    assert await desks[0].refunded_cents("INV-2026-0001") == 50_000


async def test_the_other_tools_speak_postgresql_too(desks: list[Desk]) -> None:
    desk = desks[0]
    assert said(await desk.call(calling(), "look_up_customer", {}))["plan"] == "Team"
    assert said(await desk.call(calling(), "list_invoices", {}))["invoices"]
    assert (
        said(await desk.call(calling(), "look_up_order", {"order_id": "ORD-1018"}))["quantity"] == 1
    )
    up = await desk.call(calling(customer="user_124"), "change_plan", {"plan": "Team"})
    assert said(up)["charge_usd"] == 20.0
    assert said(await desk.call(calling(), "reset_password", {}))["sent_to"] == "u…@example.com"
    trouble: dict[str, Json] = {"severity": 3, "title": "slow", "description": "slow"}
    assert said(await desk.call(calling(), "open_incident", trouble))["status"] == "open"
