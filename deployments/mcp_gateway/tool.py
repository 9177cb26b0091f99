"""The gateway's vocabulary: a tool, what a call of it came to, and an approval a call waits for."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from config.privacy import Kind
from routing.message import Json, JsonObject

if TYPE_CHECKING:
    from mcp_types import ContentBlock, InputRequiredResult

SideEffect = Literal["read", "write", "money", "egress"]
"""What a call can change: nothing, our records, money, or what leaves the house."""
Trust = Literal["own", "untrusted"]
"""Who wrote it: we did, or somebody whose words are data and never instructions."""
ApprovalState = Literal["waiting", "approved", "refused"]

SEPARATOR = "__"
NAME_MAX = 64
"""Characters of an offered name: OpenAI and Anthropic take no longer ones."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool as the gateway offers it.

    `name` is what callers say (`tools__refund_invoice`), `server` who answers, `local_name` what
    the tool is called there. `permission` is needed to see it and to call it. With
    `needs_approval` a human decides about every call. With `is_personal` its server knows callers
    one by one, so only somebody who signed on can make a call. `reveals` are the kinds of personal
    data that a server of others is told of in a call; our own are told all.
    """

    name: str
    server: str
    local_name: str
    title: str
    description: str
    input_schema: JsonObject
    output_schema: JsonObject | None
    side_effect: SideEffect
    trust: Trust
    permission: str
    timeout_s: float
    needs_approval: bool = False
    is_personal: bool = False
    reveals: frozenset[Kind] = frozenset()


@dataclass(frozen=True, slots=True)
class Approval:
    """A human's word on one call with exactly these arguments.

    `reason` says why a human is asked, `summary` what will happen, for whoever decides.
    `expires_at` is in seconds of the wall clock. With `can_confirm` the human in front of the
    client that asked may say yes themselves; without it, it takes somebody else.
    """

    id: str
    tool: str
    reason: str
    summary: str
    state: ApprovalState
    expires_at: float
    can_confirm: bool = False


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a call came to.

    `text` is what a model is shown, `structured` the same as data. `trust` is "untrusted" when
    anything in it was written by others. With `needs_approval` or `needs_input` nothing was done
    yet. `content` is the answer as MCP blocks, for clients that show more than text.
    """

    text: str
    structured: Json
    is_error: bool
    trust: Trust
    source: str
    needs_approval: Approval | None = None
    needs_input: "InputRequiredResult | None" = None
    content: "tuple[ContentBlock, ...]" = ()


def offered_name(server: str, local_name: str) -> str:
    """What the gateway calls a tool or prompt of `server`: always with the server's name first."""
    return f"{server}{SEPARATOR}{local_name}" if server else local_name
