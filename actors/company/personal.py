"""What is on record of a customer that says who they are, at hand for a minute."""

from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy import Connection

from actors.company.customers import customer_of
from actors.database.engine import Database
from routing.clock import Clock
from routing.errors import AccessError

FRESH_S = 60.0
"""A record that changed is known after this; a conversation's turns come within it."""
AT_HAND_MAX = 4_096
"""Customers, some 300 bytes each: more than write to one process within `FRESH_S`."""


@dataclass(frozen=True, slots=True)
class Identity:
    """How a customer is called in the company's records."""

    user_id: str
    account_name: str
    email: str


class Identities:
    """Asks for customers' records, and for none twice within `FRESH_S`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._at_hand: OrderedDict[tuple[str, str], tuple[float, Identity | None]] = OrderedDict()

    async def of(self, tenant: str, user_id: str) -> Identity | None:
        """The customer's; None where the tenant has no such customer.

        Raises:
            DatabaseBusy: nobody could say.
            DatabaseUnavailable: the same.
        """
        key, now = (tenant, user_id), self._clock.monotonic()
        known = self._at_hand.get(key)
        if known is not None and now - known[0] < FRESH_S:
            return known[1]

        def work(connection: Connection) -> Identity | None:
            try:
                row = customer_of(connection, tenant, user_id)
            except AccessError:
                return None
            return Identity(row.user_id, row.account_name, row.email)

        found = await self._database.read(work)
        self._at_hand[key] = now, found
        self._at_hand.move_to_end(key)
        if len(self._at_hand) > AT_HAND_MAX:
            self._at_hand.popitem(last=False)
        return found
