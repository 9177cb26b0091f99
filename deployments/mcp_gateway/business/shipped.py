"""The tools that ship: look up and act on the records of the demo company.

`mcp.servers.tools.registry: tools_registry` names this one. A company's own is a ToolRegistry in
a module of theirs, written the same way (docs/tools.md).
"""

from decimal import Decimal

from sqlalchemy import Connection

from actors.company import customers, incidents, passwords, plans, refunds
from deployments.mcp_gateway.business.declaration import (
    BusinessTool,
    Call,
    Limit,
    ToolRegistry,
)
from deployments.mcp_gateway.business.shipped_schema import (
    ChangePlan,
    CustomerFound,
    IncidentOpened,
    InvoiceFound,
    InvoicesFound,
    ListInvoices,
    LookUpCustomer,
    LookUpOrder,
    OpenIncident,
    OrderFound,
    PlanChanged,
    RefundInvoice,
    RefundMade,
    ResetPassword,
    ResetQueued,
)
from routing.clock import rfc3339

USE = "mcp:tools"
CHANGE = "customers:change"


def _look_up_customer(connection: Connection, call: Call, _: LookUpCustomer) -> CustomerFound:
    found = customers.customer_of(connection, call.tenant, call.customer)
    coming = plans.scheduled_change(connection, call.tenant, call.customer, call.now)
    return CustomerFound(
        user_id=found.user_id,
        account_name=found.account_name,
        plan=plans.plan_today(connection, call.tenant, found, call.now),
        region=found.region,
        status=found.status,
        customer_since=found.since,
        scheduled_plan=None if coming is None else coming.plan,
        scheduled_for=None if coming is None else coming.effective,
    )


def _list_invoices(connection: Connection, call: Call, asked: ListInvoices) -> InvoicesFound:
    customers.customer_of(connection, call.tenant, call.customer)
    found = customers.invoices_of(connection, call.tenant, call.customer, asked.limit)
    return InvoicesFound(
        invoices=[
            InvoiceFound(
                invoice_id=invoice.id,
                issued=invoice.issued,
                amount_usd=_usd(invoice.amount_cents),
                refunded_usd=_usd(invoice.refunded_cents),
                refundable_usd=_usd(invoice.refundable_cents),
                status=invoice.status,
                description=invoice.description,
                paid_at=invoice.paid_at,
            )
            for invoice in found
        ]
    )


def _look_up_order(connection: Connection, call: Call, asked: LookUpOrder) -> OrderFound:
    found = customers.order_of(connection, call.tenant, call.customer, asked.order_id)
    return OrderFound(
        order_id=found.id,
        placed=found.placed,
        item=found.item,
        quantity=found.quantity,
        amount_usd=_usd(found.amount_cents),
        status=found.status,
    )


def _refund_invoice(connection: Connection, call: Call, asked: RefundInvoice) -> RefundMade:
    made = refunds.make_refund(
        connection,
        call.tenant,
        call.customer,
        asked.invoice_id,
        _cents(asked.amount_usd),
        reason=asked.reason,
        call_id=call.id,
        now=call.now,
    )
    return RefundMade(
        refund_id=made.id,
        invoice_id=made.invoice_id,
        refunded_usd=_usd(made.amount_cents),
        left_usd=_usd(made.left_cents),
    )


def _refunds_reached(connection: Connection, call: Call, asked: RefundInvoice) -> int:
    planned = refunds.planned_cents(
        connection, call.tenant, call.customer, asked.invoice_id, _cents(asked.amount_usd)
    )
    return planned + refunds.refunded_this_month_cents(
        connection, call.tenant, call.customer, call.now
    )


def _reset_password(connection: Connection, call: Call, _: ResetPassword) -> ResetQueued:
    made = passwords.reset_password(
        connection, call.tenant, call.customer, call_id=call.id, now=call.now
    )
    return ResetQueued(sent_to=made.sent_to, expires_at=rfc3339(made.expires_at))


def _change_plan(connection: Connection, call: Call, asked: ChangePlan) -> PlanChanged:
    made = plans.change_plan(
        connection, call.tenant, call.customer, asked.plan, call_id=call.id, now=call.now
    )
    return PlanChanged(
        from_plan=made.from_plan,
        to_plan=made.to_plan,
        effective=made.effective,
        charge_usd=_usd(made.charge_cents),
        invoice_id=made.invoice_id,
    )


def _charge_reached(connection: Connection, call: Call, asked: ChangePlan) -> int:
    return plans.planned_charge_cents(connection, call.tenant, call.customer, asked.plan, call.now)


def _open_incident(connection: Connection, call: Call, asked: OpenIncident) -> IncidentOpened:
    made = incidents.open_incident(
        connection,
        call.tenant,
        call.customer,
        severity=asked.severity,
        title=asked.title,
        description=asked.description,
        call_id=call.id,
        now=call.now,
    )
    return IncidentOpened(incident_id=made.id, severity=made.severity, status=made.status)


def _usd(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _cents(usd: Decimal | None) -> int | None:
    return None if usd is None else int(usd.scaleb(2))


tools_registry = ToolRegistry(
    (
        BusinessTool(
            name="look_up_customer",
            title="Look up the customer",
            description="The customer's account: plan, region, status, and a plan change that is scheduled.",
            arguments=LookUpCustomer,
            result=CustomerFound,
            side_effect="read",
            permission=USE,
            work=_look_up_customer,
        ),
        BusinessTool(
            name="list_invoices",
            title="List invoices",
            description="The customer's newest invoices, with what was refunded of each and what still can be.",
            arguments=ListInvoices,
            result=InvoicesFound,
            side_effect="read",
            permission=USE,
            work=_list_invoices,
        ),
        BusinessTool(
            name="look_up_order",
            title="Look up an order",
            description="One order of the customer's, by its number.",
            arguments=LookUpOrder,
            result=OrderFound,
            side_effect="read",
            permission=USE,
            work=_look_up_order,
        ),
        BusinessTool(
            name="refund_invoice",
            title="Refund an invoice",
            description="Pay an invoice back, whole or in part, to whatever paid it. Never more than was paid.",
            arguments=RefundInvoice,
            result=RefundMade,
            side_effect="money",
            permission=CHANGE,
            work=_refund_invoice,
            limit=Limit("refunds_usd_per_customer_month", _refunds_reached),
        ),
        BusinessTool(
            name="reset_password",
            title="Send a password reset link",
            description="Have a link to choose a new password sent to the customer's address on file. It works for 30 minutes; older links stop working.",
            arguments=ResetPassword,
            result=ResetQueued,
            side_effect="write",
            permission=CHANGE,
            work=_reset_password,
        ),
        BusinessTool(
            name="change_plan",
            title="Change the plan",
            description="A larger plan begins at once and the rest of the month is charged; a smaller one begins on the first of the next month. The plan the account has now undoes a scheduled change.",
            arguments=ChangePlan,
            result=PlanChanged,
            side_effect="money",
            permission=CHANGE,
            work=_change_plan,
            limit=Limit("plan_charge_usd", _charge_reached),
        ),
        BusinessTool(
            name="open_incident",
            title="Open an incident",
            description="Hand a technical trouble of the customer's to the engineers.",
            arguments=OpenIncident,
            result=IncidentOpened,
            side_effect="write",
            permission=CHANGE,
            work=_open_incident,
        ),
    )
)
