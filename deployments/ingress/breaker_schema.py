"""What an administrator says about breakers, and what is heard back."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from routing.override import MAX_OVERRIDE_S

DEFAULT_OVERRIDE_S = 3600.0
"""An hour: an incident's usual length; who needs more says so."""


class BreakerBody(BaseModel):
    """`auto` gives the breaker its own judgement back; then `for_s` means nothing and is left out."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    target: str = Field(
        min_length=1,
        max_length=256,
        description="a platform, or platform/model for one of its models",
    )
    state: Literal["open", "closed", "auto"]
    for_s: float | None = Field(None, ge=1, le=MAX_OVERRIDE_S, description="3600 if left out")
    reason: str = Field(min_length=1, max_length=500, description="for the next who finds it")

    @model_validator(mode="after")
    def _auto_has_no_end(self) -> "BreakerBody":
        if self.state == "auto" and self.for_s is not None:
            raise ValueError("auto has no end; leave for_s out")
        return self


class OverrideRow(BaseModel):
    """One breaker that is held; `by` is the key or person who did it."""

    target: str
    state: Literal["open", "closed"]
    until: str
    reason: str
    by: str


class OverrideList(BaseModel):
    """Every breaker that is held at present; all others judge for themselves."""

    overrides: list[OverrideRow]
