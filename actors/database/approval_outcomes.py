"""What came of an approved call, kept once: the first word stays."""

from sqlalchemy import Connection, bindparam, update

from actors.database.sealed_places import APPROVAL_OUTCOME
from actors.database.sealing import Keys
from actors.database.tool_tables import tool_approval
from routing.message import JsonObject


def keep_outcome(
    connection: Connection,
    keys: Keys,
    tenant: str,
    approval_id: str,
    outcome: JsonObject,
    now: float,
    is_error: bool,
) -> None:
    """Keep it in the transaction that did the call, if the approval was spent."""
    sealed = keys.seal_json(APPROVAL_OUTCOME, (approval_id,), dict(outcome))
    asked = {"of": tenant, "named": approval_id, "now": now}
    connection.execute(_FINISHING, {**asked, "came_to": sealed, "failed": is_error}).close()


_FINISHING = (
    update(tool_approval)
    .where(
        tool_approval.c.tenant == bindparam("of"),
        tool_approval.c.id == bindparam("named"),
        tool_approval.c.spent_at.is_not(None),
        tool_approval.c.finished_at.is_(None),
    )
    .values(
        outcome=bindparam("came_to", type_=tool_approval.c.outcome.type),
        is_error=bindparam("failed"),
        finished_at=bindparam("now"),
    )
)
