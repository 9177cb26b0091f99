"""/v3/decisions/{id}: what was decided and why, and how good what came of it was."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from actors.database.decisions import DecisionRow, Decisions
from actors.database.feedback import Feedback, FeedbackRow
from actors.database.ledger import Ledger
from deployments.ingress.routes import Call, reply
from routing.clock import Clock, rfc3339
from routing.errors import AccessError, ConflictError
from routing.quality import Reading

if TYPE_CHECKING:
    from deployments.ingress.schema import FeedbackBody


class _Facts(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    reading: Reading | None = None


class _Question(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    strategy: str
    facts: _Facts


class _Certificate(BaseModel):
    """Of a kept decision's certificate, what feedback can be learned by."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    question: _Question


class _Predicted(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    predicted: float


class _Candidate(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    platform: str
    model: str
    quality: _Predicted | None = None


class _Kept(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    certificate: _Certificate | None = None
    candidates: tuple[_Candidate, ...] = Field(default=())


class Evidence:
    """The routes that say why, and hear how it went."""

    def __init__(
        self, decisions: Decisions, ledger: Ledger, feedback: Feedback, clock: Clock
    ) -> None:
        self._decisions = decisions
        self._ledger = ledger
        self._feedback = feedback
        self._clock = clock

    async def decision(self, call: Call) -> Response:
        """The tenant's decision of that id; somebody else's is as unknown as none."""
        kept = await self._kept(call)
        return reply({"decision": kept.body, "answer_id": kept.answer_id, "at": rfc3339(kept.at)})

    async def feedback(self, call: Call) -> Response:
        """POST /v3/decisions/{id}/feedback: how good the answer was; one word per decision.

        The same word again is answered the same; another one is a conflict.
        """
        body: FeedbackBody = call.body
        kept = await self._kept(call)
        tenant = call.principal.tenant
        attempts = await self._ledger.attempts_of(tenant, kept.answer_id or "")
        answered = [a for a in attempts if a.error is None and not a.abandoned]
        if not answered:
            message = "No answer of this decision is booked; one that was given is, in a second."
            raise ConflictError("not_answered", message)
        target = answered[-1].target
        context, surplus = _lesson(kept.body, target, body.quality)
        row = FeedbackRow(
            tenant, kept.id, body.quality, target, self._clock.now(), context, surplus
        )
        quality = await self._feedback.put(row)
        if quality != body.quality:
            message = f"This decision has feedback already: {quality:g}."
            raise ConflictError("feedback_given", message)
        taught = context is not None
        return reply(
            {"decision_id": kept.id, "target": target, "quality": quality, "teaches": taught}
        )

    async def _kept(self, call: Call) -> DecisionRow:
        wanted = call.request.path_params["id"]
        kept = await self._decisions.get(call.principal.tenant, wanted)
        if kept is None:
            raise AccessError("not_found", f"There is no decision {wanted[:64]}.")
        return kept


def _lesson(body: object, target: str, quality: float) -> tuple[tuple[float, ...] | None, float]:
    """The question's figures, and how much better the answer was than predicted.

    None where the strategy was another one and nothing was predicted, or the decision was
    kept by a version that kept less.
    """
    try:
        kept = _Kept.model_validate(body)
    except ValidationError:
        return None, 0.0
    predicted = next(
        (c.quality for c in kept.candidates if f"{c.platform}/{c.model}" == target), None
    )
    reading = None if kept.certificate is None else kept.certificate.question.facts.reading
    if predicted is None or reading is None:
        return None, 0.0
    return reading.context, quality - predicted.predicted
