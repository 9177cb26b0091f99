"""Two regions over real HTTP: each pulls the other's figures, and notices when it is gone."""

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
import uvicorn
from starlette.requests import Request

from actors.coordinator.state import CoordinatorState
from deployments.ingress import api
from deployments.ingress.breakers import Breakers
from deployments.ingress.peers import DOWN_AFTER_S, PeerAddress, Peers
from deployments.ingress.region_operations import region_operations
from deployments.ingress.regions import FIGURES, Regions
from deployments.security.principal import Principal
from deployments.security.rbac import load_roles
from routing.catalog import Catalog
from routing.clock import ManualClock
from routing.errors import AccessError
from routing.policy import Strategy
from routing.region import ENOUGH, RegionFigures
from tests.unit.routing.worlds import NOW, asked, outcome, platform

ROLES = load_roles()
PROFILES = (platform("anthropic"), platform("openai"))
OPENAI = PROFILES[1].target
KEYS = {"smk_of_eu_for_us": "service", "smk_of_a_customer": "customer"}


class Region:
    """A coordinator's state with the route to its figures, and what it hears of others."""

    def __init__(self, name: str) -> None:
        self.state = CoordinatorState(name)
        self.now = NOW

    async def figures(self) -> RegionFigures:
        return self.state.figures(self.now)

    async def hear(self, figures: RegionFigures) -> None:
        self.state.hear_region(figures, self.now)

    def answers(self, latency_ms: float) -> None:
        """Its customers were answered by openai, in that time."""
        told = outcome(at=self.now, latency_ms=latency_ms)
        many = [replace(told, answer_id=f"ans_{n}") for n in range(2 * ENOUGH)]
        self.state.fold(many, self.now)

    def chosen(self) -> str:
        """Whom its decisions take."""
        board = self.state.snapshot(self.now)
        return asked(PROFILES, board, strategy=Strategy.LATENCY, now=self.now).chosen


async def authenticate(request: Request) -> Principal:
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    if key not in KEYS:
        raise AccessError("unauthenticated", "Send a valid API key.")
    role = KEYS[key]
    return Principal("acme", f"key:{role}", frozenset({role}), ROLES.grants[role])


@dataclass
class Site:
    """A region that is served at `url`."""

    region: Region
    url: str
    server: uvicorn.Server
    serving: "asyncio.Task[None]"

    async def dies(self) -> None:
        self.server.should_exit = True
        await self.serving


@contextlib.asynccontextmanager
async def served(name: str) -> AsyncIterator[Site]:
    region = Region(name)
    breakers = Breakers(cast("Any", None), Catalog(PROFILES), frozenset(), ManualClock(NOW))
    table = region_operations(breakers, Regions(region))
    app = api.application(table, authenticate, ROLES.permissions, max_body_bytes=10_000)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_level="error", lifespan="off")
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            async with asyncio.timeout(10.0):
                while not server.started:  # noqa: ASYNC110  uvicorn tells by a flag
                    await asyncio.sleep(0.01)
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            yield Site(region, url, server, serving)
        finally:
            server.should_exit = True
            await serving


def peers_of(here: Region, clock: ManualClock, **there: PeerAddress) -> Peers:
    return Peers(there, here.hear, FIGURES, clock, random.Random(1))  # noqa: S311


async def test_what_one_region_saw_another_decides_by_and_back() -> None:
    """Both pull, both merge; what each saw itself stays its own."""
    clock = ManualClock(0.0)
    async with served("us") as us, served("eu") as eu:
        eu.region.answers(300.0)
        before = us.region.chosen()
        of_us = peers_of(us.region, clock, eu=PeerAddress(eu.url, "smk_of_eu_for_us"))
        of_eu = peers_of(eu.region, clock, us=PeerAddress(us.url, "smk_of_eu_for_us"))
        await asyncio.gather(of_us.pull("eu"), of_eu.pull("us"))
        us.region.now += 1.0
        assert (before, us.region.chosen()) == ("anthropic", "openai")
        card = us.region.state.snapshot(us.region.now).of(OPENAI)
        assert card.is_borrowed
        assert card.latency_p95_ms == pytest.approx(300, rel=0.03)
        own = eu.region.state.snapshot(eu.region.now + 1.0).of(OPENAI)
        assert not own.is_borrowed
        # What us borrowed is not us's to tell: nothing comes back to where it was seen.
        assert us.region.state.figures(us.region.now).targets == {}


async def test_a_region_that_dies_is_down_after_a_while_and_up_with_its_first_answer() -> None:
    """Once is no outage, and refusing is no outage either."""
    clock = ManualClock(0.0)
    here = Region("us")
    async with served("eu") as eu:
        peers = peers_of(here, clock, eu=PeerAddress(eu.url, "smk_of_eu_for_us"))
        await peers.pull("eu")
        await eu.dies()
        await peers.pull("eu")
        assert not peers.is_down("eu")
        clock.advance(DOWN_AFTER_S)
        assert peers.is_down("eu")
    async with served("eu") as again:
        back = peers_of(here, clock, eu=PeerAddress(again.url, "smk_of_eu_for_us"))
        back._silent_since = peers._silent_since
        await back.pull("eu")
        assert not back.is_down("eu")


@pytest.mark.parametrize("key", ["smk_of_a_customer", "smk_unknown"])
async def test_figures_are_for_those_who_may_see_platforms(key: str) -> None:
    """A refusal is an answer: the region is up, and nothing is taken."""
    clock, here = ManualClock(0.0), Region("us")
    async with served("eu") as eu:
        eu.region.answers(300.0)
        peers = peers_of(here, clock, eu=PeerAddress(eu.url, key))
        await peers.pull("eu")
        clock.advance(10 * DOWN_AFTER_S)
        await peers.pull("eu")
        assert not peers.is_down("eu")
    assert here.state.snapshot(NOW + 1).scorecards == {}


async def test_figures_of_another_region_than_the_one_asked_are_not_taken() -> None:
    """A wrong address in the configuration must not make one region count as another."""
    here = Region("us")
    async with served("ap") as ap:
        ap.region.answers(300.0)
        peers = peers_of(here, ManualClock(0.0), eu=PeerAddress(ap.url, "smk_of_eu_for_us"))
        await peers.pull("eu")
    assert here.state.snapshot(NOW + 1).scorecards == {}


async def test_pulling_goes_on_in_the_background_until_it_is_closed() -> None:
    """The first pull is at once."""
    here, came = Region("us"), asyncio.Event()

    async def hear(figures: RegionFigures) -> None:
        await here.hear(figures)
        came.set()

    async with served("eu") as eu:
        eu.region.answers(300.0)
        address = {"eu": PeerAddress(eu.url, "smk_of_eu_for_us")}
        peers = Peers(address, hear, FIGURES, ManualClock(0.0), random.Random(1))  # noqa: S311
        peers.start()
        async with asyncio.timeout(10.0):
            await came.wait()
        await peers.aclose()
    assert here.state.snapshot(NOW + 1).of(OPENAI).is_borrowed
