"""Answers of this SupportMax that somebody judged, as `supportmax simulate --ledger` evaluates them."""

from pydantic import BaseModel, ConfigDict, ValidationError

from actors.database.decisions import Decisions
from actors.database.engine import open_database
from actors.database.feedback import Feedback, FeedbackRow
from actors.database.ledger import Ledger
from deployments.boot import Boot
from deployments.database import address_of
from deployments.recorded import LoggedRow

ROWS_MAX = 50_000
"""The newest; each takes two reads of 0.2 ms."""


class _Kept(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    chosen: str
    model: str
    propensity: float


async def read_logged(boot: Boot, tenant: str) -> list[LoggedRow]:
    """The tenant's answers with feedback, with the probability of whom they came from.

    Left out are those that another target gave than was chosen, whose probability nobody
    knows, and those without a price.
    """
    database = open_database(address_of(boot))
    try:
        await database.migrate()
        decisions, ledger = Decisions(database), Ledger(database)
        given = await Feedback(database).given(tenant, ROWS_MAX)
        rows = [await _logged(row, decisions, ledger) for row in given]
    finally:
        await database.aclose()
    return [row for row in rows if row is not None]


async def _logged(row: FeedbackRow, decisions: Decisions, ledger: Ledger) -> LoggedRow | None:
    decision = await decisions.get(row.tenant, row.decision_id)
    if decision is None or decision.answer_id is None:
        return None
    try:
        kept = _Kept.model_validate(decision.body)
    except ValidationError:
        return None
    attempts = await ledger.attempts_of(row.tenant, decision.answer_id)
    costs = [attempt.cost_usd for attempt in attempts]
    if f"{kept.chosen}/{kept.model}" != row.target:
        return None
    known = [cost for cost in costs if cost is not None]
    if len(known) < len(costs) or not known:
        return None
    return LoggedRow(
        target=row.target,
        reward=row.quality,
        cost_usd=float(sum(known)),
        propensity=kept.propensity,
    )
