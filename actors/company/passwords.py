"""Password resets: a link to the address on file, and to no other."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, insert, select

from actors.company.customers import customer_of
from actors.database.tool_tables import password_reset
from routing.errors import RequestError

LINK_S = 30 * 60.0
"""How long a link works."""

LINKS_PER_HOUR = 5
"""More would be a way to fill somebody's mailbox."""

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class PasswordReset:
    """A link that will be sent; `sent_to` shows only enough of the address to recognise it."""

    id: str
    sent_to: str
    expires_at: float


def reset_password(
    connection: Connection, tenant: str, user_id: str, *, call_id: str, now: float
) -> PasswordReset:
    """Have a link sent; it makes older ones invalid.

    The row is the order to send it. Nothing that opens an account is in it or in the answer:
    the link is made where the letter is.

    Raises:
        AccessError: There is no such customer.
        RequestError: Too many were sent this hour, or the account is closed.
    """
    account = customer_of(connection, tenant, user_id, lock=True)
    if account.status == "cancelled":
        raise RequestError("account_not_active", "The account is cancelled.")
    asked = {"of": tenant, "who": user_id, "since": now - _HOUR_S}
    if connection.execute(_SENT, asked).scalar_one() >= LINKS_PER_HOUR:
        message = f"{LINKS_PER_HOUR} links were sent within an hour; wait before the next."
        raise RequestError("too_many_links", message)
    made = PasswordReset(f"rst_{call_id}", _masked(account.email), now + LINK_S)
    row = {
        "tenant": tenant, "id": made.id, "user_id": user_id, "call_id": call_id,
        "at": now, "expires_at": made.expires_at,
    }  # fmt: skip
    connection.execute(insert(password_reset), row)
    return made


def _masked(address: str) -> str:
    name, _, domain = address.partition("@")
    return f"{name[:1]}…@{domain}"


_SENT = (
    select(func.count())
    .select_from(password_reset)
    .where(
        password_reset.c.tenant == bindparam("of"),
        password_reset.c.user_id == bindparam("who"),
        password_reset.c.at > bindparam("since"),
    )
)
