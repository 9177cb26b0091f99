"""One more replica of the ingress, as far as its part of the limits goes, at the product's own coordinator.

Run as a process of its own: `python -m tests.integration.second_replica GCS_ADDRESS HOME`. It is given half of every
limit, ends the coordinator as a crash would, and never holds more than half, then and afterwards.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import ray
from typing_extensions import override

from actors import names
from actors.coordinator.client import CoordinatorShares
from actors.shares import ShareClaim, ShareGrant
from config.limits import REPLICAS_MAX
from config.loader import load_settings
from deployments.boot import Boot
from deployments.coordinator import coordinator_options
from deployments.database import address_of
from deployments.options import INGRESS
from deployments.security.own_share import OwnShare
from deployments.security.shares import Shares
from routing.clock import SystemClock

# A coordinator is back in 2 s on two quiet cores.
PATIENCE_S = 120.0
HALF = 0.5


class Watched(CoordinatorShares):
    """Counts the answers, and sees to it that there is one of the new coordinator."""

    answered = 0

    @override
    async def claim(self, claim: ShareClaim) -> ShareGrant:
        grant = await super().claim(claim)
        self.answered += 1
        return grant


async def hold_half(home: Path) -> None:
    """Claim, and see the coordinator die and come back; raises AssertionError."""
    boot = Boot(home, "development")
    settings = load_settings(None, {}, "development").settings
    lender = Watched(coordinator_options(boot, settings, address_of(boot, settings)))
    shares = Shares(SystemClock(), INGRESS, uuid.uuid4().hex, 1 / REPLICAS_MAX)
    own = OwnShare(lender, shares, dict)
    await own.start()
    await _until(lambda: abs(shares.share - HALF) < 1e-6, shares)
    ray.kill(ray.get_actor(names.COORDINATOR, names.NAMESPACE), no_restart=False)
    answered = lender.answered
    # The new one answers, and lends no more than was held.
    await _until(lambda: lender.answered > answered + 1, shares)
    await _until(lambda: abs(shares.share - HALF) < 1e-6, shares)
    await own.aclose()
    assert shares.share == 0.0


async def _until(what: Callable[[], bool], shares: Shares) -> None:
    until = time.monotonic() + PATIENCE_S
    while not what():
        assert shares.share <= HALF + 1e-6
        assert time.monotonic() < until, f"it holds {shares.share}"
        await asyncio.sleep(0.2)


if __name__ == "__main__":
    ray.init(address=sys.argv[1], namespace=names.NAMESPACE, log_to_driver=False)
    asyncio.run(hold_half(Path(sys.argv[2])))
