"""What goes on record of a request: who asked for what, whether they might, and what came of it.

A row of the route table says how closely it is watched. Of a change (an action of the rate class
`admin`: configuration, budgets, keys, approvals) the decision is on disk before the handler
begins, and its end is recorded after it; everything else is one record when it is over.
"""

from typing import TYPE_CHECKING

from actors.audit.errors import AuditUnavailable
from actors.sealing.errors import ClearRefused
from deployments.security.errors import TurnedAway
from deployments.security.principal import Principal
from deployments.security.trail import Deed, Trail
from routing.errors import AccessError, SupportMaxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from actors.audit import Outcome
    from deployments.ingress.routes import Operation

NOBODY = Principal("", "")


class Watched:
    """One request of one row."""

    def __init__(self, trail: Trail | None, op: "Operation", request: "Request") -> None:
        self._trail = None if op.audit == "none" else trail
        self._op = op
        self._who = NOBODY
        self._was_allowed = False
        self._is_away = False
        # A path has one id at most that matters: the last one.
        self._object = next(reversed(list(request.path_params.values())), "")

    def known(self, principal: Principal) -> None:
        """Who is calling."""
        self._who = principal

    def turned_away(self, principal: Principal) -> None:
        """Who is known and is not let in all the same."""
        self._who, self._is_away = principal, True

    async def allowed(self, intent: "Sequence[str]" = ()) -> None:
        """The caller may. For a change this is on disk when it returns, with what it is to be.

        Raises:
            AuditUnavailable: it is not, and the change must not begin.
        """
        self._was_allowed = True
        if self._trail is not None and is_change(self._op):
            begun = self._deed("begun", 0, _granted(self._who), tuple(intent))
            await self._trail.commit(self._who, begun)

    def ended(
        self, response: "Response", error: Exception | None = None, words: "Sequence[str]" = ()
    ) -> "Response":
        """What came of it; `words` say what it was, if it was."""
        if self._trail is None or isinstance(error, AuditUnavailable):
            return response
        outcome: Outcome = "done" if response.status_code < 400 else "failed"
        reason = _granted(self._who)
        # By the row, or by what the handler alone can see: whose it is, or how much the caller has themselves.
        if isinstance(error, AccessError) and (not self._was_allowed or error.code == "forbidden"):
            outcome = "denied"
        if error is not None:
            reason = error.code if isinstance(error, SupportMaxError) else "internal_error"
        if isinstance(error, TurnedAway):
            reason = error.why
        if isinstance(error, ClearRefused):
            reason = f"{error.code}:{error.place}"  # a table and a column: where to look
        held_back = self._who.withheld.get(self._op.permission)
        if outcome == "denied" and held_back is not None:
            reason = f"withheld:{held_back}"
        said = tuple(words) if outcome == "done" else ()
        put = self._trail.turned_away if self._is_away else self._trail.note
        put(self._who, self._deed(outcome, response.status_code, reason, said))
        return response

    def broken_off(self) -> None:
        """The caller went away before it ended; what was begun may have been done."""
        if self._trail is not None:
            self._trail.note(self._who, self._deed("failed", 0, "broken_off"))

    def _deed(
        self, outcome: "Outcome", status: int, reason: str, words: tuple[str, ...] = ()
    ) -> Deed:
        op = self._op
        action = f"{op.method} {op.path}"
        return Deed(action, outcome, str(self._object), op.permission, reason, status, words)


def is_change(op: "Operation") -> bool:
    """Whether nothing of it may be done that is not on record."""
    return op.audit == "action" and op.rate == "admin"


def _granted(who: Principal) -> str:
    return "roles:" + "+".join(sorted(who.roles)) if who.roles else ""
