"""The limits of one replica: over Redis where one is named, else its part of each alone."""

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
from deployments.security.own_share import OwnShare
from deployments.security.peer import Peer
from deployments.security.rate_limits import RateLimits
from deployments.security.shares import Shares
from deployments.security.token_limits import TokenLimits
from routing.clock import Clock

if TYPE_CHECKING:
    from actors.lease_store import LeaseStore
    from actors.shares import ShareStore

# Redis in the same zone answers in a millisecond; whoever asks first after it went away waits so
# long, and nobody else for a second.
LIMIT_OPERATION_S = 0.1


class LimitDesk:
    """What the rest of a replica is given: the `gate` of its door, and `tokens` for the road."""

    def __init__(
        self,
        boot: Boot,
        settings: Settings,
        pool: str,
        holder: str,
        lender: "ShareStore",
        clock: Clock,
    ) -> None:
        """`holder` names this replica's one life; those of its `pool` are the others like it.

        `lender` says what part of the limits it has.
        """
        self._shares = shares = Shares(clock, pool, holder, 1 / REPLICAS_MAX)
        self._limits = LeasedLimits(_store(settings, clock), holder, shares, clock)
        limits = settings.limits
        rates = RateLimits(limits, self._limits, shares)
        self._own = OwnShare(lender, shares, rates.over)
        self.gate = Gate(
            AddressLimits(limits, shares, clock),
            rates,
            Peer(secret_of(boot.home)),
            networks_of(settings.server.trusted_proxies),
        )
        self.tokens = TokenLimits(limits, self._limits, clock)

    @property
    def degraded(self) -> tuple[str, ...]:
        """What does not work as it should, in a word each."""
        is_degraded = self._limits.is_degraded or self._shares.has_lapsed
        return ("rate_limits",) if is_degraded else ()

    async def start(self) -> None:
        """Connect, if that can be done now, and wait until the other replicas leave room for this one.

        Raises:
            ShareUnavailable: nobody says that they do.
        """
        await self._limits.start()
        await self._own.start()

    async def aclose(self) -> None:
        """Give back what is borrowed, and close."""
        await self._own.aclose()
        await self._limits.aclose()


def _store(settings: Settings, clock: Clock) -> "LeaseStore | None":
    if settings.redis is None:
        return None
    from actors.redis_store import RedisLeases  # noqa: PLC0415

    return RedisLeases(redis_options(settings.redis), clock, LIMIT_OPERATION_S)
