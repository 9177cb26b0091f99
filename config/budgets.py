"""Budgets: what may be spent from midnight to midnight, UTC, by whom."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from config.values import Number, Section, Text
from routing.budget import Budget, Scope, to_pico

# A hundredth of a cent: about what the shortest answer of the cheapest models costs at most.
_LEAST_USD = 0.0001
_MOST_USD = 1_000_000

# As long as what an administrator may name; a vendor's client names users with up to 512 characters.
Subject = Annotated[str, Field(min_length=1, max_length=512)]


class BudgetSettings(Section):
    """What may be spent a day: by a tenant, or by each user, API key or conversation of it.

    Without `tenant` every tenant has one of its own; with `subject` it is that one user's, key's
    (by its id) or conversation's alone. A request pays into every budget that concerns it.
    """

    scope: Literal["tenant", "user", "key", "conversation"] = Field(examples=["tenant"])
    usd_per_day: Number = Field(ge=_LEAST_USD, le=_MOST_USD, examples=[50])
    tenant: Text | None = Field(default=None, examples=["northwind"])
    subject: Subject | None = Field(default=None, examples=["user_123"])

    @model_validator(mode="after")
    def _names_a_subject_of_its_scope(self) -> "BudgetSettings":
        if self.scope == "tenant" and self.subject is not None:
            raise ValueError(f"a tenant is named by tenant; write tenant: {self.subject}")
        return self

    @property
    def id(self) -> str:
        """Its name on the API, which says what it is: no budget made there can have it."""
        tenant = "" if self.tenant is None else f"@{self.tenant}"
        subject = "" if self.subject is None else f":{self.subject}"
        return f"config{tenant}:{self.scope}{subject}"

    @property
    def budget(self) -> Budget:
        """The same for routing."""
        return Budget(
            id=self.id,
            scope=Scope(self.scope),
            # Through its shortest text: 0.1 dollars are ten cents, not the nearest binary fraction.
            limit_pico=to_pico(Decimal(str(self.usd_per_day))),
            tenant=self.tenant,
            subject=self.subject,
            is_configured=True,
        )


def each_once(budgets: tuple[BudgetSettings, ...]) -> tuple[BudgetSettings, ...]:
    """The budgets; raises ValueError where two are for the same."""
    ids = [budget.id for budget in budgets]
    twice = next((budget for budget in budgets if ids.count(budget.id) > 1), None)
    if twice is not None:
        named = "" if twice.subject is None else f" {twice.subject}"
        raise ValueError(f"two budgets are for the same {twice.scope}{named}; keep one of them")
    return budgets
