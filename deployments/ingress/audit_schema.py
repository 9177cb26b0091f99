"""What GET /v3/audit answers."""

from pydantic import BaseModel


class AuditRow(BaseModel):
    """One record. `id` is its place in the log: chain and entry."""

    id: str
    at: str
    subject: str
    credential: str
    action: str
    outcome: str
    object: str
    permission: str
    reason: str
    request_id: str
    status: int
    count: int


class AuditPage(BaseModel):
    """Records of the caller's tenant, the newest first; `next` is the cursor of the page after it."""

    records: list[AuditRow]
    next: str | None
