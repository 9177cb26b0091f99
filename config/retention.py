"""Settings of retention: after how many days what is kept goes by itself."""

from typing import Annotated

from pydantic import Field, model_validator

from config.values import Section, Text, Whole

# Ten years: the longest that laws on accounts usually ask for. Nothing here is kept for ever.
_MOST = 3_660
_Days = Annotated[Whole, Field(ge=1, le=_MOST)]


class RetentionDays(Section):
    """Days since something was last used, by kind; left out: as it is for everybody."""

    conversations: _Days | None = Field(default=None, examples=[90])
    memory: _Days | None = Field(default=None, examples=[90])
    threads: _Days | None = Field(default=None, examples=[90])
    tool_calls: _Days | None = Field(default=None, examples=[365])
    approvals: _Days | None = Field(default=None, examples=[365])
    sessions: _Days | None = Field(default=None, examples=[7])
    decisions: _Days | None = Field(default=None, examples=[30])
    feedback: _Days | None = Field(default=None, examples=[30])
    savings: _Days | None = Field(default=None, examples=[99])
    # Not under a week: what was spent today is added up from it after a restart.
    ledger: Annotated[Whole, Field(ge=7, le=_MOST)] | None = Field(default=None, examples=[2557])
    audit_index: _Days | None = Field(default=None, examples=[400])


class RetentionSettings(RetentionDays):
    """How long each kind is kept of every tenant, and of some tenants for less.

    A tenant's days can only be fewer: what is told to people as the longest time holds whatever
    is configured for whom.
    """

    # Two years: who comes back within them is known, and a dispute over a purchase can be looked up.
    conversations: _Days = Field(default=730, examples=[730])
    memory: _Days = Field(default=730, examples=[730])
    threads: _Days = Field(default=730, examples=[730])
    # Two years: a refund is disputed within the warranty.
    tool_calls: _Days = Field(default=730, examples=[730])
    approvals: _Days = Field(default=730, examples=[730])
    # After their end, for whoever asks what happened.
    sessions: _Days = Field(default=7, le=7, examples=[7])
    # A month to ask why; feedback is of use as long as its decision.
    decisions: _Days = Field(default=30, le=30, examples=[30])
    feedback: _Days = Field(default=30, le=30, examples=[30])
    # A quarter and a week: savings are held against bills.
    savings: _Days = Field(default=99, le=99, examples=[99])
    ledger: Annotated[Whole, Field(ge=7, le=_MOST)] = Field(default=_MOST, examples=[2557])
    # More than a year, so that a yearly review sees its whole year; the chains keep everything.
    audit_index: _Days = Field(default=400, le=400, examples=[400])
    tenants: dict[Text, RetentionDays] = Field(default_factory=dict, max_length=1000)

    @model_validator(mode="after")
    def _tenants_keep_no_longer(self) -> "RetentionSettings":
        for tenant, days in self.tenants.items():
            for kind in RetentionDays.model_fields:
                own, most = getattr(days, kind), getattr(self, kind)
                if own is not None and own > most:
                    raise ValueError(
                        f"{kind} of {tenant} is {own} days, and {most} are the most; write "
                        f"{most} or fewer, or raise retention.{kind}"
                    )
        return self

    def days(self, kind: str, tenant: str | None = None) -> int:
        """After how many days the kind goes: of the tenant, or with none of everybody."""
        most: int = getattr(self, kind)
        own = None if tenant is None else self.tenants.get(tenant)
        fewer: int | None = None if own is None else getattr(own, kind)
        return most if fewer is None else fewer
