"""What the routes of budgets take and give, as data."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Scope = Literal["tenant", "user", "key", "conversation"]


class BudgetBody(BaseModel):
    """What may be spent from midnight to midnight, UTC."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    scope: Scope
    subject: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = Field(
        None, description="whose it is; without it every user, key or conversation has its own"
    )
    # From a hundredth of a cent, about the shortest answer of the cheapest models.
    usd_per_day: float = Field(ge=0.0001, le=1e6)


class RegionLease(BaseModel):
    """What is lent to a region: what it leases of the day, and how much of that it has spent.

    From `runs_out_at` on, the region lends nothing more of it; until it has told what it did
    not spend, all of it counts as spent.
    """

    region: str
    leased_usd: float
    spent_usd: float
    runs_out_at: str
    has_run_out: bool


class SubjectFigures(BaseModel):
    """One subject's today.

    `reserved_usd` is set aside for answers that are being given, or lent to other regions.
    """

    subject: str
    spent_usd: float
    reserved_usd: float
    left_usd: float
    leases: list[RegionLease]


class BudgetRow(BaseModel):
    """A budget today.

    Without a `subject` each has its own: the figures are sums, `left_usd` is null, and
    `subjects` are those with the least left. With a `home` the budget is another region's:
    the figures are of what is leased to this one.
    """

    id: str
    scope: Scope
    subject: str | None
    usd_per_day: float
    configured: bool
    resets_at: str
    home: str | None = Field(None, description="the region that owns it, where it is another")
    spent_usd: float
    reserved_usd: float
    left_usd: float | None
    leases: list[RegionLease] | None = None
    subjects: list[SubjectFigures] | None = None


class BudgetList(BaseModel):
    """The budgets that concern a tenant."""

    budgets: list[BudgetRow]


class BudgetDeleted(BaseModel):
    """That it is gone."""

    id: str
    deleted: Literal[True]
