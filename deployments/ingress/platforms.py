"""GET /v3/platforms/status, /healthz and /readyz: how things stand, from the last snapshot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from actors.database.engine import Database
from deployments.agent.road import Scoreboard
from deployments.ingress.routes import Call, reply
from routing.breaker import BreakerPhase
from routing.clock import Clock
from routing.errors import NoPlatformAvailable
from routing.platform_profile import PlatformProfile
from routing.scorecard import Scorecard

# Below this share of answers a platform is called degraded, before its breaker opens at a half.
_HEALTHY_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Listed:
    """A platform of the configuration; `profile` is None where it is disabled, `detail` why."""

    name: str
    detail: str
    profile: PlatformProfile | None


class Platforms:
    """The routes that say how things stand."""

    def __init__(
        self,
        listed: Sequence[Listed],
        scoreboard: Scoreboard,
        database: Database,
        clock: Clock,
    ) -> None:
        self._listed = listed
        self._scoreboard = scoreboard
        self._database = database
        self._clock = clock

    async def status(self, call: Call) -> Response:
        """Every platform of the configuration now."""
        snapshot = self._scoreboard.snapshot
        now = self._clock.now()
        rows = [_row(listed, snapshot.of(listed.name), now) for listed in self._listed]
        return reply({"region": snapshot.region, "snapshot": snapshot.version, "platforms": rows})

    async def healthz(self, call: Call) -> Response:
        """This process is up."""
        return reply({"status": "ok"})

    async def readyz(self, call: Call) -> Response:
        """A platform and the store can be used; 503 otherwise."""
        await self._database.read(
            lambda connection: connection.exec_driver_sql("SELECT 1").scalar()
        )
        now = self._clock.now()
        snapshot = self._scoreboard.snapshot
        usable = [
            x for x in self._listed if _state(x, snapshot.of(x.name), now) in {"ready", "degraded"}
        ]
        if not usable:
            raise NoPlatformAvailable("No platform can be asked at present.")
        return reply({"status": "ok"})


def _state(
    listed: Listed, card: Scorecard, now: float
) -> Literal["ready", "degraded", "open", "disabled"]:
    if listed.profile is None:
        return "disabled"
    if card.breaker_blocks(now):
        return "open"
    low = card.success_rate is not None and card.success_rate < _HEALTHY_SHARE
    troubled = low or card.is_cooling(now) or card.breaker is not BreakerPhase.CLOSED
    return "degraded" if troubled else "ready"


def _row(listed: Listed, card: Scorecard, now: float) -> dict[str, object]:
    profile = listed.profile
    return {
        "name": listed.name,
        "state": _state(listed, card, now),
        "configured": profile is not None and not profile.simulated,
        "simulated": profile is not None and profile.simulated,
        "model": None if profile is None else profile.model,
        "latency_ms": {
            "p50": card.latency_p50_ms,
            "p95": card.latency_p95_ms,
            "p99": card.latency_p99_ms,
        },
        "success_rate": card.success_rate,
        "in_flight": card.in_flight,
        "cost_usd_today": float(card.cost_usd_today),
        "breaker": card.breaker.value,
        "retires_at": None if profile is None else profile.retires_at,
        "detail": listed.detail or None,
    }
