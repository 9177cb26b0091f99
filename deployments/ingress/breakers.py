"""/admin/platforms/breaker: a person's word in place of a breaker's, for a time.

A breaker is of all tenants' requests, so holding one is the operator's.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from starlette.responses import Response

from deployments.ingress.breaker_schema import DEFAULT_OVERRIDE_S
from deployments.ingress.routes import Call, reply
from deployments.security.operators import must_operate
from routing.breaker import BreakerPhase
from routing.catalog import Catalogs
from routing.clock import Clock, rfc3339
from routing.errors import RequestError, Violation
from routing.override import Override

if TYPE_CHECKING:
    from deployments.ingress.breaker_schema import BreakerBody

_log = logging.getLogger(__name__)


class Switchboard(Protocol):
    """Where overrides are kept: the coordinator's client, seen from here."""

    async def override(self, name: str, override: Override | None) -> Mapping[str, Override]:
        """Keep it, or take it back; all that hold afterwards."""
        ...

    async def overrides(self) -> Mapping[str, Override]:
        """All that hold now."""
        ...


class Breakers:
    """The routes of breakers, for administrators of `operators` alone."""

    def __init__(
        self,
        switchboard: Switchboard,
        catalogs: Catalogs,
        operators: frozenset[str],
        clock: Clock,
    ) -> None:
        self._switchboard = switchboard
        self._catalogs = catalogs
        self._operators = operators
        self._clock = clock

    async def hold(self, call: Call) -> Response:
        """Hold one open or closed, or give it back; it is on disk before this answers.

        Every replica knows it within half a second.
        """
        must_operate(call.principal, self._operators)
        body: BreakerBody = call.body
        self._must_exist(body.target)
        by = call.principal.subject
        override = None
        if body.state != "auto":
            for_s = DEFAULT_OVERRIDE_S if body.for_s is None else body.for_s
            until = self._clock.now() + for_s
            override = Override(BreakerPhase(body.state), until, body.reason, by)
        held = await self._switchboard.override(body.target, override)
        # The reason is free text and stays with the override, out of the log.
        _log.warning("the breaker of %s is %s by the word of %s", body.target, body.state, by)
        return reply(_list(held))

    def intent(self, call: Call) -> list[str]:
        """Which breaker of ours is to be what, and for how long."""
        body: BreakerBody = call.body
        words = [f"{body.target}:{body.state}"] if self._exists(body.target) else []
        return words if body.for_s is None else [*words, f"for_s:{body.for_s}"]

    async def held(self, call: Call) -> Response:
        """All that are held."""
        must_operate(call.principal, self._operators)
        return reply(_list(await self._switchboard.overrides()))

    def _exists(self, name: str) -> bool:
        catalog = self._catalogs.at(self._clock.now())
        return name in catalog.platforms or name in catalog.by_target

    def _must_exist(self, name: str) -> None:
        if self._exists(name):
            return
        catalog = self._catalogs.at(self._clock.now())
        there = ", ".join([*catalog.platforms, *catalog.by_target])
        message = f"There is no such platform or model here; there are: {there}"
        raise RequestError("target_unknown", message, (Violation("/target", message),))


def _list(held: Mapping[str, Override]) -> dict[str, object]:
    return {
        "overrides": [
            {
                "target": name,
                "state": override.phase.value,
                "until": rfc3339(override.until),
                "reason": override.reason,
                "by": override.by,
            }
            for name, override in sorted(held.items())
        ]
    }
