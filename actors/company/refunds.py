"""Refunds: whole cents, never more of an invoice than was paid, whoever asks at once."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, func, insert, select, update

from actors.company.customers import PARTLY_REFUNDED, REFUNDED, customer_of, invoice_of
from actors.database.tables import invoice
from actors.database.tool_tables import refund
from routing.errors import RequestError


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back; `left_cents` is what can still be refunded of the invoice."""

    id: str
    invoice_id: str
    amount_cents: int
    left_cents: int


def planned_cents(
    connection: Connection, tenant: str, user_id: str, invoice_id: str, amount_cents: int | None
) -> int:
    """What a refund of `amount_cents`, or of all that is left with None, would come to.

    The customer's records are held until the transaction ends, so what was planned is what is
    done: two refunds of one customer never count on the same money.

    Raises:
        AccessError: The customer has no such invoice.
        RequestError: Nothing, or not so much, can be refunded.
    """
    customer_of(connection, tenant, user_id, lock=True)
    asked = invoice_of(connection, tenant, user_id, invoice_id)
    left = asked.refundable_cents
    if left == 0:
        message = f"Nothing of invoice {invoice_id} can be refunded: it is {asked.status}."
        raise RequestError("nothing_to_refund", message)
    if amount_cents is None:
        return left
    if amount_cents <= 0:
        raise RequestError("invalid_amount", "A refund is more than nothing.")
    if amount_cents > left:
        message = f"At most ${left / 100:,.2f} of invoice {invoice_id} can still be refunded."
        raise RequestError("more_than_was_paid", message)
    return amount_cents


def make_refund(
    connection: Connection,
    tenant: str,
    user_id: str,
    invoice_id: str,
    amount_cents: int | None,
    *,
    reason: str,
    call_id: str,
    now: float,
) -> Refund:
    """Refund it, to whatever paid; raises what `planned_cents` raises."""
    amount = planned_cents(connection, tenant, user_id, invoice_id, amount_cents)
    left = invoice_of(connection, tenant, user_id, invoice_id).refundable_cents - amount
    made = Refund(f"ref_{call_id}", invoice_id, amount, left)
    row = {
        "tenant": tenant, "id": made.id, "invoice_id": invoice_id, "user_id": user_id,
        "amount_cents": amount, "reason": reason, "call_id": call_id, "at": now,
    }  # fmt: skip
    connection.execute(insert(refund), row)
    status = PARTLY_REFUNDED if left else REFUNDED
    connection.execute(_MARKING, {"of": tenant, "named": invoice_id, "as": status})
    return made


def refunded_this_month_cents(connection: Connection, tenant: str, user_id: str, now: float) -> int:
    """What went back to the customer since the first of the month, UTC."""
    today = datetime.fromtimestamp(now, UTC)
    first = today.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp()
    asked = {"of": tenant, "who": user_id, "since": first}
    return int(connection.execute(_SUM, asked).scalar_one())


_MARKING = (
    update(invoice)
    .where(invoice.c.tenant == bindparam("of"), invoice.c.id == bindparam("named"))
    .values(status=bindparam("as"))
)
_SUM = select(func.coalesce(func.sum(refund.c.amount_cents), 0)).where(
    refund.c.tenant == bindparam("of"),
    refund.c.user_id == bindparam("who"),
    refund.c.at >= bindparam("since"),
)
