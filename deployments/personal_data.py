"""What seals personal data in one replica: its finder, the tenants' keys, the company's records."""

import asyncio
from functools import lru_cache

from actors.company.personal import AT_HAND_MAX, Identities, Identity
from actors.database.engine import Database
from config.privacy import PrivacySettings
from deployments.privacy.find import Finder
from deployments.privacy.known import NOBODY, Fact, Known
from deployments.privacy.names import names_of
from deployments.privacy.sealer import Sealer, TenantKeys
from routing.clock import Clock


async def sealer_of(
    settings: PrivacySettings, keys: TenantKeys, database: Database, clock: Clock
) -> Sealer | None:
    """The configured sealer; None where personal data leaves as it is.

    Raises:
        ConfigError: the pipelines that find names cannot be loaded.
    """
    if settings.pii == "off":
        return None
    names = None if settings.names is None else names_of(settings.names)
    if names is not None:
        await asyncio.to_thread(names.start)
    finder = Finder(settings.kinds, settings.region, names)
    # Now, and not in the first message with a number: what it loads takes 10 ms.
    finder.find("+1 202 555 0123")
    return Sealer(finder, keys, Customers(Identities(database, clock)))


class Customers:
    """The company's customers, as a seal knows them."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    async def known_of(self, tenant: str, customer: str) -> Known:
        """What the customer's own record says of them; nothing where there is no such customer."""
        found = await self._identities.of(tenant, customer)
        return NOBODY if found is None else _known(found)


@lru_cache(AT_HAND_MAX)
def _known(identity: Identity) -> Known:
    """Made once for as long as the record is at hand: its patterns take a while to make."""
    return Known(
        (
            Fact("account", identity.user_id),
            Fact("name", identity.account_name),
            Fact("email", identity.email),
        )
    )
