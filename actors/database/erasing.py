"""Who may not be erased, and of whom nothing may be kept: asked inside a transaction by whoever writes."""

from sqlalchemy import Connection, bindparam, select

from actors.database.user_data_tables import erasure, legal_hold

UNDER_HOLD = "This person's data is under a legal hold; nothing was erased."


def is_held(connection: Connection, tenant: str, user_id: str) -> bool:
    """Whether the person is under a legal hold."""
    return connection.execute(_HELD, {"of": tenant, "who": user_id}).first() is not None


def is_being_erased(connection: Connection, tenant: str, user_id: str | float | None) -> bool:
    """Whether an erasure of the person is not settled; None is nobody in particular."""
    if user_id is None:
        return False
    return connection.execute(_ERASED, {"of": tenant, "who": user_id}).first() is not None


_HELD = select(legal_hold.c.user_id).where(
    legal_hold.c.tenant == bindparam("of"), legal_hold.c.user_id == bindparam("who")
)
_ERASED = select(erasure.c.state).where(
    erasure.c.tenant == bindparam("of"), erasure.c.user_id == bindparam("who")
)
