"""Leases between regions as they are sent: what a region tells a budget's home, and its answer."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from actors.coordinator.loans import Answer, Letter
from actors.database.budget_loans import LETTER_MAX
from routing.budget import Budget, Claim, Key, Scope, Standing
from routing.loan import LEASE_LEAST_S, LEASE_MOST_S, Lent, Refusal

VERSION = 1
"""Of what is sent. A region refuses what is newer than itself, and takes nothing from it."""

BUDGETS_MAX = 100_000
"""Definitions taken from one region: a thousand configured, and administrators' of 500 tenants."""

# Longer than any that can be configured or asked with: one that is too long would hold up a letter.
_Name = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
_Region = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,32}$")]
# What a database of ours can hold; a budget is at most a million dollars, which is 10**18.
_Amount = Annotated[int, Field(ge=0, lt=2**63)]
_Scope = Literal["tenant", "user", "key", "conversation"]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class BudgetKeyBody(_Strict):
    """One subject's budget on one day, counted in days since 1970."""

    tenant: _Name
    budget: _Name
    scope: _Scope
    subject: _Name
    day: Annotated[int, Field(ge=0, lt=10_000_000)]

    @classmethod
    def of(cls, key: Key) -> "BudgetKeyBody":
        """As it is sent."""
        return cls(
            tenant=key.tenant,
            budget=key.budget,
            scope=key.scope.value,
            subject=key.subject,
            day=key.day,
        )

    @property
    def key(self) -> Key:
        """The same for routing."""
        return Key(self.tenant, self.budget, Scope(self.scope), self.subject, self.day)


class ClaimBody(_Strict):
    """What a region says of its lease: it is to grow to `want`; so much is spent and returned.

    In pico-dollars (10^-12 USD), all of the day together; `seq` grows with every claim.
    """

    key: BudgetKeyBody
    lease: _Name
    seq: Annotated[int, Field(ge=1, lt=2**62)]
    want: _Amount
    spent: _Amount
    returned: _Amount

    @property
    def claim(self) -> Claim:
        """The same for routing."""
        return Claim(self.key.key, self.lease, self.seq, self.want, self.spent, self.returned)


class LeaseBody(_Strict):
    """A letter from `region`. `digest` is of the budgets it knows, empty for none."""

    version: Annotated[int, Field(ge=1)]
    region: _Region
    digest: Annotated[str, StringConstraints(max_length=64)]
    claims: Annotated[list[ClaimBody], Field(max_length=LETTER_MAX)]

    @classmethod
    def of(cls, region: str, letter: Letter) -> "LeaseBody":
        """As it is sent."""
        return cls(
            version=VERSION,
            region=region,
            digest=letter.digest,
            claims=[
                ClaimBody(
                    key=BudgetKeyBody.of(claim.key),
                    lease=claim.lease,
                    seq=claim.seq,
                    want=claim.want,
                    spent=claim.spent,
                    returned=claim.returned,
                )
                for claim in letter.claims
            ],
        )


class LentBody(_Strict):
    """What a lease has grown to, and what is free beside it, in pico-dollars.

    `latest` is the highest number ever heard of the lease; `closed` says that its past is not
    known here; `refused` says why a claim was not looked at.
    """

    key: BudgetKeyBody
    lease: _Name
    seq: Annotated[int, Field(ge=1, lt=2**62)]
    granted: _Amount
    free: _Amount
    latest: _Amount
    closed: bool
    refused: (
        Literal["unknown_budget", "not_at_home", "not_elsewhere", "other_day", "others_lease"]
        | None
    )

    @classmethod
    def of(cls, lent: Lent) -> "LentBody":
        """As it is sent."""
        standing = lent.standing
        return cls(
            key=BudgetKeyBody.of(standing.key),
            lease=standing.lease,
            seq=standing.seq,
            granted=standing.granted,
            free=standing.free,
            latest=lent.latest,
            closed=standing.is_closed,
            refused=None if lent.refusal is None else lent.refusal.value,
        )

    @property
    def lent(self) -> Lent:
        """The same for routing."""
        standing = Standing(
            self.key.key, self.lease, self.seq, self.granted, self.free, self.closed
        )
        refusal = None if self.refused is None else Refusal(self.refused)
        return Lent(standing, self.latest, refusal)


class SharedBudget(_Strict):
    """A budget that a region at which it is not at home must keep."""

    id: _Name
    scope: _Scope
    limit: _Amount
    tenant: _Name | None
    subject: _Name | None
    configured: bool

    @classmethod
    def of(cls, budget: Budget) -> "SharedBudget":
        """As it is sent."""
        return cls(
            id=budget.id,
            scope=budget.scope.value,
            limit=budget.limit_pico,
            tenant=budget.tenant,
            subject=budget.subject,
            configured=budget.is_configured,
        )

    @property
    def budget(self) -> Budget:
        """The same for routing."""
        return Budget(
            self.id, Scope(self.scope), self.limit, self.tenant, self.subject, self.configured
        )


class LeaseAnswer(_Strict):
    """The home's answer. Leases run out `lease_s` after the letter was sent.

    `budgets` are those the region must keep, null where it knows them already.
    """

    version: Literal[1]
    region: _Region
    lease_s: Annotated[float, Field(ge=LEASE_LEAST_S, le=LEASE_MOST_S)]
    digest: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    standings: Annotated[list[LentBody], Field(max_length=LETTER_MAX)]
    budgets: Annotated[list[SharedBudget], Field(max_length=BUDGETS_MAX)] | None

    @classmethod
    def of(cls, region: str, answer: Answer) -> "LeaseAnswer":
        """As it is sent."""
        return cls(
            version=1,
            region=region,
            lease_s=answer.lease_s,
            digest=answer.digest,
            standings=[LentBody.of(lent) for lent in answer.lent],
            budgets=None
            if answer.budgets is None
            else [SharedBudget.of(budget) for budget in answer.budgets],
        )

    @property
    def answer(self) -> Answer:
        """The same for the coordinator."""
        budgets = None if self.budgets is None else [body.budget for body in self.budgets]
        return Answer([body.lent for body in self.standings], self.lease_s, self.digest, budgets)
