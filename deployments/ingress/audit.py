"""GET /v3/audit: the records of the caller's tenant, sought and paged."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping

import orjson
from starlette.responses import Response

from actors.audit.ocsf import MEDIA_TYPE, ocsf_line
from actors.database.audit_events import AuditCursor, AuditEvent, AuditEvents, AuditQuery
from deployments.ingress import audit_schema as schema
from deployments.ingress.parameters import moment, number, text, word
from deployments.ingress.routes import Call, Operation, reply
from deployments.security.trail import Trail
from routing.clock import Clock, rfc3339
from routing.errors import RequestError, Violation
from routing.message import JsonObject
from routing.period import parse_period

LIMIT, LIMIT_MAX = 100, 1000
OUTCOMES = ("begun", "done", "denied", "failed", "stated")
# As long as an action on record can be.
_ACTION_MAX = 160
QUERY = {
    "since": moment("a date or moment; without it 30 days before the end"),
    "until": moment("a date or moment; without it now"),
    "subject": text("who did it: key:… or a provider's id of somebody"),
    "action": text("what was done, as records have it: PUT /admin/budgets/{id}", _ACTION_MAX),
    "outcome": word("what came of it", *OUTCOMES),
    "object": text("what it was done to; a name that is kept as a pseudonym is found by itself"),
    "limit": number(f"how many; {LIMIT} without it", 1, LIMIT_MAX),
    "cursor": text("`next` of the page before"),
    "format": word("lines of OCSF 1.6 in place of this document", "ocsf"),
}
NEXT = "x-next-cursor"
"""The header that has `next` where lines have no place for it."""
_NUMBER = re.compile(r"[0-9]{1,4}")


class AuditRoutes:
    """The route; what it shows is the caller's tenant's and nobody else's."""

    def __init__(self, events: AuditEvents, trail: Trail, clock: Clock) -> None:
        self._events = events
        self._trail = trail
        self._clock = clock

    def operations(self) -> list[Operation]:
        """The row of the table."""
        return [
            Operation(
                "GET", "/v3/audit", "Who did what with which right, and what came of it",
                "audit:read", "read", "access", self.search, schema.AuditPage, query=QUERY,
                lines=MEDIA_TYPE,
            ),
        ]  # fmt: skip

    async def search(self, call: Call) -> Response:
        """A page, the newest first."""
        asked = call.request.query_params
        if unknown := sorted(set(asked) - set(QUERY)):
            raise _unusable(unknown[0], f"There are: {', '.join(QUERY)}.")
        limit = asked.get("limit", str(LIMIT))
        if not _NUMBER.fullmatch(limit) or not 1 <= int(limit) <= LIMIT_MAX:
            raise _unusable("limit", f"It is a number from 1 to {LIMIT_MAX}.")
        if asked.get("format", "ocsf") != "ocsf":
            raise _unusable("format", "It is ocsf, or left out.")
        after = _cursor(asked["cursor"]) if "cursor" in asked else None
        rows = await self._events.search(
            call.principal.tenant,
            query_of(asked, self._trail.sought, self._clock.now()),
            after,
            int(limit),
        )
        # A full page may be the last; the one after it is then empty.
        more = _text_of(rows[-1]) if len(rows) == int(limit) else None
        if "format" in asked:
            headers = {} if more is None else {NEXT: more}
            return Response(b"".join(map(ocsf_line, rows)), 200, headers, media_type=MEDIA_TYPE)
        return reply({"records": [row_of(row) for row in rows], "next": more})


def query_of(
    asked: Mapping[str, str], sought: Callable[[str], tuple[str, ...]], now: float
) -> AuditQuery:
    """What is sought, by the names of `QUERY`; `sought` tells under which names somebody is kept.

    Raises:
        RequestError: a moment or an outcome cannot be meant.
    """
    if "outcome" in asked and asked["outcome"] not in OUTCOMES:
        raise _unusable("outcome", f"It is one of {', '.join(OUTCOMES)}.")
    period = parse_period(asked.get("since"), asked.get("until"), now)
    subjects, objects = (
        sought(asked[name]) if name in asked else None for name in ("subject", "object")
    )
    return AuditQuery(
        int(period.since * 1000),
        # Of a moment that is not said, what was recorded in this very millisecond is shown too.
        int(period.until * 1000) + 1,
        subjects,
        objects,
        asked.get("action"),
        asked.get("outcome"),
    )


def row_of(event: AuditEvent) -> JsonObject:
    """A record as it is shown."""
    return {
        "id": f"{event.chain}/{event.n}",
        "at": rfc3339(event.at_ms / 1000),
        "subject": event.subject,
        "credential": event.credential,
        "action": event.action,
        "outcome": event.outcome,
        "object": event.object,
        "permission": event.permission,
        "reason": event.reason,
        "request_id": event.request,
        "status": event.status,
        "count": event.count,
    }


def _text_of(event: AuditEvent) -> str:
    place = orjson.dumps([event.at_ms, event.chain, event.n])
    return base64.urlsafe_b64encode(place).decode()


def _cursor(text: str) -> AuditCursor:
    """A place, and no more: whose records are shown is not in it."""
    try:
        at_ms, chain, number = orjson.loads(base64.b64decode(text, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error):
        raise _unusable("cursor", "It is `next` of an answer.") from None
    if not (type(at_ms) is int and type(chain) is str and type(number) is int):
        raise _unusable("cursor", "It is `next` of an answer.")
    if not (0 <= at_ms < 2**53 and 0 <= number < 2**53):
        raise _unusable("cursor", "It is `next` of an answer.")
    return AuditCursor(at_ms, chain, number)


def _unusable(name: str, message: str) -> RequestError:
    return RequestError("invalid_request", message, (Violation(f"/{name}", message),))
