"""Plan changes: up at once and paid for by the day, down on the first of the next month."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal

from sqlalchemy import Connection, bindparam, insert, select, update

from actors.company.customers import INVOICES_MAX, Customer, customer_of, invoices_of
from actors.database.tables import customer, invoice
from actors.database.tool_tables import plan_change
from routing.errors import RequestError

PRICES_CENTS = {"Starter": 900, "Team": 4_900, "Business": 19_900}
"""A month of each plan."""

# A year is paid as ten months; who has an invoice of one is billed by the year.
_YEARS_CENTS = frozenset(10 * cents for cents in PRICES_CENTS.values())
_CHANGEABLE = frozenset({"active"})


@dataclass(frozen=True, slots=True)
class PlanChange:
    """From when the plan is another, and what is charged for the rest of this month."""

    from_plan: str
    to_plan: str
    effective: str
    charge_cents: int
    invoice_id: str | None


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A change that is still to come."""

    plan: str
    effective: str


def scheduled_change(
    connection: Connection, tenant: str, user_id: str, now: float
) -> Scheduled | None:
    """The newest change that takes effect after today, if there is one."""
    asked = {"of": tenant, "who": user_id, "today": _day(now).isoformat()}
    row = connection.execute(_COMING, asked).first()
    return None if row is None else Scheduled(row.to_plan, row.effective)


def plan_today(connection: Connection, tenant: str, account: Customer, now: float) -> str:
    """The account's plan, counting a scheduled change whose day has come."""
    asked = {"of": tenant, "who": account.user_id, "today": _day(now).isoformat()}
    row = connection.execute(_CAME, asked).first()
    return account.plan if row is None else str(row.to_plan)


def upgrade_cents(plan: str, wanted: str, now: float) -> int:
    """What the rest of the month costs more, counting today; 0 for a smaller plan."""
    day = _day(now)
    days = monthrange(day.year, day.month)[1]
    more = PRICES_CENTS[wanted] - PRICES_CENTS.get(plan, 0)
    share = Decimal(more * (days - day.day + 1)) / days
    return max(int(share.quantize(Decimal(1), ROUND_HALF_UP)), 0)


def planned_charge_cents(
    connection: Connection, tenant: str, user_id: str, wanted: str, now: float
) -> int:
    """What changing to `wanted` would charge now.

    Raises:
        AccessError: There is no such customer.
        RequestError: The plan cannot be changed here.
    """
    account = customer_of(connection, tenant, user_id, lock=True)
    plan = plan_today(connection, tenant, account, now)
    _must_be_changeable(connection, tenant, account)
    return upgrade_cents(plan, wanted, now)


def change_plan(
    connection: Connection, tenant: str, user_id: str, wanted: str, *, call_id: str, now: float
) -> PlanChange:
    """Change it; a change that was scheduled before is undone.

    Raises what `planned_charge_cents` raises, and RequestError where nothing would change.
    """
    charge = planned_charge_cents(connection, tenant, user_id, wanted, now)
    account = customer_of(connection, tenant, user_id)
    plan, day = plan_today(connection, tenant, account, now), _day(now)
    undone = connection.execute(
        _UNDOING, {"of": tenant, "who": user_id, "today": day.isoformat(), "now": now}
    ).rowcount
    if wanted == plan and not undone:
        raise RequestError("same_plan", f"The account is on {plan} already.")
    if wanted == plan:
        return PlanChange(plan, plan, day.isoformat(), 0, None)
    is_up = PRICES_CENTS[wanted] > PRICES_CENTS.get(plan, 0)
    effective = day if is_up else _first_of_next_month(day)
    row = {
        "tenant": tenant, "id": f"pch_{call_id}", "user_id": user_id, "from_plan": plan,
        "to_plan": wanted, "effective": effective.isoformat(), "charge_cents": charge,
        "call_id": call_id, "at": now,
    }  # fmt: skip
    connection.execute(insert(plan_change), row)
    invoice_id = None
    if is_up:
        connection.execute(_SETTING, {"of": tenant, "who": user_id, "as": wanted})
        invoice_id = f"INV-{day.year}-{call_id[-12:].upper()}"
        description = f"Upgrade from {plan} to {wanted}, {day.isoformat()} to the end of the month"
        bill = {
            "tenant": tenant, "id": invoice_id, "user_id": user_id, "issued": day.isoformat(),
            "amount_cents": charge, "status": "open", "description": description,
        }  # fmt: skip
        connection.execute(insert(invoice), bill)
    return PlanChange(plan, wanted, effective.isoformat(), charge, invoice_id)


def _must_be_changeable(connection: Connection, tenant: str, account: Customer) -> None:
    if account.status not in _CHANGEABLE:
        message = f"The plan of an account that is {account.status} cannot be changed here."
        raise RequestError("account_not_active", message)
    invoices = invoices_of(connection, tenant, account.user_id, INVOICES_MAX)
    if any(found.amount_cents in _YEARS_CENTS for found in invoices):
        message = "The account is billed by the year; its billing team has to calculate this."
        raise RequestError("billed_by_the_year", message)


def _day(now: float) -> date:
    return datetime.fromtimestamp(now, UTC).date()


def _first_of_next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


_THEIRS = (
    (plan_change.c.tenant == bindparam("of"))
    & (plan_change.c.user_id == bindparam("who"))
    & plan_change.c.undone_at.is_(None)
)
_COMING = (
    select(plan_change)
    .where(_THEIRS, plan_change.c.effective > bindparam("today"))
    .order_by(plan_change.c.at.desc())
    .limit(1)
)
_CAME = (
    select(plan_change)
    .where(_THEIRS, plan_change.c.effective <= bindparam("today"))
    .order_by(plan_change.c.effective.desc(), plan_change.c.at.desc())
    .limit(1)
)
_UNDOING = (
    update(plan_change)
    .where(_THEIRS, plan_change.c.effective > bindparam("today"))
    .values(undone_at=bindparam("now"))
)
_SETTING = (
    update(customer)
    .where(customer.c.tenant == bindparam("of"), customer.c.user_id == bindparam("who"))
    .values(plan=bindparam("as"))
)
