"""What becomes of a call that waits for a human, or has its yes, when nobody is behind it any more."""

from collections.abc import Mapping

from sqlalchemy import case, null

from actors.database.tool_tables import tool_approval

IS_OPEN = tool_approval.c.state.in_(("waiting", "approved")) & tool_approval.c.finished_at.is_(None)
"""Of rows that can still come to something."""

ENDED: Mapping[str, object] = {
    "state": case((IS_OPEN, "expired"), else_=tool_approval.c.state),
    # One that was used stays where its repeat finds it, and is refused.
    "live_key": case(
        (IS_OPEN & tool_approval.c.spent_at.is_(None), null()), else_=tool_approval.c.live_key
    ),
}
"""The columns of a row that came to its end; one that was decided otherwise or done stays as it is."""
