"""What callers send and get, as data: validation, OpenAPI and documentation come from here."""

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    RootModel,
    StringConstraints,
)
from pydantic_core import PydanticCustomError

from routing.capability import Capability

PlatformName = Literal["openai", "azure_openai", "anthropic", "google_vertex", "copilot_studio"]
Strategy = Literal["cost_optimized", "latency", "capability", "balanced", "adaptive"]
Source = Literal["vector_store", "knowledge_graph", "database", "memory"]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@:+-]{1,128}$")]
ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]

# About 8,000 tokens: a long mail. A document belongs into the knowledge base.
MESSAGE_MAX = 32_768


def _said(message: str) -> str:
    # Vendors refuse an empty text, and platforms would be asked the turn before it.
    if not message.strip():
        raise PydanticCustomError("empty", "White space alone says nothing")
    return message


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class RequirementsBody(_Body):
    """Hard limits: an answer that would break one is refused, not given."""

    # A nano-dollar buys nothing anywhere; a million is nobody's answer.
    max_cost: float | None = Field(None, ge=1e-9, le=1e6, description="USD for the whole answer")
    max_latency_ms: float | None = Field(None, gt=0, le=600_000, description="until its end")
    capabilities: list[Capability] = Field(default_factory=list, max_length=16)
    regions: list[Region] = Field(default_factory=list, max_length=16)
    min_quality: float | None = Field(None, ge=0, le=1)


class ChatBody(_Body):
    """A customer's message and how it may be answered; only `message` is required."""

    message: Annotated[str, AfterValidator(_said)] = Field(min_length=1, max_length=MESSAGE_MAX)
    user_id: Identifier | None = Field(None, description="the customer this is about")
    conversation_id: Annotated[str, StringConstraints(pattern=r"^conv_[a-z0-9]{8,64}$")] | None = (
        None
    )
    platform: Literal["auto", PlatformName] = "auto"
    fallback_platforms: list[PlatformName] | None = Field(None, max_length=4)
    strategy: Strategy | None = None
    requirements: RequirementsBody = Field(default_factory=RequirementsBody)
    sources: list[Source] | None = Field(None, max_length=4)
    tools: Literal["auto", "none"] | Annotated[list[ToolName], Field(max_length=64)] = Field(
        "auto",
        description="tools the answer may use: auto is what is configured, or some of these by name",
    )
    stream: bool = False
    max_tokens: int | None = Field(None, ge=1, le=128_000)
    metadata: dict[
        Annotated[str, StringConstraints(max_length=64)],
        Annotated[str, StringConstraints(max_length=512)],
    ] = Field(
        default_factory=dict, max_length=16, description="the caller's own notes; not kept yet"
    )


class FixedChatBody(ChatBody):
    """The chat body on a platform's own route, where the platform is the route's."""

    platform: Literal["auto", PlatformName] = Field("auto", description="must match the route")


class RouteBody(ChatBody):
    """The chat body with an explicit platform, or the decision alone."""

    platform: PlatformName
    dry_run: bool = Field(False, description="decide, call nobody")


class Citation(BaseModel):
    """A passage the answer cites."""

    source: Source
    id: str
    title: str
    quote: str


class UsageBody(BaseModel):
    """Tokens of the answer; input includes cached ones, output includes reasoning."""

    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int


class AttemptBody(BaseModel):
    """One platform that was asked: `ok`, or the kind of its failure."""

    platform: str
    outcome: str
    latency_ms: float


class ReasonBody(BaseModel):
    """Why a candidate was out; `would_pass` is the smallest limit that would let it in."""

    code: str
    detail: str
    would_pass: float | list[str] | None = None


class QualityBody(BaseModel):
    """How good an answer will be, in 0..1, as adaptive sees it.

    `predicted` is read from the question; `believed` is that with what feedback taught, and
    `lower_bound` what it is at least, at 95 %: what `min_quality` is held against.
    """

    predicted: float
    believed: float
    lower_bound: float


class FeedbackBody(_Body):
    """How good an answer was, by whoever can tell: a customer, an agent, a test."""

    quality: float = Field(ge=0, le=1)


class FeedbackAnswer(BaseModel):
    """The word as it is kept; `teaches` is whether adaptive learns from it.

    It learns from answers that it chose, since only those questions were read.
    """

    decision_id: str
    target: str
    quality: float
    teaches: bool


class CandidateBody(BaseModel):
    """A model of a platform as the decision saw it.

    `cost_bound_usd` is the most the call can cost with `max_tokens`; `in_time_probability`
    the share of answers within `max_latency_ms`, null where none was asked or too little
    is known. One that is eligible may have the reason `slower_than_usual`: it stands behind
    those that are well and much faster.
    """

    platform: str
    model: str
    eligible: bool
    expected_cost_usd: float | None
    cost_bound_usd: float | None
    max_tokens: int
    latency_p95_ms: float | None
    in_time_probability: float | None
    quality: QualityBody | None
    reasons: list[ReasonBody]


class PlannedBody(BaseModel):
    """One call of the plan, in the order they are made.

    `silence_s` is how long it may be silent at first while others speak, null where nobody knows.
    """

    platform: str
    model: str
    max_tokens: int
    timeout_s: float
    silence_s: float | None


class DecisionBody(BaseModel):
    """Who was chosen, among whom, and from which state of the world.

    `propensity` is the probability with which the first of the plan was drawn;
    `hedge_after_s` the silence after which a second platform may be asked as well. `world`
    names by their hashes the targets, the snapshot and the prices it rests on.
    """

    id: str
    strategy: str
    chosen: str
    model: str
    candidates: list[CandidateBody]
    snapshot: int
    seed: int
    propensity: float
    plan: list[PlannedBody]
    hedge_after_s: float | None
    world: dict[str, str]


class DecisionOnly(BaseModel):
    """The answer to a dry run."""

    decision: DecisionBody


class HandoffBody(BaseModel):
    """A platform passed the customer on to a person: why, and what the person should know."""

    reason: str | None
    context: dict[str, str]


class ToolCallBody(BaseModel):
    """A tool the answer used.

    `refused` and `needs_approval` were not made; `repeated` was made before in this answer, and
    not again; of `unknown` nobody knows: it was cut off.
    """

    id: str
    name: str
    arguments: dict[str, object]
    status: Literal["done", "failed", "refused", "needs_approval", "repeated", "unknown"]
    approval_id: str | None
    latency_ms: float


class NeedsApprovalBody(BaseModel):
    """A call that a human has to agree to, under /v3/approvals/{id}; nothing was done yet."""

    id: str
    tool: str
    reason: str
    summary: str
    expires_at: str


class AnswerBody(BaseModel):
    """A whole answer with what it cost and who was asked."""

    id: str
    conversation_id: str
    text: str
    citations: list[Citation]
    platform: str
    model: str
    simulated: bool
    finish_reason: str
    handoff: HandoffBody | None
    tool_calls: list[ToolCallBody]
    needs_approval: NeedsApprovalBody | None
    usage: UsageBody
    cost_usd: float | None
    cost_estimated: bool
    latency_ms: float
    attempts: list[AttemptBody]
    decision: DecisionBody
    degraded: list[str]


class RouteAnswer(RootModel[AnswerBody | DecisionOnly]):
    """The answer, or the decision alone where nothing else was asked for."""


class CertifiedDecision(DecisionBody):
    """A decision as it is kept, with what it takes to take it again; null from before that was kept."""

    certificate: dict[str, JsonValue] | None = None


class KeptDecision(BaseModel):
    """A decision as it was taken, and the answer it led to."""

    decision: CertifiedDecision
    answer_id: str | None
    at: str


class Health(BaseModel):
    """Whether this process works."""

    status: Literal["ok", "unavailable"]
    detail: str | None = None
    degraded: list[str] | None = Field(default=None, examples=[["rate_limits"]])


class ProblemError(BaseModel):
    """One thing to change."""

    pointer: str
    message: str


class Problem(BaseModel):
    """An RFC 9457 problem document; `code` is stable."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemError] | None = None
    attempts: list[dict[str, str]] | None = None
    budget: str | None = Field(None, description="of budget_exceeded: which")
    left_usd: float | None = Field(None, description="of budget_exceeded: what is left of it")
    region: str | None = Field(None, description="of misdirected_request: who serves the tenant")
