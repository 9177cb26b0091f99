"""What the shipped tools do to the demo company's records, and what they refuse."""

from dataclasses import replace
from decimal import Decimal

import pytest

from deployments.mcp_gateway.business.shipped import tools_registry
from routing.message import Json
from tests.unit.tools.desk import Desk, calling, person, said

DOUBLE = "INV-2026-0039"


async def test_a_customer_is_looked_up_without_their_address(desk: Desk) -> None:
    found = await desk.call(calling(), "look_up_customer", {})
    assert said(found)["plan"] == "Team"
    assert "@" not in found.text


async def test_invoices_tell_what_can_still_be_refunded(desk: Desk) -> None:
    await desk.call(calling(), "refund_invoice", refund(DOUBLE, 20.5))
    invoices = said(await desk.call(calling(), "list_invoices", {"limit": 1}))["invoices"]
    assert isinstance(invoices, list)
    assert {name: invoices[0][name] for name in ("refunded_usd", "refundable_usd", "status")} == {
        "refunded_usd": 20.5,
        "refundable_usd": 28.5,
        "status": "partly_refunded",
    }


def refund(invoice: str, usd: float | None = None) -> dict[str, Json]:
    return {"invoice_id": invoice, "reason": "DUP"} | ({} if usd is None else {"amount_usd": usd})


async def test_a_refund_without_an_amount_is_all_that_is_left_and_then_nothing_is(
    desk: Desk,
) -> None:
    await desk.call(calling(), "refund_invoice", refund(DOUBLE, 0.01))
    assert (
        said(await desk.call(calling(), "refund_invoice", refund(DOUBLE)))["refunded_usd"] == 48.99
    )
    again = await desk.call(calling(), "refund_invoice", refund(DOUBLE))
    assert "nothing_to_refund" in again.text
    assert await desk.refunded_cents(DOUBLE) == 4900
    assert await desk.scalar("SELECT count(*) FROM tool_call") == 3


async def test_no_refund_is_larger_than_what_is_left(desk: Desk) -> None:
    await desk.call(calling(), "refund_invoice", refund(DOUBLE, 40))
    refused = await desk.call(calling(), "refund_invoice", refund(DOUBLE, 9.01))
    assert refused.is_error
    assert "At most $9.00" in refused.text
    assert await desk.refunded_cents(DOUBLE) == 4000


@pytest.mark.parametrize(
    ("customer", "invoice", "status"),
    [("user_131", "INV-2026-0027", "failed"), ("user_132", "INV-2026-0038", "open"),
     ("user_126", "INV-2026-0020", "refunded")],
)  # fmt: skip
async def test_what_was_never_paid_or_is_back_already_is_not_refunded(
    desk: Desk, customer: str, invoice: str, status: str
) -> None:
    refused = await desk.call(calling(customer=customer), "refund_invoice", refund(invoice))
    assert "nothing_to_refund" in refused.text
    assert status in refused.text
    assert await desk.refunded_cents(invoice) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_usd": 0}, {"amount_usd": -1}, {"amount_usd": 0.001}, {"amount_usd": "NaN"},
        {"amount_usd": float("inf")}, {"amount_usd": 1e300}, {"amount_usd": True},
        {"amount_usd": [1]}, {"reason": "because"}, {"reason": None}, {"invoice_id": ""},
        {"invoice_id": "INV' OR '1'='1"}, {"invoice_id": "x" * 65}, {"invoice_id": 39},
        {"invoice_id": DOUBLE + "\n"}, {"tenant": "other"}, {"customer": "user_124"},
        {"user_id": ""}, {"user_id": "x" * 200},
    ],
    ids=repr,
)  # fmt: skip
async def test_arguments_that_are_not_the_tools_own_are_refused_and_named(
    desk: Desk, wrong: dict[str, Json]
) -> None:
    refused = await desk.call(calling(), "refund_invoice", refund(DOUBLE) | wrong)
    assert refused.is_error
    assert "invalid_arguments" in refused.text
    # What JSON has no word for must not become null, which would be "all of it".
    assert wrong == {"amount_usd": float("inf")} or f"/{next(iter(wrong))}" in refused.text
    assert await desk.scalar("SELECT count(*) FROM refund") == 0


async def test_arguments_that_are_no_json_are_refused(desk: Desk) -> None:
    for odd in ("\ud800", 2**70, object()):
        outcome = await desk.runner.run(calling(), "look_up_order", {"order_id": odd})  # type: ignore[dict-item]
        assert outcome.is_error
        assert outcome.body["code"] == "invalid_arguments"
    huge = await desk.runner.run(calling(), "look_up_order", {"order_id": "x" * 100_000})
    assert "larger than 64 KiB" in str(huge.body["detail"])


async def test_somebody_elses_records_are_as_unknown_as_records_there_are_not(desk: Desk) -> None:
    """user_123 has ORD-1018; ORD-1019 is user_132's, and ORD-9999 is nobody's."""
    theirs = await desk.call(calling(), "look_up_order", {"order_id": "ORD-1019"})
    nobodys = await desk.call(calling(), "look_up_order", {"order_id": "ORD-9999"})
    assert theirs.text.replace("1019", "9999") == nobodys.text
    theirs = await desk.call(calling(), "refund_invoice", refund("INV-2026-0022"))
    nobodys = await desk.call(calling(), "refund_invoice", refund("INV-2026-9999"))
    assert theirs.text.replace("0022", "9999") == nobodys.text


@pytest.mark.parametrize("tool", [tool.name for tool in tools_registry.tools])
async def test_no_tool_reaches_another_than_the_bound_customer_or_tells_whether_they_exist(
    desk: Desk, tool: str
) -> None:
    asked: dict[str, dict[str, Json]] = {
        "look_up_order": {"order_id": "ORD-1017"},
        "refund_invoice": refund("INV-2026-0022"),
        "change_plan": {"plan": "Team"},
        "open_incident": {"severity": 1, "title": "all down", "description": "all"},
    }
    arguments = asked.get(tool, {})
    for other in ("user_124", "user_999"):
        refused = await desk.call(calling(), tool, {**arguments, "user_id": other})
        assert refused.is_error
        assert "There is no such customer." in refused.text
    for table in ("refund", "plan_change", "password_reset", "incident", "tool_call"):
        assert await desk.scalar(f"SELECT count(*) FROM {table}") == 0  # noqa: S608


async def test_staff_who_are_bound_to_nobody_name_the_customer(desk: Desk) -> None:
    unbound = calling(customer=None)
    assert "customer_needed" in (await desk.call(unbound, "look_up_customer", {})).text
    found = await desk.call(unbound, "look_up_customer", {"user_id": "user_124"})
    assert said(found)["account_name"] == "Account 124"


async def test_who_may_not_speak_for_any_customer_reaches_only_themselves(desk: Desk) -> None:
    """Even where the client that calls says it is about somebody else."""
    permissions = frozenset({"mcp:tools", "customers:change"})
    them = replace(person("customer"), subject="user_124", permissions=permissions)
    for bound in (None, "user_124"):
        own = replace(calling(customer=bound), principal=them)
        assert said(await desk.call(own, "look_up_customer", {}))["account_name"] == "Account 124"
        other = await desk.call(own, "look_up_customer", {"user_id": "user_123"})
        assert "There is no such customer." in other.text
    claimed = replace(calling(customer="user_123"), principal=them)
    assert "There is no such customer." in (await desk.call(claimed, "look_up_customer", {})).text


async def test_another_tenants_desk_sees_nothing_of_this_one(desk: Desk) -> None:
    stranger = replace(calling(), principal=person("admin", tenant="other"))
    for tool, arguments in (
        ("look_up_customer", {}),
        ("look_up_order", {"order_id": "ORD-1018"}),
        ("refund_invoice", refund(DOUBLE)),
    ):
        assert "not_found" in (await desk.call(stranger, tool, arguments)).text
    assert await desk.refunded_cents(DOUBLE) == 0


async def test_a_larger_plan_begins_at_once_and_the_rest_of_the_month_is_charged(
    desk: Desk,
) -> None:
    changed = said(await desk.call(calling(customer="user_124"), "change_plan", {"plan": "Team"}))
    assert (changed["charge_usd"], changed["effective"]) == (20.0, "2026-11-16")
    found = said(await desk.call(calling(customer="user_124"), "look_up_customer", {}))
    assert found["plan"] == "Team"
    bill = said(await desk.call(calling(customer="user_124"), "list_invoices", {}))["invoices"]
    assert isinstance(bill, list)
    assert bill[0]["invoice_id"] == changed["invoice_id"]
    assert (bill[0]["amount_usd"], bill[0]["status"]) == (20.0, "open")


async def test_a_smaller_plan_begins_with_the_next_month_and_can_be_undone(desk: Desk) -> None:
    ask = calling(customer="user_123")
    changed = said(await desk.call(ask, "change_plan", {"plan": "Starter"}))
    assert (changed["effective"], changed["charge_usd"]) == ("2026-12-01", 0.0)
    found = said(await desk.call(ask, "look_up_customer", {}))
    assert (found["plan"], found["scheduled_plan"]) == ("Team", "Starter")
    await desk.call(ask, "change_plan", {"plan": "Team"})
    assert said(await desk.call(ask, "look_up_customer", {}))["scheduled_plan"] is None
    assert "same_plan" in (await desk.call(ask, "change_plan", {"plan": "Team"})).text


async def test_a_scheduled_plan_holds_from_its_day_on(desk: Desk) -> None:
    ask = calling(customer="user_123")
    await desk.call(ask, "change_plan", {"plan": "Starter"})
    desk.clock.advance(15 * 86_400)
    found = said(await desk.call(ask, "look_up_customer", {}))
    assert (found["plan"], found["scheduled_plan"]) == ("Starter", None)


@pytest.mark.parametrize(
    ("customer", "code"),
    [("user_132", "billed_by_the_year"), ("user_127", "account_not_active"),
     ("user_130", "account_not_active"), ("user_134", "account_not_active")],
)  # fmt: skip
async def test_a_plan_that_a_person_has_to_look_at_is_not_changed(
    desk: Desk, customer: str, code: str
) -> None:
    assert (
        code in (await desk.call(calling(customer=customer), "change_plan", {"plan": "Team"})).text
    )
    assert await desk.scalar("SELECT count(*) FROM plan_change") == 0


async def test_a_reset_link_goes_to_the_address_on_file_five_times_an_hour(desk: Desk) -> None:
    for _ in range(5):
        sent = said(await desk.call(calling(), "reset_password", {}))
        assert sent["sent_to"] == "u…@example.com"
        assert sent["expires_at"] == "2026-11-16T12:30:00.000Z"
    assert "too_many_links" in (await desk.call(calling(), "reset_password", {})).text
    desk.clock.advance(3600)
    assert not (await desk.call(calling(), "reset_password", {})).is_error


async def test_an_incident_is_kept_with_who_has_it(desk: Desk) -> None:
    asked: dict[str, Json] = {"severity": 2, "title": " Apps are down ", "description": "502"}
    opened = said(await desk.call(calling(), "open_incident", asked))
    assert opened["status"] == "open"
    query = "SELECT count(*) FROM incident WHERE user_id='user_123' AND title='Apps are down'"
    assert await desk.scalar(query) == 1
    assert "invalid" in (await desk.call(calling(), "open_incident", asked | {"severity": 4})).text


def test_amounts_are_never_rounded_on_the_way() -> None:
    model = tools_registry.by_name["refund_invoice"].arguments
    for cents in range(1, 10_000, 7):
        text = f'{{"invoice_id":"i","reason":"DUP","amount_usd":{cents / 100}}}'
        assert getattr(model.model_validate_json(text), "amount_usd") == Decimal(cents) / 100  # noqa: B009


async def test_what_a_model_invented_is_told_back_within_bounds(desk: Desk) -> None:
    invented: dict[str, Json] = {f"{'x' * 900}/{n}": 1 for n in range(50)}
    refused = await desk.call(calling(), "look_up_customer", invented)
    assert refused.is_error
    assert len(refused.text) < 5_000
