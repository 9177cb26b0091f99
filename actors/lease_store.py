"""Where processes borrow from a common limit: what the store promises.

The store keeps, for each key, a debt that drains at the limit's rate, and what each holder has
borrowed and neither used nor given back. Both together never exceed the burst, so whatever the
holders do with what they have, no window of time sees more than one bucket would have let pass.
What a holder used is a debt from the moment it says so; of one that is not heard of for
`LEASE_S`, all it held counts as used.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol
from urllib.parse import quote

from routing.gcra import Rate

LEASE_S = 10.0
"""A holder that is silent for this long is gone: five missed reports."""

GIVE_BACK_S = 1.0
"""What others hold and do not use comes back about so soon: when to ask again where they hold it all."""


class LimitKey(NamedTuple):
    """Whose limit: the tenant first. `period` is when it applies, empty for always."""

    tenant: str
    scope: str
    subject: str
    period: str = ""

    @property
    def text(self) -> str:
        """The key as it is kept; no part can contain what stands between them, or end the braces."""
        parts = (self.tenant, self.subject)
        return f"sm:limit:{{{':'.join(quote(part, safe='') for part in parts)}}}:{self.scope}:{self.period}"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a holder says, and asks for.

    `used` is all it ever used of the key, less what it was given back; `told` what the store last
    acknowledged of that. It keeps `held`, and wants up to `want` more. `seq` grows with every
    claim: the store takes no earlier one after a later, and the same one twice without harm.
    """

    key: LimitKey
    rate: Rate
    holder: str
    seq: int
    used: float
    told: float
    held: float
    want: float


@dataclass(frozen=True, slots=True)
class Loan:
    """So much more is the holder's; `room` can still be lent, and `debt` is what drains."""

    granted: float
    room: float
    debt: float


class LeaseStore(Protocol):
    """What is lent of common limits."""

    async def start(self) -> None:
        """Get ready, if that can be done now. It raises nothing."""
        ...

    async def claim(self, claim: Claim) -> Loan:
        """Settle and lend; raises StoreUnavailable where that cannot be done just now."""
        ...

    async def aclose(self) -> None:
        """Give back what it holds."""
        ...
