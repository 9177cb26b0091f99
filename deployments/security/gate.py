"""The limits as one door has them, in the order in which a request meets them.

Its address, before anything else; how often strangers at that address ask and fail; and of a caller
who is known the tenant's addresses, its requests, and how many are under way.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from deployments.security.address_limits import AddressLimits
from deployments.security.addresses import Address, Network
from deployments.security.client_address import client_address
from deployments.security.errors import TurnedAway
from deployments.security.peer import Peer
from deployments.security.principal import Principal
from deployments.security.rate_limits import RateClass, RateLimits
from routing.errors import AccessError

if TYPE_CHECKING:
    from starlette.requests import Request

_CREDENTIALS = ("authorization", "x-api-key", "cookie")


class Passage:
    """A request that was let in. `headers` are for its answer; `end` is called when that is over."""

    __slots__ = ("_limits", "_tenant", "headers")

    def __init__(self, limits: RateLimits, tenant: str, headers: Mapping[str, str]) -> None:
        self.headers = headers
        self._limits = limits
        self._tenant: str | None = tenant

    def end(self) -> None:
        """It is over. Only the first call counts."""
        tenant, self._tenant = self._tenant, None
        if tenant is not None:
            self._limits.end(tenant)


class Gate:
    """Lets requests in, or says which limit is in the way."""

    def __init__(
        self,
        addresses: AddressLimits,
        limits: RateLimits,
        peer: Peer,
        proxies: Sequence[Network] = (),
    ) -> None:
        """`proxies` are those whose word on a caller's address is believed."""
        self._addresses = addresses
        self._limits = limits
        self._peer = peer
        self._proxies = proxies

    def knock(self, request: "Request") -> None:
        """Return if anybody is served at the caller's address; raises AccessError."""
        self._addresses.must_be_served(self._address(request))

    def stranger(self, request: "Request", rate_class: RateClass) -> Mapping[str, str]:
        """Let a request in that nobody need vouch for; the headers for its answer.

        Raises:
            RateLimited: its address asks too often, or has failed too often to say who it is.
        """
        address = self._address(request)
        if rate_class != "health":
            self._addresses.may_try(address, b"")
        return self._addresses.ask(address, rate_class)

    def failed(self, request: "Request") -> None:
        """Nobody is known by what the request shows."""
        self._addresses.failed(self._address(request), _credential(request))

    def watching(
        self, authenticate: "Callable[[Request], Awaitable[Principal]]"
    ) -> "Callable[[Request], Awaitable[Principal]]":
        """`authenticate`, with those held up who fail at it, and no tenant from elsewhere."""

        async def watched(request: "Request") -> Principal:
            address, credential = self._address(request), _credential(request)
            self._addresses.may_try(address, credential)
            try:
                principal = await authenticate(request)
            except AccessError as error:
                if error.code == "unauthenticated":
                    self._addresses.failed(address, credential)
                raise
            self._addresses.succeeded(credential)
            try:
                self._addresses.must_be_of(principal.tenant, address)
            except AccessError as error:
                raise TurnedAway(
                    error.detail, principal, "tenant_network", "address_not_allowed"
                ) from error
            return principal

        return watched

    async def admit(self, principal: Principal, rate_class: RateClass) -> Passage:
        """Let a caller in who is known.

        Raises:
            RateLimited: a limit is used up.
        """
        self._limits.begin(principal.tenant)
        try:
            headers = await self._limits.admit(principal, rate_class)
        except BaseException:
            self._limits.end(principal.tenant)
            raise
        return Passage(self._limits, principal.tenant, headers)

    def _address(self, request: "Request") -> Address | None:
        peer = self._peer.of(request)
        if peer is None:
            return None
        forwarded = request.headers.getlist("x-forwarded-for")
        return client_address(peer, forwarded, self._proxies)


def _credential(request: "Request") -> bytes:
    """All that the request shows, of every kind: no two that differ are taken for one."""
    shown = [request.headers.getlist(name) for name in _CREDENTIALS]
    return repr(shown).encode()
