"""What the shipped tools take and give."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, PlainSerializer, StringConstraints, WithJsonSchema

from actors.company.customers import INVOICES_MAX
from deployments.mcp_gateway.business.declaration import CustomerArguments, Result

# A number is what a model writes and a client reads; the sum inside is whole cents.
_Usd = Annotated[
    Decimal,
    PlainSerializer(float, return_type=float),
    WithJsonSchema({"type": "number", "description": "US dollars"}),
]
_AskedUsd = Annotated[
    Decimal,
    Field(gt=0, max_digits=9, decimal_places=2),
    # No multipleOf: to a validator of floats 20.4 is no multiple of 0.01.
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0}),
]
_Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
Plan = Literal["Starter", "Team", "Business"]


class LookUpCustomer(CustomerArguments):
    """Nothing but whose."""


class CustomerFound(Result):
    """An account. There is no address in it: no answer needs one."""

    user_id: str
    account_name: str
    plan: str
    region: str
    status: str
    customer_since: str
    scheduled_plan: str | None = Field(description="the plan from scheduled_for on, if it changes")
    scheduled_for: str | None


class ListInvoices(CustomerArguments):
    """How many."""

    limit: int = Field(default=12, ge=1, le=INVOICES_MAX, description="the newest first")


class InvoiceFound(Result):
    """An invoice, and what of it can still be refunded."""

    invoice_id: str
    issued: str
    amount_usd: _Usd
    refunded_usd: _Usd
    refundable_usd: _Usd
    status: str
    description: str
    paid_at: str | None


class InvoicesFound(Result):
    """The newest invoices."""

    invoices: list[InvoiceFound]


class LookUpOrder(CustomerArguments):
    """Which order."""

    order_id: _Id = Field(examples=["ORD-1018"])


class OrderFound(Result):
    """An order."""

    order_id: str
    placed: str
    item: str
    quantity: int
    amount_usd: _Usd
    status: str


class RefundInvoice(CustomerArguments):
    """Which invoice, how much of it, and why."""

    invoice_id: _Id = Field(examples=["INV-2026-0039"])
    amount_usd: _AskedUsd | None = Field(
        default=None, description="in whole cents; leave it out for all that is left of the invoice"
    )
    reason: Literal["DUP", "FIRST", "ORDER", "GOODWILL"] = Field(
        description="DUP duplicate charge, FIRST first payment, ORDER an order, GOODWILL all else"
    )


class RefundMade(Result):
    """A refund, on its way to whatever paid."""

    refund_id: str
    invoice_id: str
    refunded_usd: _Usd
    left_usd: _Usd = Field(description="what can still be refunded of this invoice")


class ResetPassword(CustomerArguments):
    """Nothing but whose."""


class ResetQueued(Result):
    """A link that will be sent to the address on file."""

    sent_to: str
    expires_at: str


class ChangePlan(CustomerArguments):
    """To which plan."""

    plan: Plan


class PlanChanged(Result):
    """From when the plan is another."""

    from_plan: str
    to_plan: str
    effective: str
    charge_usd: _Usd
    invoice_id: str | None


class OpenIncident(CustomerArguments):
    """What is broken, and how badly."""

    severity: Literal[1, 2, 3] = Field(
        description="1 several customers down or data lost, 2 one customer down, 3 everything else"
    )
    title: Annotated[str, StringConstraints(min_length=3, max_length=200, strip_whitespace=True)]
    description: Annotated[str, StringConstraints(min_length=1, max_length=8000)]


class IncidentOpened(Result):
    """An incident the engineers have been given."""

    incident_id: str
    severity: int
    status: str
