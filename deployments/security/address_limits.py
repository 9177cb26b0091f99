"""What an address may do before anybody knows whose it is: be served at all, ask, and guess.

Each replica counts for itself, its share of each limit: strangers fill no common store, and cost no
round trip. Whoever was let in a while ago is not shut out by what others at the same address try.
"""

import hashlib
import ipaddress
import secrets
from collections.abc import Mapping

from actors.lease_store import LimitKey
from config.limits import LimitSettings, RateSettings
from deployments.security.addresses import Address
from deployments.security.client_address import networks_of
from deployments.security.leased_limits import LeasedLimits
from deployments.security.limit_account import Demand, Standing
from deployments.security.network_set import NetworkSet
from deployments.security.rate_headers import headers_of, refused
from deployments.security.rate_limits import RateClass, rate_of
from deployments.security.shares import Shares
from routing.clock import Clock
from routing.errors import AccessError

# A large attack's addresses, 600 bytes each; those who did least are forgotten first.
ADDRESSES_MAX = 20_000
# Credentials that were good, 16 bytes each: as many as there are keys in use at once.
GOOD_MAX = 10_000
_SUBSCRIBER_BITS = 64


class AddressLimits:
    """Admits addresses, each replica its part of what `settings` say."""

    def __init__(self, settings: LimitSettings, shares: Shares, clock: Clock) -> None:
        self._limits = LeasedLimits(None, "", shares, clock, ADDRESSES_MAX)
        own = settings.addresses
        self._classes: Mapping[RateClass, RateSettings] = {
            "chat": own.read, "read": own.read, "mcp": own.read,
            "admin": own.admin, "health": own.health,
        }  # fmt: skip
        self._failures = own.failures
        served = settings.networks
        self._served = None if served is None else NetworkSet(networks_of(served))
        self._of_tenants = {
            tenant: NetworkSet(networks_of(of.networks))
            for tenant, of in settings.tenants.items()
            if of.networks is not None
        }
        self._good: dict[bytes, None] = {}
        self._secret = secrets.token_bytes(16)

    def must_be_served(self, address: Address | None) -> None:
        """Return if the service is there for the address; raises AccessError."""
        if self._served is not None and (address is None or address not in self._served):
            raise AccessError("address_not_allowed", "Nobody is served at this address.")

    def must_be_of(self, tenant: str, address: Address | None) -> None:
        """Return if the tenant may call from the address; raises AccessError."""
        networks = self._of_tenants.get(tenant)
        if networks is not None and (address is None or address not in networks):
            message = "This tenant is not served at this address."
            raise AccessError("address_not_allowed", message)

    def ask(self, address: Address | None, rate_class: RateClass) -> Mapping[str, str]:
        """Take one request of a stranger; the headers that say so.

        Raises:
            RateLimited: the address asked too often.
        """
        demand = self._demand(address, rate_class, self._classes[rate_class])
        standing = self._limits.take((demand,))
        if standing is not None:
            return headers_of(standing)
        wait_s = self._limits.wait_s(demand)
        raise refused(Standing(demand, 0.0, wait_s), "Too many requests from this address.")

    def may_try(self, address: Address | None, credential: bytes) -> None:
        """Return if a credential may be looked up.

        Raises:
            RateLimited: too many from the address were none, and this one is not known as good.
        """
        demand = self._demand(address, "failures", self._failures)
        wait_s = self._limits.wait_s(demand)
        if wait_s > 0.0 and self._digest(credential) not in self._good:
            message = "Too many attempts from this address failed."
            raise refused(Standing(demand, 0.0, wait_s), message)

    def failed(self, address: Address | None, credential: bytes) -> None:
        """It was none."""
        self._good.pop(self._digest(credential), None)
        self._limits.settle((self._demand(address, "failures", self._failures),), 1.0)

    def succeeded(self, credential: bytes) -> None:
        """It was one."""
        if len(self._good) >= GOOD_MAX:
            self._good.clear()
        self._good[self._digest(credential)] = None

    def _digest(self, credential: bytes) -> bytes:
        return hashlib.blake2b(credential, digest_size=16, key=self._secret).digest()

    def _demand(self, address: Address | None, kind: str, settings: RateSettings) -> Demand:
        rate = rate_of(settings)
        name = f"address-{kind}"
        key = LimitKey("", name, _subscriber(address))
        return Demand(name, key, rate)


def _subscriber(address: Address | None) -> str:
    """Who counts as one: an IPv4 address, or the network that one subscriber of IPv6 has."""
    if isinstance(address, ipaddress.IPv6Address):
        return f"{int(address) >> (128 - _SUBSCRIBER_BITS):x}"
    return str(address)
