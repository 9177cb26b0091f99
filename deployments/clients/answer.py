"""An answer of SupportMax as a script holds it, and the events of one that is streamed.

The fields are those of `POST /v3/chat`. One that this version does not know is passed over,
so that an older script goes on working beside a newer SupportMax.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import TypeAdapter, ValidationError

from deployments.clients.problem import Problem, read_problem


@dataclass(frozen=True, slots=True)
class Citation:
    """A passage the answer cites."""

    source: str
    id: str
    title: str
    quote: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens; input includes cached ones, output includes reasoning."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One platform that was asked: `ok`, or the kind of its failure."""

    platform: str
    outcome: str
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a candidate was out; `would_pass` is the smallest limit that would let it in."""

    code: str
    detail: str
    would_pass: float | tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model of a platform as the decision saw it."""

    platform: str
    eligible: bool
    expected_cost_usd: float | None = None
    latency_p95_ms: float | None = None
    reasons: tuple[Reason, ...] = ()
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """Who was chosen and among whom; `GET /v3/decisions/{id}` has all of it."""

    id: str
    strategy: str
    chosen: str
    candidates: tuple[Candidate, ...]
    snapshot: int
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Handoff:
    """An agent passed the customer on to a person: why, and what the person should know."""

    reason: str | None
    context: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class NeedsApproval:
    """A call that a human has to agree to, under `/v3/approvals/{id}`; nothing was done yet."""

    id: str
    tool: str
    reason: str
    summary: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer with what it cost and who was asked. `cost_usd` None is unknown."""

    id: str
    conversation_id: str
    text: str
    citations: tuple[Citation, ...]
    platform: str
    model: str
    simulated: bool
    finish_reason: str
    handoff: Handoff | None
    tool_calls: tuple[Mapping[str, object], ...]
    usage: Usage
    cost_usd: float | None
    cost_estimated: bool
    latency_ms: float
    attempts: tuple[Attempt, ...]
    decision: Decision
    degraded: tuple[str, ...] = ()
    needs_approval: NeedsApproval | None = None


@dataclass(frozen=True, slots=True)
class Decided:
    """The platform was chosen."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Grounded:
    """The context was found: what the answer may cite."""

    citations: tuple[Citation, ...]
    degraded: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """In mid-answer the platform `to` took over from `origin`."""

    origin: str
    to: str


@dataclass(frozen=True, slots=True)
class Done:
    """The whole answer: the last event of every stream that worked."""

    answer: Answer


@dataclass(frozen=True, slots=True)
class Other:
    """Something else happened; `name` and `data` are the event's."""

    name: str
    data: Mapping[str, object]


Event: TypeAlias = Decided | Grounded | Delta | Resumed | Done | Other

_ANSWER = TypeAdapter(Answer)
_DECISION = TypeAdapter(Decision)
_GROUNDED = TypeAdapter(Grounded)
_DELTA = TypeAdapter(Delta)


def read_answer(value: object) -> Answer:
    """The answer that is in the JSON of `POST /v3/chat`.

    Raises:
        Problem: `unexpected_reply`.
    """
    try:
        return _ANSWER.validate_python(value)
    except ValidationError as error:
        raise _unexpected("answer", error) from error


def read_event(name: str, data: Mapping[str, object]) -> Event:
    """The event `name` of a stream.

    Raises:
        Problem: the stream says why there will be no answer, or it says nothing readable.
    """
    try:
        match name:
            case "decision":
                return Decided(_DECISION.validate_python(data))
            case "context":
                return _GROUNDED.validate_python(data)
            case "delta":
                return _DELTA.validate_python(data)
            case "resumed":
                return Resumed(str(data.get("from")), str(data.get("to")))
            case "done":
                return Done(read_answer(data))
            case "error":
                raise read_problem(data)
            case _:
                return Other(name, data)
    except ValidationError as error:
        raise _unexpected(f"event {name!r}", error) from error


def _unexpected(what: str, error: ValidationError) -> Problem:
    found = ", ".join("/".join(map(str, one["loc"])) for one in error.errors()[:3])
    detail = f"This is no {what} of SupportMax, or of another version than this: {found}"
    return Problem("unexpected_reply", detail)
