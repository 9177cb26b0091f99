"""Why a platform may not take a request, in words for callers and with what would help."""

from dataclasses import dataclass
from decimal import Decimal

from routing.message import Json


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a platform may not take a request.

    `where` is the JSON pointer of what the caller would change; None for reasons that
    only time removes. `would_pass` is the smallest value there that admits the platform
    as far as this reason goes, None where the demand must be dropped. `excess` says how
    far off the demand is, relative to itself, so that the nearest platform can be named.
    """

    code: str
    detail: str
    where: str | None = None
    would_pass: Decimal | float | tuple[str, ...] | None = None
    excess: float = 1.0

    @property
    def is_temporary(self) -> bool:
        """Whether waiting helps."""
        return self.where is None

    def to_json(self) -> dict[str, Json]:
        """This reason as callers see it."""
        plain: dict[str, Json] = {"code": self.code, "detail": self.detail}
        match self.would_pass:
            case None:
                pass
            case tuple(names):
                plain["would_pass"] = list(names)
            case value:
                plain["would_pass"] = float(value)
        return plain
