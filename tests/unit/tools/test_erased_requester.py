"""Who asked is not the one to approve; where nobody can tell any more who asked, nobody approves."""

from dataclasses import replace

import pytest

from actors.database.approvals import ApprovalRow
from actors.database.people import Person
from actors.database.person_erasure import PersonErasure
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool import Approval
from deployments.security.principal import Principal
from routing.errors import ConflictError
from routing.message import Json
from tests.unit.tools.desk import Desk, calling, person, said

EVE = replace(person("admin", "eve"), subject="okta:eve")
HER_KEY = replace(person("supervisor", "0123"), owner=EVE.subject)
SUE = person("admin", "sue")
LARGE: dict[str, Json] = {"invoice_id": "INV-2026-0001", "reason": "GOODWILL", "amount_usd": 500}
SMALL: dict[str, Json] = {"invoice_id": "INV-2026-0039", "reason": "DUP", "amount_usd": 10}


def asking(principal: Principal, customer: str = "user_128") -> Caller:
    # Words of others are in the conversation: no money moves without a second person.
    return Caller(principal, customer, "conv_1", tainted=True)


async def waiting(desk: Desk, caller: Caller) -> Approval:
    outcome = await desk.call(caller, "refund_invoice", LARGE)
    assert outcome.needs_approval is not None, outcome.text
    return outcome.needs_approval


async def erase(desk: Desk, principal: Principal) -> None:
    rows = PersonErasure(desk.database)
    one = Person(principal.tenant, principal.person, "h:eve")
    begun = await rows.begin(one, [one.pseudonym], "req", desk.clock.now())
    assert begun is not None
    await rows.run(one, begun)


async def row_of(desk: Desk, approval: Approval) -> ApprovalRow:
    row = await desk.approvals.get(EVE.tenant, approval.id, desk.clock.now())
    assert row is not None
    return row


@pytest.mark.parametrize("asker", [EVE, HER_KEY], ids=["herself", "her key"])
async def test_what_somebody_asked_for_ends_when_they_are_erased(
    desk: Desk, asker: Principal
) -> None:
    approval = await waiting(desk, asking(asker))
    await erase(desk, asker)
    for approver in (EVE, SUE):
        with pytest.raises(ConflictError) as late:
            await desk.gateway.decide(approver, approval.id, approved=True)
        assert late.value.code == "approval_expired"
    again = await waiting(desk, asking(asker))
    assert again.id != approval.id
    assert again.state == "waiting"
    assert (await row_of(desk, approval)).state == "expired"
    listed = await desk.approvals.list(EVE.tenant, "expired", desk.clock.now(), 10)
    assert [row.id for row in listed] == [approval.id]
    assert await desk.refunded_cents("INV-2026-0001") == 0


async def test_a_yes_that_was_not_used_is_none_when_who_asked_is_erased(desk: Desk) -> None:
    approval = await waiting(desk, asking(EVE))
    await desk.gateway.decide(SUE, approval.id, approved=True)
    await erase(desk, EVE)
    assert not await desk.queue.spend(EVE.tenant, approval.id)
    assert (await waiting(desk, asking(EVE))).id != approval.id
    assert (await row_of(desk, approval)).decided_by == SUE.subject
    assert await desk.refunded_cents("INV-2026-0001") == 0


async def test_a_call_cut_off_after_its_yes_is_not_made_for_a_pseudonym(desk: Desk) -> None:
    """Saying yes again makes good a crash, in the name of who asked: of whom nothing is left."""
    approval = await waiting(desk, asking(EVE))
    await desk.gateway.decide(SUE, approval.id, approved=True)
    assert await desk.queue.spend(EVE.tenant, approval.id)
    await erase(desk, EVE)
    for approver in (EVE, SUE):
        with pytest.raises(ConflictError):
            await desk.gateway.decide(approver, approval.id, approved=True)
    refused = await desk.call(asking(EVE), "refund_invoice", LARGE)
    assert refused.is_error
    assert "no human allowed it" in refused.text
    assert await desk.refunded_cents("INV-2026-0001") == 0


async def test_what_was_done_stays_done_and_its_outcome_known(desk: Desk) -> None:
    approval = await waiting(desk, asking(EVE))
    await desk.gateway.decide(SUE, approval.id, approved=True)
    done = said(await desk.call(asking(EVE), "refund_invoice", LARGE))
    await erase(desk, EVE)
    row = await row_of(desk, approval)
    assert row.state == "approved"
    assert row.outcome == done
    assert said(await desk.call(asking(EVE), "refund_invoice", LARGE)) == done
    assert await desk.refunded_cents("INV-2026-0001") == 50_000


async def test_a_repeat_with_the_key_of_before_moves_nothing_and_asks_nobody(desk: Desk) -> None:
    agent = Caller(replace(calling().principal, subject="okta:ann"), "user_123", "conv_1", False)
    first = await desk.call(agent, "refund_invoice", SMALL, "a key")
    assert said(first)["refunded_usd"] == 10.0
    await erase(desk, agent.principal)
    again = await desk.call(agent, "refund_invoice", SMALL, "a key")
    assert again.is_error
    assert again.needs_approval is None
    assert "outcome_unknown" in again.text
    assert await desk.refunded_cents("INV-2026-0039") == 1_000
