"""Makes the seal of each request, from the tenant's key and what is known of the customer."""

import asyncio
import hmac
from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

from deployments.privacy.find import Finder
from deployments.privacy.known import NOBODY, Known
from deployments.privacy.request import sealed_request
from deployments.privacy.seal import Seal
from deployments.privacy.weight import is_heavier, of_request
from routing.exchange import ChatRequest
from routing.message import Json

T = TypeVar("T")

PURPOSE = "privacy"

AT_ONCE_MAX = 32 * 1024
"""Characters that are sealed on the event loop: 5 ms of prose, and ten times that of nothing but
digits. What is longer is sealed in a thread."""


class TenantKeys(Protocol):
    """Keys derived from a tenant's own secret."""

    async def ready(self, tenant: str) -> None:
        """Have the tenant's secret at hand; raises where it cannot be had."""
        ...

    def derive(self, tenant: str, purpose: str) -> bytes:
        """32 bytes for one purpose, the same in every process."""
        ...


class People(Protocol):
    """What a company has on record of its customers."""

    async def known_of(self, tenant: str, customer: str) -> Known:
        """What the customer's own record says of them; nothing where there is no such customer."""
        ...


class Sealer:
    """Seals what leaves for platforms; where a key cannot be had, nothing leaves."""

    def __init__(self, finder: Finder, keys: TenantKeys, people: People) -> None:
        self._finder = finder
        self._keys = keys
        self._people = people

    async def seal(self, tenant: str, conversation: str, customer: str | None) -> Seal:
        """The seal of one request: its tokens are those of the conversation's other requests.

        Raises:
            KeysUnavailable: the tenant's key cannot be had just now.
            DatabaseBusy: the customer's record could not be asked for.
            DatabaseUnavailable: the same.
        """
        await self._keys.ready(tenant)
        key = hmac.digest(self._keys.derive(tenant, PURPOSE), conversation.encode(), "sha256")
        known = NOBODY
        if customer is not None:
            known = await self._people.known_of(tenant, customer)
        return Seal(key, self._finder, known)


async def sealed(seal: Seal, request: ChatRequest) -> ChatRequest:
    """The request with tokens for all personal data in it; raises as `aside` does."""
    return await aside(seal, of_request(request), lambda: sealed_request(seal, request))


async def aside(seal: Seal, said: Iterable[Json], work: Callable[[], T]) -> T:
    """Do `work` with the seal on all that is `said`, in a thread where that takes long.

    Raises:
        NamesUnavailable: names are to be found, and cannot be just now.
    """
    if seal.names is not None:
        return await seal.names.aside(work)
    return await asyncio.to_thread(work) if is_heavier(said, AT_ONCE_MAX) else work()
