"""What callers send and get, as data: validation, OpenAPI and documentation come from here."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints

from routing.capability import Capability

PlatformName = Literal["openai", "azure_openai", "anthropic", "google_vertex", "copilot_studio"]
Strategy = Literal["cost_optimized", "latency", "capability", "balanced"]
Source = Literal["vector_store", "knowledge_graph", "database"]
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._@:+-]{1,128}$")]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]

# About 8,000 tokens: a long mail. A document belongs into the knowledge base.
MESSAGE_MAX = 32_768


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

    message: str = Field(min_length=1, max_length=MESSAGE_MAX)
    user_id: Identifier | None = Field(None, description="the customer this is about")
    conversation_id: Annotated[str, StringConstraints(pattern=r"^conv_[a-z0-9]{8,64}$")] | None = (
        None
    )
    platform: Literal["auto", PlatformName] = "auto"
    fallback_platforms: list[PlatformName] | None = Field(None, max_length=4)
    strategy: Strategy | None = None
    requirements: RequirementsBody = Field(default_factory=RequirementsBody)
    sources: list[Source] | None = Field(None, max_length=3)
    tools: Literal["auto", "none"] = Field(
        "auto", description="business tools; none are registered in this version"
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


class CandidateBody(BaseModel):
    """A platform as the decision saw it."""

    platform: str
    eligible: bool
    expected_cost_usd: float | None
    latency_p95_ms: float | None
    reasons: list[ReasonBody]


class PlannedBody(BaseModel):
    """One call of the plan, in the order they are made."""

    platform: str
    model: str
    max_tokens: int
    timeout_s: float


class DecisionBody(BaseModel):
    """Who was chosen, among whom, and from which state of the world."""

    id: str
    strategy: str
    chosen: str
    candidates: list[CandidateBody]
    snapshot: int
    seed: int
    plan: list[PlannedBody]


class DecisionOnly(BaseModel):
    """The answer to a dry run."""

    decision: DecisionBody


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
    handoff: None
    tool_calls: list[dict[str, object]]
    usage: UsageBody
    cost_usd: float | None
    cost_estimated: bool
    latency_ms: float
    attempts: list[AttemptBody]
    decision: DecisionBody
    degraded: list[str]


class RouteAnswer(RootModel[AnswerBody | DecisionOnly]):
    """The answer, or the decision alone where nothing else was asked for."""


class KeptDecision(BaseModel):
    """A decision as it was taken, and the answer it led to."""

    decision: DecisionBody
    answer_id: str | None
    at: str


class Latency(BaseModel):
    """Quantiles over the last minutes; null while the platform has not been asked."""

    p50: float | None
    p95: float | None
    p99: float | None


class PlatformStatus(BaseModel):
    """One platform now."""

    name: str
    state: Literal["ready", "degraded", "open", "disabled"]
    configured: bool
    simulated: bool
    model: str | None
    latency_ms: Latency
    success_rate: float | None
    in_flight: int
    cost_usd_today: float
    breaker: str
    retires_at: str | None
    detail: str | None


class StatusBody(BaseModel):
    """Every platform now, as this region's coordinator last published it."""

    region: str
    snapshot: int
    platforms: list[PlatformStatus]


class Health(BaseModel):
    """Whether this process works."""

    status: Literal["ok", "unavailable"]
    detail: str | None = None


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
