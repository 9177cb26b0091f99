"""The limits of one replica: over Redis where one is named, else its share of each alone."""

from typing import TYPE_CHECKING

from config.limits import REPLICAS_MAX
from config.settings import Settings
from deployments.boot import Boot
from deployments.haproxy import secret_of
from deployments.redis_options import redis_options
from deployments.security.address_limits import AddressLimits
from deployments.security.client_address import networks_of
from deployments.security.gate import Gate
from deployments.security.leased_limits import LeasedLimits
from deployments.security.peer import Peer
from deployments.security.rate_limits import RateLimits
from deployments.security.token_limits import TokenLimits
from routing.clock import Clock

if TYPE_CHECKING:
    from actors.lease_store import LeaseStore

# Redis in the same zone answers in a millisecond; whoever asks first after it went away waits so
# long, and nobody else for a second.
LIMIT_OPERATION_S = 0.1


class LimitDesk:
    """What the rest of a replica is given: the `gate` of its door, and `tokens` for the road."""

    def __init__(self, boot: Boot, settings: Settings, holder: str, clock: Clock) -> None:
        """`holder` names this replica's one life."""
        self._limits = LeasedLimits(_store(settings, clock), holder, clock)
        limits, replicas = settings.limits, REPLICAS_MAX
        self.gate = Gate(
            AddressLimits(limits, replicas, clock),
            RateLimits(limits, self._limits, replicas),
            Peer(secret_of(boot.home)),
            networks_of(settings.server.trusted_proxies),
        )
        self.tokens = TokenLimits(limits, self._limits, replicas, clock)

    @property
    def degraded(self) -> tuple[str, ...]:
        """What does not work as it should, in a word each."""
        return ("rate_limits",) if self._limits.is_degraded else ()

    async def start(self) -> None:
        """Connect, if that can be done now."""
        await self._limits.start()

    async def aclose(self) -> None:
        """Give back what is borrowed, and close."""
        await self._limits.aclose()


def _store(settings: Settings, clock: Clock) -> "LeaseStore | None":
    if settings.redis is None:
        return None
    from actors.redis_store import RedisLeases  # noqa: PLC0415

    return RedisLeases(redis_options(settings.redis), clock, LIMIT_OPERATION_S)
