"""How much a caller may ask for: requests of each rate class, and requests at once, by the configuration."""

from collections.abc import Mapping
from typing import Literal

from actors.lease_store import LimitKey
from actors.subjects import API_KEY
from config.limits import REPLICAS_MAX, ClassRates, LimitSettings, RateSettings, RequestRates
from deployments.security.errors import RateLimited
from deployments.security.leased_limits import LeasedLimits
from deployments.security.limit_account import Demand, Standing
from deployments.security.principal import Principal
from deployments.security.rate_headers import RATE_LIMIT, RATE_LIMIT_POLICY, headers_of, refused
from deployments.security.shares import Shares
from routing.gcra import Rate

RateClass = Literal["chat", "read", "admin", "health", "mcp"]
Scope = Literal["tenant", "user", "key"]

# Where the configuration says nothing, a minute. A tenant's are more than four replicas answer;
# a person's are more than ten a second, which nobody types. A key has its tenant's.
DEFAULTS: Mapping[Scope, Mapping[RateClass, int]] = {
    "tenant": {"chat": 240_000, "read": 240_000, "admin": 60_000, "health": 240_000, "mcp": 240_000},
    "user": {"chat": 1_200, "read": 12_000, "admin": 6_000, "health": 12_000, "mcp": 12_000},
    "key": {},
}  # fmt: skip
# Callers whose limits were looked up, 500 bytes each; more are looked up again.
PLANS_MAX = 20_000
# How soon a request of a tenant that has too many under way may find room.
IN_FLIGHT_RETRY_S = 1.0
# A third of three is one.
_ROUNDING = 1e-6


def rate_of(settings: RateSettings) -> Rate:
    """What the configuration says, in seconds."""
    burst = max(settings.per_minute, REPLICAS_MAX) if settings.burst is None else settings.burst
    return Rate(settings.per_minute / 60, float(burst))


class RateLimits:
    """Admits requests of callers who are known. `shares` are of what is under way at once."""

    def __init__(self, settings: LimitSettings, limits: LeasedLimits, shares: Shares) -> None:
        self._settings = settings
        self._limits = limits
        self._shares = shares
        self._plans: dict[tuple[str, str, RateClass], tuple[Demand, ...]] = {}
        self._in_flight: dict[str, int] = {}

    async def admit(self, principal: Principal, rate_class: RateClass) -> Mapping[str, str]:
        """Take one request from every limit that concerns it, or none; the headers that say so.

        Raises:
            RateLimited: a limit is used up.
        """
        plan = self._plan(principal, rate_class)
        standing = self._limits.take(plan) or await self._limits.admit(plan)
        if standing.wait_s > 0.0:
            raise refused(standing, _told(standing))
        return headers_of(standing)

    def begin(self, tenant: str) -> None:
        """A request of the tenant is under way, until `end`.

        Raises:
            RateLimited: as many are as may be; nothing is begun.
        """
        under_way, most = self._in_flight.get(tenant, 0), self._in_flight_max(tenant)
        if under_way >= most:
            name = "tenant-in-flight"
            raise RateLimited(
                f"{most} requests of the tenant are under way in this replica, and no more may be.",
                IN_FLIGHT_RETRY_S,
                {
                    RATE_LIMIT: f'"{name}";r=0;t={IN_FLIGHT_RETRY_S:.0f}',
                    RATE_LIMIT_POLICY: f'"{name}";q={most};qu="concurrent-requests"',
                },
            )
        self._in_flight[tenant] = under_way + 1

    def end(self, tenant: str) -> None:
        """It is over, with the last byte of its answer."""
        left = self._in_flight[tenant] - 1
        if left:
            self._in_flight[tenant] = left
        else:
            del self._in_flight[tenant]

    def over(self) -> dict[str, int]:
        """The tenants that have more under way here than this replica's part, and by how many."""
        found = dict[str, int]()
        for tenant, under_way in self._in_flight.items():
            beyond = under_way - self._part(tenant)
            if beyond > 0:
                found[tenant] = beyond
        return found

    def _in_flight_max(self, tenant: str) -> int:
        # What others have beyond their parts was let in when those were greater, and is still under way.
        return max(0, self._part(tenant) - self._shares.elsewhere.get(tenant, 0))

    def _part(self, tenant: str) -> int:
        own = self._settings.tenants.get(tenant)
        most = self._settings.in_flight if own is None or own.in_flight is None else own.in_flight
        return int(most * self._shares.share + _ROUNDING)

    def _plan(self, principal: Principal, rate_class: RateClass) -> tuple[Demand, ...]:
        key = (principal.tenant, principal.subject, rate_class)
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= PLANS_MAX:
                self._plans.clear()
            plan = self._plans[key] = tuple(self._demands(*key))
        return plan

    def _demands(self, tenant: str, subject: str, rate_class: RateClass) -> list[Demand]:
        subjects: dict[Scope, str] = {"tenant": ""}
        subjects["key" if subject.startswith(API_KEY) else "user"] = subject
        demands = list[Demand]()
        for scope, whose in subjects.items():
            rate = self._rate(tenant, scope, rate_class)
            if rate is not None:
                name = f"{scope}-{rate_class}"
                limit = LimitKey(tenant, name, whose)
                demands.append(Demand(name, limit, rate))
        return demands

    def _rate(self, tenant: str, scope: Scope, rate_class: RateClass) -> Rate | None:
        own = self._settings.tenants.get(tenant)
        said = None if own is None else _of(own.requests, scope, rate_class)
        said = said or _of(self._settings.requests, scope, rate_class)
        if said is None:
            usual = DEFAULTS[scope].get(rate_class)
            said = None if usual is None else RateSettings(per_minute=usual)
        return None if said is None else rate_of(said)


def _of(rates: RequestRates, scope: Scope, rate_class: RateClass) -> RateSettings | None:
    by_scope: Mapping[Scope, ClassRates] = {
        "tenant": rates.tenant, "user": rates.user, "key": rates.key,
    }  # fmt: skip
    of = by_scope[scope]
    by_class: Mapping[RateClass, RateSettings | None] = {
        "chat": of.chat, "read": of.read, "admin": of.admin, "health": of.health, "mcp": of.mcp,
    }  # fmt: skip
    return by_class[rate_class]


def _told(standing: Standing) -> str:
    scope, _, rate_class = standing.demand.name.partition("-")
    whose = {"tenant": "the tenant", "user": "this person", "key": "this key"}[scope]
    rate = standing.demand.rate
    return (
        f"The limit of {whose} for requests of the class {rate_class} is used up: "
        f"{rate.per_s * 60:g} a minute, {rate.burst:g} at once."
    )
