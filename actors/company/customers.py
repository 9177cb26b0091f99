"""Customers, their invoices and their orders, each asked for by its owner only."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Row, Table, bindparam, func, select

from actors.database.tables import customer, customer_order, invoice
from actors.database.tool_tables import refund
from routing.errors import AccessError

INVOICES_MAX = 24
"""The most one call lists: two years of monthly ones."""

PAID = "paid"
PARTLY_REFUNDED = "partly_refunded"
REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Customer:
    """An account. `email` is for letters to it, not for answers about it."""

    user_id: str
    account_name: str
    email: str
    plan: str
    region: str
    status: str
    since: str


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice; what was paid back of it is in `refunded_cents`."""

    id: str
    issued: str
    amount_cents: int
    refunded_cents: int
    status: str
    description: str
    paid_at: str | None

    @property
    def refundable_cents(self) -> int:
        """What can still be paid back: never more than was paid."""
        if self.status not in {PAID, PARTLY_REFUNDED}:
            return 0
        return max(self.amount_cents - self.refunded_cents, 0)


@dataclass(frozen=True, slots=True)
class Order:
    """An order."""

    id: str
    placed: str
    item: str
    quantity: int
    amount_cents: int
    status: str


def customer_of(
    connection: Connection, tenant: str, user_id: str, *, lock: bool = False
) -> Customer:
    """The account of `user_id`; with `lock` nobody else changes anything of theirs meanwhile.

    SQLite has one writer at a time and needs no lock.

    Raises:
        AccessError: There is none in this tenant.
    """
    asked = {"of": tenant, "who": user_id}
    row = connection.execute(_CUSTOMER_LOCKED if lock else _CUSTOMER, asked).one_or_none()
    if row is None:
        raise no_such_customer()
    return Customer(*row)


def no_such_customer() -> AccessError:
    """The same words whether there is none, or it is not the caller's to ask about."""
    return AccessError("not_found", "There is no such customer.")


def invoices_of(connection: Connection, tenant: str, user_id: str, limit: int) -> list[Invoice]:
    """The customer's newest invoices."""
    asked = {"of": tenant, "who": user_id, "most": min(limit, INVOICES_MAX)}
    return [_invoice(row) for row in connection.execute(_INVOICES, asked)]


def invoice_of(connection: Connection, tenant: str, user_id: str, invoice_id: str) -> Invoice:
    """One invoice of the customer's, as it is now and stays until the transaction ends.

    Raises:
        AccessError: The customer has no such invoice.
    """
    asked = {"of": tenant, "who": user_id, "named": invoice_id}
    row = connection.execute(_INVOICE, asked).one_or_none()
    if row is None:
        raise AccessError("not_found", f"There is no invoice {invoice_id}.")
    return _invoice(row)


def order_of(connection: Connection, tenant: str, user_id: str, order_id: str) -> Order:
    """One order of the customer's.

    Raises:
        AccessError: The customer has no such order.
    """
    asked = {"of": tenant, "who": user_id, "named": order_id}
    row = connection.execute(_ORDER, asked).one_or_none()
    if row is None:
        raise AccessError("not_found", f"There is no order {order_id}.")
    return Order(*row)


def _is_theirs(table: Table) -> ColumnElement[bool]:
    return (table.c.tenant == bindparam("of")) & (table.c.user_id == bindparam("who"))


_COLUMNS = (
    customer.c.user_id, customer.c.account_name, customer.c.email, customer.c.plan,
    customer.c.region, customer.c.status, customer.c.since,
)  # fmt: skip
_CUSTOMER = select(*_COLUMNS).where(_is_theirs(customer))
_CUSTOMER_LOCKED = _CUSTOMER.with_for_update()

_REFUNDED = (
    select(func.coalesce(func.sum(refund.c.amount_cents), 0))
    .where(refund.c.tenant == invoice.c.tenant, refund.c.invoice_id == invoice.c.id)
    .scalar_subquery()
)
_INVOICES = (
    select(invoice, _REFUNDED.label("refunded_cents"))
    .where(_is_theirs(invoice))
    .order_by(invoice.c.issued.desc(), invoice.c.id.desc())
    .limit(bindparam("most"))
)
_INVOICE = select(invoice, _REFUNDED.label("refunded_cents")).where(
    _is_theirs(invoice), invoice.c.id == bindparam("named")
)
_ORDER = select(
    customer_order.c.id, customer_order.c.placed, customer_order.c.item,
    customer_order.c.quantity, customer_order.c.amount_cents, customer_order.c.status,
).where(_is_theirs(customer_order), customer_order.c.id == bindparam("named"))  # fmt: skip


def _invoice(row: Row[*tuple[object, ...]]) -> Invoice:
    return Invoice(
        row.id,
        row.issued,
        row.amount_cents,
        # A sum of BIGINT is NUMERIC to PostgreSQL.
        int(row.refunded_cents),
        row.status,
        row.description,
        row.paid_at,
    )
