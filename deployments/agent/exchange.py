"""What is asked of the agent, and what it gives back: the words between HTTP and the road."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from actors.knowledge.document import Passage
from deployments.agent.attempt import Tried
from deployments.agent.executor import Resumed
from deployments.agent.hands import Calling, Made
from deployments.agent.road import Limits
from deployments.agent.tool_loop import Ending
from deployments.agent.toolbox import Wanted
from deployments.mcp_gateway.context import Context
from deployments.mcp_gateway.tool import Approval
from routing.clock import rfc3339
from routing.decision import Decision
from routing.exchange import ChatReply, Handoff
from routing.message import Json


@dataclass(frozen=True, slots=True)
class Ask:
    """A customer's message and the limits of its answer.

    `user_id` is whom the message is about, never who is calling. `once` names the request where it
    may be tried again: what one try changed, another does not change again.
    """

    message: str
    user_id: str | None = None
    conversation_id: str | None = None
    sources: tuple[str, ...] | None = None
    max_tokens: int | None = None
    limits: Limits = field(default_factory=Limits)
    tools: Wanted = "auto"
    once: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer with what it cost and who was asked. `cost_usd` None is unknown.

    `calls` are the tools it used; `ending` is why we ended it, None where a platform did.
    """

    id: str
    conversation_id: str
    reply: ChatReply
    context: Context
    platform: str
    simulated: bool
    cost_usd: Decimal | None
    cost_is_estimate: bool
    latency_ms: float
    attempts: Sequence[Tried]
    decision: Decision
    calls: Sequence[Made] = ()
    ending: Ending | None = None

    @property
    def needs_approval(self) -> Approval | None:
        """What the answer waits for, if it waits for a human."""
        return next((m.approval for m in self.calls if m.status == "needs_approval"), None)

    def to_json(self) -> dict[str, Json]:
        """The answer as callers get it."""
        usage = self.reply.usage
        return {
            "id": self.id,
            "conversation_id": self.conversation_id,
            "text": self.reply.text,
            "citations": [
                citation(p) for p in self.context.passages if f"[{p.id}]" in self.reply.text
            ],
            "platform": self.platform,
            "model": self.reply.model,
            "simulated": self.simulated,
            "finish_reason": self.ending or self.reply.finish_reason.value,
            "handoff": _handoff(self.reply.handoff),
            "tool_calls": [made.to_json() for made in self.calls],
            "needs_approval": _approval(self.needs_approval),
            "usage": {
                "input_tokens": usage.input_tokens,
                "cached_tokens": usage.cached_tokens,
                "output_tokens": usage.output_tokens,
                "reasoning_tokens": usage.reasoning_tokens,
            },
            "cost_usd": None if self.cost_usd is None else float(self.cost_usd),
            "cost_estimated": self.cost_is_estimate,
            "latency_ms": round(self.latency_ms, 1),
            "attempts": [
                {"platform": a.platform, "outcome": a.outcome, "latency_ms": round(a.latency_ms, 1)}
                for a in self.attempts
            ],
            "decision": self.decision.to_json(),
            "degraded": list(self.context.degraded),
        }


def _approval(approval: Approval | None) -> dict[str, Json] | None:
    if approval is None:
        return None
    return {
        "id": approval.id,
        "tool": approval.tool,
        "reason": approval.reason,
        "summary": approval.summary,
        "expires_at": rfc3339(approval.expires_at),
    }


def _handoff(handoff: Handoff | None) -> dict[str, Json] | None:
    if handoff is None:
        return None
    return {"reason": handoff.reason, "context": dict(handoff.context)}


def citation(passage: Passage) -> Mapping[str, str]:
    """A passage as callers see it; the quote is cut to what a citation needs."""
    quote = passage.text if len(passage.text) <= 240 else passage.text[:239] + "…"
    return {"source": passage.source, "id": passage.id, "title": passage.title, "quote": quote}


@dataclass(frozen=True, slots=True)
class Decided:
    """The platform was chosen."""

    decision: Decision


@dataclass(frozen=True, slots=True)
class Grounded:
    """The context was found."""

    context: Context


@dataclass(frozen=True, slots=True)
class Delta:
    """More of the answer's text."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """The whole answer: the last event of a stream that worked."""

    answer: Answer


AgentEvent: TypeAlias = Decided | Grounded | Delta | Resumed | Calling | Made | Done
