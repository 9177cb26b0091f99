"""What goes wrong in a drill: who, from when to when, and how. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

FAVOURITE = "favourite"
"""Stands for the platform that answers most when nothing is wrong."""

EVERYONE = "everyone"

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Names: TypeAlias = Annotated[
    tuple[str, ...], BeforeValidator(lambda names: [names] if isinstance(names, str) else names)
]


class _Fault(BaseModel):
    """`who` are platforms, `favourite` or `everyone`; `from` and `to` count seconds of the drill."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    who: Names = Field(min_length=1)
    from_s: float = Field(alias="from", ge=0)
    to_s: float = Field(alias="to")

    @model_validator(mode="after")
    def _takes_time(self) -> "_Fault":
        if self.to_s <= self.from_s:
            raise ValueError(f"ends at {self.to_s:g} and begins at {self.from_s:g}; end it later")
        return self


class Down(_Fault):
    """Nobody answers; answers under way break off."""

    kind: Literal["down"]


class Errors(_Fault):
    """This share of the calls ends in an error of the vendor's, a 500."""

    kind: Literal["errors"]
    share: Share = 1.0


class RateLimited(_Fault):
    """Every call is refused with a 429, with or without a Retry-After."""

    kind: Literal["rate_limited"]
    retry_after_s: float | None = Field(default=None, ge=0)


class OutOfCredit(_Fault):
    """Every call is refused with a 402: the money is gone, and no waiting helps."""

    kind: Literal["out_of_credit"]


class Slow(_Fault):
    """Right answers that take so many times as long."""

    kind: Literal["slow"]
    times: float = Field(gt=1, le=1_000)


class Cut(_Fault):
    """Streams end early and cleanly, JSON is half a document."""

    kind: Literal["cut"]
    after: Share = 0.5


class ErrorEvent(_Fault):
    """A stream that began with a 200 goes on with an error."""

    kind: Literal["error_event"]
    after: Share = 0.1


class Stall(_Fault):
    """Answers fall silent and never go on; the connection stays."""

    kind: Literal["stall"]
    after: Share = 0.5


class Malformed(_Fault):
    """What comes is not what the protocol promises."""

    kind: Literal["malformed"]


Fault: TypeAlias = Annotated[
    Down | Errors | RateLimited | OutOfCredit | Slow | Cut | ErrorEvent | Stall | Malformed,
    Field(discriminator="kind"),
]


@dataclass(frozen=True, slots=True)
class Calendar:
    """The faults of one platform, in their order."""

    faults: tuple[Fault, ...]

    def at(self, second: float) -> Fault | None:
        """The fault that begins a call of this second, the first where several do; None if all is well."""
        for fault in self.faults:
            if fault.from_s <= second < fault.to_s:
                return fault
        return None


def calendar_of(platform: str, faults: Sequence[Fault], favourite: str) -> Calendar:
    """Those of `faults` that befall `platform`."""
    mine = {platform, EVERYONE} | ({FAVOURITE} if platform == favourite else set())
    return Calendar(tuple(fault for fault in faults if mine.intersection(fault.who)))
