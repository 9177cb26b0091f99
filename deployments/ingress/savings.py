"""GET /v3/savings: what routing saved, and what it did not, for whoever may see decisions."""

from collections.abc import Mapping
from typing import get_args

from starlette.responses import Response

from actors.database.savings import By, Savings
from deployments.ingress.parameters import Parameter, moment, word
from deployments.ingress.routes import Call, reply
from routing.clock import Clock, rfc3339
from routing.errors import RequestError, Violation
from routing.period import DAYS, parse_period

QUERY: Mapping[str, Parameter] = {
    "since": moment(
        f"A date, or a moment (RFC 3339): from then on. {DAYS} days before `until` if left out."
    ),
    "until": moment("A date, or a moment: up to then, without it. Now if left out."),
    "by": word("The same sums for each of them besides.", *get_args(By)),
}
"""What the report may be asked with."""


class SavingsRoutes:
    """The route that adds up what was saved; of the caller's tenant alone."""

    def __init__(self, savings: Savings, clock: Clock) -> None:
        self._savings = savings
        self._clock = clock

    async def report(self, call: Call) -> Response:
        """The period's reports: real answers and simulated ones never add up."""
        query = call.request.query_params
        if unknown := sorted(set(query) - set(QUERY)):
            violations = tuple(
                Violation(f"/{name}", f"there are: {', '.join(QUERY)}") for name in unknown
            )
            raise RequestError("unknown_parameter", "There is no such parameter.", violations)
        by = _by(query.get("by"))
        period = parse_period(query.get("since"), query.get("until"), self._clock.now())
        reports = await self._savings.report(call.principal.tenant, period, by)
        return reply(
            {
                "since": rfc3339(period.since),
                "until": rfc3339(period.until),
                "reports": [report.to_json() for report in reports],
            }
        )


def _by(text: str | None) -> By | None:
    for by in get_args(By):
        if text == by:
            return by  # type: ignore[no-any-return]  # one of its own words
    if text is None:
        return None
    there = ", ".join(get_args(By))
    violation = Violation("/by", f"{text[:40]!r} is none of {there}")
    raise RequestError("by_unknown", f"`by` is one of {there}.", (violation,))
