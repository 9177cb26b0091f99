"""How many calls may wait for a human: of a tenant, of whoever asks, and of them about one customer."""

from sqlalchemy import ColumnElement, Connection, case, func, select

from actors.database.tool_tables import tool_approval

# A program asks for all the customers of a channel, of whom one in many waits; a quarter of what a
# tenant's people can decide, so that one that went astray leaves the rest to the others.
OF_ONE_MAX = 250
# An answer makes 12 calls at most. Whoever has more open about one customer decides some first.
ABOUT_ONE_MAX = 20


def has_room(
    connection: Connection,
    tenant: str,
    asker: tuple[str, str | None],
    customer: str | None,
    now: float,
    waiting_max: int,
) -> bool:
    """Whether one more may wait; `asker` is the principal and the person behind it, if one is known."""
    principal, person = asker
    waits = tool_approval.c
    is_theirs: ColumnElement[bool] = waits.principal == principal
    if person is not None:
        # Another key of theirs is no further room.
        is_theirs = is_theirs | (waits.person == person)
    is_about = is_theirs & waits.customer.is_not_distinct_from(customer)
    counted = select(
        func.count(),
        func.coalesce(func.sum(case((is_theirs, 1), else_=0)), 0),
        func.coalesce(func.sum(case((is_about, 1), else_=0)), 0),
    ).where(waits.tenant == tenant, waits.state == "waiting", waits.expires_at > now)
    everybody, theirs, about = connection.execute(counted).one()
    return bool(everybody < waiting_max and theirs < OF_ONE_MAX and about < ABOUT_ONE_MAX)
