"""What the routes of approvals take and give, as data."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

State = Literal["waiting", "approved", "denied", "expired"]


class ApprovalBody(BaseModel):
    """What a human says to a call that waits."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    decision: Literal["approve", "deny"]


class ApprovalOutcome(BaseModel):
    """What came of an approved call."""

    is_error: bool
    result: dict[str, Any]


class ApprovalRow(BaseModel):
    """A call that a human has to agree to, exactly as it will run.

    What a key asked for that is nobody's takes two people: `first_approved_by` is the first of them.
    """

    id: str
    state: State
    tool: str
    arguments: dict[str, Any]
    reason: str
    summary: str
    requested_by: str
    user_id: str | None
    conversation_id: str | None
    requested_at: str
    expires_at: str
    first_approved_by: str | None
    decided_by: str | None
    decided_at: str | None
    outcome: ApprovalOutcome | None


class ApprovalList(BaseModel):
    """The tenant's approvals, the newest first."""

    approvals: list[ApprovalRow]
