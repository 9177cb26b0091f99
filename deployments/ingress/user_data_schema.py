"""What the routes of a person's data answer."""

from typing import Literal

from pydantic import BaseModel


class KeptRows(BaseModel):
    """Rows that are not deleted: how many, and why. Where they named the person they do no more."""

    records: int
    why: str


class ErasureProof(BaseModel):
    """Where the audit log has it: `action`, under this request, with this digest of the counts.

    `sha256` is of `{"erased", "kept"}` as JSON with sorted keys and without white space.
    """

    request_id: str
    action: str
    sha256: str


class UserErased(BaseModel):
    """What was erased of a person, by section, what is kept, and where that is on record.

    Until `settled_at` nothing new is kept of the person, so that answers under way bring nothing
    back; then it is looked once more. `complete` false: Redis could not be reached, and is asked
    again by itself. `region` is the one whose database this is about: there is no other here.
    """

    user_id: str
    region: str
    state: Literal["erasing", "settling", "settled"]
    complete: bool
    erased: dict[str, int]
    kept: dict[str, KeptRows]
    erased_at: str | None
    settled_at: str | None
    proof: ErasureProof


class LegalHoldBody(BaseModel):
    """A hold: while it stands, nothing of the person is erased or ended by age."""

    user_id: str
    placed_by: str
    placed_at: str


class LegalHoldLifted(BaseModel):
    """A hold that stands no more."""

    user_id: str
    lifted: bool
