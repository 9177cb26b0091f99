"""Which definition of each tool may be offered to whom: one look, one hash."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from actors.database.federation import Pin

State = Literal["offered", "quarantined", "refused"]
"""Of a tool: it can be called, waits for somebody to look at it, or cannot be taken as it is."""


@dataclass(frozen=True, slots=True)
class Pins:
    """The approved hashes. A tenant's own word counts; where it has none, the server's owner's."""

    by_key: Mapping[tuple[str, str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, pins: Iterable[Pin]) -> "Pins":
        """Those of the store."""
        return cls({(pin.tenant, pin.server, pin.tool): pin.hash for pin in pins})

    def allow(self, tenant: str, owner: str, server: str, tool: str, offered: str) -> bool:
        """Whether exactly this definition may be shown to the tenant."""
        approved = self.by_key.get((tenant, server, tool))
        if approved is None:
            approved = self.by_key.get((owner, server, tool))
        return approved == offered
