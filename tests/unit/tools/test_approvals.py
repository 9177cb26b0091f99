"""What a tool may not do alone waits for a human, runs once when one agrees, and never otherwise."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from actors.database import approval_outcomes
from actors.database import approval_room as room
from actors.database import approvals as approval_rows
from deployments.mcp_gateway.business.approval_queue import LIVES_S, requester_of
from deployments.mcp_gateway.caller import Caller
from deployments.mcp_gateway.tool import Approval, ToolOutcome
from deployments.security.principal import Principal
from routing.errors import AccessError, ConflictError
from routing.message import Json
from tests.unit.tools.desk import Desk, calling, opened, person, program, said

SUPERVISOR = person("supervisor", "sue")
ADMIN = person("admin", "ada")
# user_128 paid $1,990 at once.
LARGE: dict[str, Json] = {"invoice_id": "INV-2026-0001", "reason": "GOODWILL", "amount_usd": 500}
SMALL: dict[str, Json] = {"invoice_id": "INV-2026-0039", "reason": "DUP", "amount_usd": 10}
INVOICE = "INV-2026-0001"


def asking(*, tainted: bool = False) -> Caller:
    return calling(customer="user_128", tainted=tainted)


async def waiting(desk: Desk, caller: Caller | None = None, **changes: Json) -> Approval:
    outcome = await desk.call(caller or asking(), "refund_invoice", {**LARGE, **changes})
    assert outcome.is_error
    assert outcome.needs_approval is not None, outcome.text
    return outcome.needs_approval


async def run(desk: Desk, approval: Approval, approver: Principal = SUPERVISOR) -> ToolOutcome:
    """What the HTTP route does with a yes."""
    await desk.gateway.decide(approver, approval.id, approved=True)
    row = await desk.approvals.get(approver.tenant, approval.id, desk.clock.now())
    assert row is not None
    return await desk.gateway.call(requester_of(row, approver), row.tool, row.arguments)


async def test_a_refund_above_the_callers_limit_waits_and_moves_nothing(desk: Desk) -> None:
    approval = await waiting(desk)
    assert approval.state == "waiting"
    assert "$500.00" in approval.reason
    assert "$200.00" in approval.reason
    assert "INV-2026-0001" in approval.summary
    assert await desk.refunded_cents(INVOICE) == 0
    assert await desk.scalar("SELECT count(*) FROM tool_call") == 0


async def test_asking_again_finds_the_same_approval(desk: Desk) -> None:
    first = await waiting(desk)
    assert await waiting(desk) == first
    assert (await waiting(desk, amount_usd=501)).id != first.id
    assert (await waiting(desk, calling(customer="user_128", name="bob"))).id != first.id
    assert (await waiting(desk, replace(asking(), conversation_id="conv_2"))).id != first.id


async def test_approved_it_runs_once_and_the_caller_finds_the_outcome(desk: Desk) -> None:
    approval = await waiting(desk)
    done = said(await run(desk, approval))
    assert done["refunded_usd"] == 500.0
    again = await desk.call(asking(), "refund_invoice", LARGE)
    assert said(again) == done
    assert said(await desk.call(asking(), "refund_invoice", LARGE, "a key")) == done
    assert await desk.refunded_cents(INVOICE) == 50_000


async def test_approved_elsewhere_the_callers_own_retry_makes_the_call(desk: Desk) -> None:
    approval = await waiting(desk)
    await desk.gateway.decide(SUPERVISOR, approval.id, approved=True)
    assert said(await desk.call(asking(), "refund_invoice", LARGE))["refunded_usd"] == 500.0
    assert await desk.refunded_cents(INVOICE) == 50_000


async def test_however_many_approve_and_retry_at_once_it_runs_once(desk: Desk) -> None:
    approval = await waiting(desk)
    outcomes = await asyncio.gather(
        *(run(desk, approval, person("supervisor", f"s{n}")) for n in range(8)),
        *(desk.call(asking(), "refund_invoice", LARGE) for _ in range(8)),
    )
    done = [said(outcome)["refund_id"] for outcome in outcomes if not outcome.is_error]
    assert len(set(done)) == 1
    assert len(done) >= 8
    assert await desk.refunded_cents(INVOICE) == 50_000


async def test_denied_it_never_runs(desk: Desk) -> None:
    approval = await waiting(desk)
    await desk.gateway.decide(SUPERVISOR, approval.id, approved=False)
    refused = await desk.call(asking(), "refund_invoice", LARGE)
    assert refused.is_error
    assert "no human allowed it" in refused.text
    with pytest.raises(ConflictError, match="denied already"):
        await desk.gateway.decide(SUPERVISOR, approval.id, approved=True)
    assert await desk.refunded_cents(INVOICE) == 0


async def test_the_same_word_again_changes_nothing_and_another_is_a_conflict(desk: Desk) -> None:
    approval = await waiting(desk)
    first = await desk.gateway.decide(SUPERVISOR, approval.id, approved=True)
    assert await desk.gateway.decide(ADMIN, approval.id, approved=True) == first
    with pytest.raises(ConflictError, match="approved already"):
        await desk.gateway.decide(ADMIN, approval.id, approved=False)
    row = await desk.approvals.get("northwind", approval.id, desk.clock.now())
    assert row is not None
    assert row.decided_by == "key:sue"


async def test_who_asked_never_approves(desk: Desk) -> None:
    asked = calling("supervisor", "user_128", "sue")
    approval = await waiting(desk, asked, amount_usd=1500)
    with pytest.raises(AccessError, match="does not approve it"):
        await desk.gateway.decide(asked.principal, approval.id, approved=True)
    assert await desk.refunded_cents(INVOICE) == 0


async def test_an_approvers_own_limit_has_to_be_high_enough(desk: Desk) -> None:
    approval = await waiting(desk, amount_usd=1500)
    with pytest.raises(AccessError, match="higher limit"):
        await desk.gateway.decide(SUPERVISOR, approval.id, approved=True)
    assert said(await run(desk, approval, ADMIN))["refunded_usd"] == 1500.0


async def test_a_limit_that_was_used_up_meanwhile_is_found_in_the_transaction(desk: Desk) -> None:
    """$600 and $500 are each below a supervisor's $1,000; both together are not."""
    one, two = await waiting(desk, amount_usd=600), await waiting(desk)
    await desk.gateway.decide(SUPERVISOR, two.id, approved=True)
    said(await run(desk, one))
    refused = await desk.call(asking(), "refund_invoice", LARGE)
    assert "over_limit" in refused.text
    assert await desk.refunded_cents(INVOICE) == 60_000
    assert "over_limit" in (await desk.call(asking(), "refund_invoice", LARGE)).text


async def test_small_refunds_add_up_to_the_limit_of_the_month(desk: Desk) -> None:
    for _ in range(2):
        said(await desk.call(asking(), "refund_invoice", LARGE | {"amount_usd": 100}))
    assert (await waiting(desk, amount_usd=0.01)).state == "waiting"
    desk.clock.advance(15 * 86_400)
    said(await desk.call(asking(), "refund_invoice", LARGE | {"amount_usd": 0.02}))


async def test_two_refunds_at_once_do_not_pass_the_limit_together(desk: Desk) -> None:
    asked = [LARGE | {"amount_usd": 100 + cents / 100} for cents in range(10)]
    outcomes = await asyncio.gather(
        *(desk.runner.run(asking(), "refund_invoice", arguments) for arguments in asked)
    )
    assert sum(not outcome.is_error for outcome in outcomes) == 1
    assert {str(o.body["code"]) for o in outcomes if o.is_error} == {"approval_needed"}
    assert await desk.refunded_cents(INVOICE) <= 20_000


@pytest.mark.parametrize("role", ["agent", "service", "customer"])
async def test_without_the_permission_nobody_decides(desk: Desk, role: str) -> None:
    approval = await waiting(desk)
    for approved in (True, False):
        with pytest.raises(AccessError, match="approvals:decide"):
            await desk.gateway.decide(person(role, "bob"), approval.id, approved=approved)


async def test_who_may_not_use_the_tool_may_not_approve_it(desk: Desk) -> None:
    approval = await waiting(desk)
    lesser = replace(SUPERVISOR, permissions=SUPERVISOR.permissions - {"customers:change"})
    with pytest.raises(AccessError, match="customers:change"):
        await desk.gateway.decide(lesser, approval.id, approved=True)


async def test_another_tenants_approval_is_unknown(desk: Desk) -> None:
    approval = await waiting(desk)
    stranger = person("admin", tenant="other")
    for asked in (approval.id, "apr_no"):
        with pytest.raises(AccessError, match="There is no approval") as refused:
            await desk.gateway.decide(stranger, asked, approved=True)
        assert refused.value.code == "not_found"
    assert await desk.approvals.list("other", None, desk.clock.now(), 10) == []


async def test_an_approval_expires_and_can_be_asked_for_anew(desk: Desk) -> None:
    approval = await waiting(desk)
    desk.clock.advance(LIVES_S)
    with pytest.raises(ConflictError, match="expired"):
        await desk.gateway.decide(SUPERVISOR, approval.id, approved=True)
    now = desk.clock.now()
    assert [r.id for r in await desk.approvals.list("northwind", "expired", now, 9)] == [
        approval.id
    ]
    assert await desk.approvals.list("northwind", "waiting", now, 9) == []
    anew = await waiting(desk)
    assert anew.id != approval.id
    assert said(await run(desk, anew))["refunded_usd"] == 500.0


async def test_a_yes_that_nobody_used_dies_with_its_day(desk: Desk) -> None:
    approval = await waiting(desk)
    await desk.gateway.decide(SUPERVISOR, approval.id, approved=True)
    desk.clock.advance(LIVES_S)
    assert (await waiting(desk)).id != approval.id
    assert await desk.refunded_cents(INVOICE) == 0


async def test_a_yes_covers_exactly_the_arguments_it_was_given_for(desk: Desk) -> None:
    approval = await waiting(desk)
    await desk.gateway.decide(SUPERVISOR, approval.id, approved=True)
    assert (await waiting(desk, amount_usd=500.01)).state == "waiting"
    assert (await waiting(desk, reason="DUP")).state == "waiting"
    assert await desk.refunded_cents(INVOICE) == 0


async def test_a_crash_after_the_yes_was_taken_is_made_good_by_saying_it_again(desk: Desk) -> None:
    approval = await waiting(desk)
    await desk.gateway.decide(SUPERVISOR, approval.id, approved=True)
    assert await desk.queue.spend("northwind", approval.id)  # and the process dies here
    assert said(await run(desk, approval))["refunded_usd"] == 500.0
    assert await desk.refunded_cents(INVOICE) == 50_000


async def test_the_outcome_is_kept_with_the_approval_in_the_same_transaction(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = await waiting(desk)

    with monkeypatch.context() as during:
        during.setattr(approval_outcomes, "_FINISHING", None)
        assert (await run(desk, approval)).is_error
    assert await desk.refunded_cents(INVOICE) == 0
    assert await desk.queue.outcome("northwind", approval.id) is None
    done = said(await run(desk, approval))
    assert await desk.queue.outcome("northwind", approval.id) == (done, False)


async def test_the_queue_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approval_rows, "WAITING_MAX", 2)
    for cents in range(2):
        await waiting(desk, amount_usd=500 + cents)
    refused = await desk.call(asking(), "refund_invoice", LARGE | {"amount_usd": 700})
    assert refused.is_error
    assert "Too many calls wait" in refused.text


async def test_nobody_fills_the_queue_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by one customer's calls, nor by all customers', nor by another key of the same person."""
    monkeypatch.setattr(room, "ABOUT_ONE_MAX", 2)
    monkeypatch.setattr(room, "OF_ONE_MAX", 3)
    asker = asking()
    for cents in range(2):
        await waiting(desk, asker, amount_usd=500 + cents)
    refused = await desk.call(asker, "refund_invoice", LARGE | {"amount_usd": 700})
    assert "Too many calls wait" in refused.text
    assert refused.needs_approval is None
    # What waits already is still found.
    assert (await waiting(desk, asker)).state == "waiting"

    elsewhere = calling(tainted=True)
    plan = await desk.call(elsewhere, "change_plan", {"plan": "Business"})
    assert plan.needs_approval is not None
    assert (await desk.call(elsewhere, "refund_invoice", SMALL)).needs_approval is None
    mine = replace(person("agent", "second"), owner=asker.principal.person)
    assert (await desk.call(replace(elsewhere, principal=mine), "refund_invoice", SMALL)).is_error

    other = await desk.call(calling(name="bob", tainted=True), "refund_invoice", SMALL)
    assert other.needs_approval is not None
    await desk.gateway.decide(ADMIN, plan.needs_approval.id, approved=False)
    assert (await desk.call(elsewhere, "refund_invoice", SMALL)).needs_approval is not None


async def test_in_a_tainted_conversation_money_needs_a_human_whatever_the_amount(
    desk: Desk,
) -> None:
    outcome = await desk.call(calling(tainted=True), "refund_invoice", SMALL)
    assert outcome.needs_approval is not None
    assert "untrusted" in outcome.needs_approval.reason
    plan = await desk.call(calling(tainted=True), "change_plan", {"plan": "Business"})
    assert plan.needs_approval is not None
    assert await desk.refunded_cents("INV-2026-0039") == 0


async def test_in_a_tainted_conversation_only_its_own_customers_records_change(desk: Desk) -> None:
    own = await desk.call(calling(tainted=True), "reset_password", {})
    assert not own.is_error
    unbound = calling(customer=None, tainted=True)
    other = await desk.call(unbound, "reset_password", {"user_id": "user_124"})
    assert other.needs_approval is not None
    poisoned = await desk.call(calling(tainted=True), "reset_password", {"user_id": "user_124"})
    assert "There is no such customer." in poisoned.text
    assert await desk.scalar("SELECT count(*) FROM password_reset") == 1


async def test_the_human_at_the_client_may_lift_a_doubt_but_never_a_limit(desk: Desk) -> None:
    ann = calling(tainted=True)
    doubt = (await desk.call(ann, "refund_invoice", SMALL)).needs_approval
    assert doubt is not None
    assert doubt.can_confirm
    await desk.gateway.confirm(ann.principal, doubt.id, approved=True)
    assert said(await desk.call(ann, "refund_invoice", SMALL))["refunded_usd"] == 10.0

    limit = await waiting(desk, asking(tainted=True))
    assert not limit.can_confirm
    with pytest.raises(AccessError, match="higher limit"):
        await desk.gateway.confirm(ann.principal, limit.id, approved=True)
    assert await desk.refunded_cents(INVOICE) == 0


async def test_nobody_confirms_for_somebody_else_and_no_program_for_itself(desk: Desk) -> None:
    doubt = (await desk.call(calling(tainted=True), "refund_invoice", SMALL)).needs_approval
    assert doubt is not None
    with pytest.raises(AccessError, match="There is no approval"):
        await desk.gateway.confirm(SUPERVISOR, doubt.id, approved=True)
    program = calling("service", name="bot", tainted=True)
    own = (await desk.call(program, "refund_invoice", SMALL)).needs_approval
    assert own is not None
    assert not own.can_confirm
    with pytest.raises(AccessError, match="approvals:confirm"):
        await desk.gateway.confirm(program.principal, own.id, approved=True)


async def test_a_program_moves_no_money_without_a_human(desk: Desk) -> None:
    outcome = await desk.call(calling("service"), "refund_invoice", SMALL)
    assert outcome.needs_approval is not None


async def test_approvals_outlive_the_process(tmp_path: Path) -> None:
    async with opened(tmp_path / "x.db") as desk:
        approval = await waiting(desk)
        await desk.gateway.decide(SUPERVISOR, approval.id, approved=True)
    async with opened(tmp_path / "x.db") as desk:
        assert said(await desk.call(asking(), "refund_invoice", LARGE))["refunded_usd"] == 500.0
        assert await desk.refunded_cents(INVOICE) == 50_000


async def test_a_person_does_not_approve_by_a_key_of_theirs_what_they_asked_for_by_another(
    desk: Desk,
) -> None:
    """Whoever made both keys is one person, and a key and the session that made it are too."""
    maker = "okta:00u1a2b3"
    asker = replace(person("agent", "k1"), owner=maker)
    approval = await waiting(desk, replace(asking(), principal=asker))
    by_a_key = replace(person("admin", "k2"), owner=maker)
    themselves = replace(person("admin"), subject=maker, owner=None)
    for own in (by_a_key, themselves):
        with pytest.raises(AccessError, match="does not approve it"):
            await desk.gateway.decide(own, approval.id, approved=True)
    colleague = replace(person("admin", "k3"), owner="okta:00u9z8y7")
    assert said(await run(desk, approval, colleague))["refunded_usd"] == 500.0


async def test_a_key_that_the_askers_key_made_does_not_approve(desk: Desk) -> None:
    """Also where nobody is known behind the first: it stands for whoever holds both."""
    asker = program("agent", "first")
    approval = await waiting(desk, replace(asking(), principal=asker))
    minted = replace(person("admin", "second"), owner=asker.subject)
    with pytest.raises(AccessError, match="does not approve it"):
        await desk.gateway.decide(minted, approval.id, approved=True)
    assert await desk.refunded_cents(INVOICE) == 0


async def test_what_a_key_of_nobody_s_asked_for_takes_two_people(desk: Desk) -> None:
    """Whoever holds that key may be one of them, and says it once."""
    approval = await waiting(desk, replace(asking(), principal=program("agent")))
    sue_by_another = replace(SUPERVISOR, subject="okta:sue")
    for first in (SUPERVISOR, SUPERVISOR, sue_by_another):
        shown = await desk.gateway.decide(first, approval.id, approved=True)
        assert shown.state == "waiting"
    row = await desk.approvals.get("northwind", approval.id, desk.clock.now())
    assert row is not None
    assert (row.state, row.first_by, row.decided_by) == ("waiting", "okta:sue", None)
    again = await desk.call(replace(asking(), principal=program("agent")), "refund_invoice", LARGE)
    assert again.needs_approval is not None
    assert await desk.refunded_cents(INVOICE) == 0
    second = await desk.gateway.decide(ADMIN, approval.id, approved=True)
    assert second.state == "approved"


async def test_one_no_is_enough_whoever_asked(desk: Desk) -> None:
    approval = await waiting(desk, replace(asking(), principal=program("agent")))
    await desk.gateway.decide(SUPERVISOR, approval.id, approved=True)
    shown = await desk.gateway.decide(ADMIN, approval.id, approved=False)
    assert shown.state == "refused"
    with pytest.raises(ConflictError):
        await desk.gateway.decide(person("admin", "eve"), approval.id, approved=True)
    assert await desk.refunded_cents(INVOICE) == 0


@pytest.mark.parametrize("asker", [person("agent"), program("agent")])
async def test_a_key_of_nobody_s_approves_nothing(desk: Desk, asker: Principal) -> None:
    """Nor does one that such a key made: a person who asked may hold it."""
    approval = await waiting(desk, replace(asking(), principal=asker))
    made = replace(program("admin", "made"), owner="key:first")
    for nobody in (program("admin", "other"), made):
        with pytest.raises(AccessError, match="Who approves is somebody"):
            await desk.gateway.decide(nobody, approval.id, approved=True)
    row = await desk.approvals.get("northwind", approval.id, desk.clock.now())
    assert row is not None
    assert (row.state, row.first_by) == ("waiting", None)


async def test_of_two_people_each_could_have_done_it_themselves(desk: Desk) -> None:
    """A limit holds for the first word as for the last."""
    approval = await waiting(desk, replace(asking(), principal=program("agent")))
    with pytest.raises(AccessError):
        await desk.gateway.decide(person("agent", "bob"), approval.id, approved=True)
    row = await desk.approvals.get("northwind", approval.id, desk.clock.now())
    assert row is not None
    assert row.first_by is None


async def test_of_many_who_agree_at_once_two_are_counted_and_it_is_done_once(desk: Desk) -> None:
    approval = await waiting(desk, replace(asking(), principal=program("agent")))
    people = [person("supervisor", f"s{n}") for n in range(6)]
    shown = await asyncio.gather(
        *(desk.gateway.decide(one, approval.id, approved=True) for one in people)
    )
    assert [one.state for one in shown].count("waiting") == 1
    row = await desk.approvals.get("northwind", approval.id, desk.clock.now())
    assert row is not None
    assert row.first_by is not None
    assert row.decided_by is not None
    assert not row.decided_by.endswith(row.first_by.removeprefix("okta:"))
