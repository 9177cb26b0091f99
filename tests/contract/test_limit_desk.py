"""Replicas' doors as the product composes them, over one Redis or none: together they let in what one would."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import override

from actors.coordinator.shares import ShareBook
from actors.shares import ShareClaim, ShareGrant, ShareStore, ShareUnavailable
from config.settings import Settings
from deployments import limiting
from deployments.boot import Boot
from deployments.ingress import api, routes
from deployments.ingress.routes import Call, Operation
from deployments.ingress.schema import Health
from deployments.limiting import LimitDesk
from deployments.security import own_share, shares
from deployments.security.principal import Principal
from routing.clock import SystemClock
from tests.redis_servers import PATIENT_S, RedisServer, need, redis_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAY = frozenset({"platforms:read"})
BURST = 40


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    need()
    with redis_server(tmp_path / "redis") as server:
        yield server


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are not about time, and the cores are everybody's."""
    monkeypatch.setattr(limiting, "LIMIT_OPERATION_S", PATIENT_S)


async def authenticate(request: Request) -> Principal:
    return Principal(request.headers["x-api-key"], "key:1", frozenset(), MAY)


async def handle(call: Call) -> Response:
    return routes.reply({"status": "ok"})


class Lender(ShareStore):
    """The coordinator's book in this process; nobody is answered while it `is_away`."""

    def __init__(self) -> None:
        self.is_away = False
        self._book = ShareBook(lambda: True)

    @override
    async def claim(self, claim: ShareClaim) -> ShareGrant:
        if self.is_away:
            raise ShareUnavailable("away")
        return self._book.claim(claim, time.monotonic())


@asynccontextmanager
async def replica(
    home: Path, redis: RedisServer | None, name: str, lender: Lender | None = None, **limits: Any
) -> "AsyncIterator[tuple[httpx2.AsyncClient, LimitDesk]]":
    read = {"per_minute": 1, "burst": BURST}
    settings: dict[str, Any] = {"limits": {"requests": {"tenant": {"read": read}}, **limits}}
    if redis is not None:
        settings["redis"] = {"urls": [redis.url]}
    boot = Boot(home=home, profile="development")
    desk = LimitDesk(
        boot,
        Settings.model_validate(settings),
        "ingress",
        name,
        lender or Lender(),
        SystemClock(),
    )
    await desk.start()
    row = Operation("GET", "/v3/things", "Read", "platforms:read", "read", "access", handle, Health)
    app = api.application([row], authenticate, MAY, 1_000, None, desk.gate)
    transport = httpx2.ASGITransport(app, client=("203.0.113.9", 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://supportmax") as http:
        yield http, desk
    await desk.aclose()


async def let_in(http: httpx2.AsyncClient, tenant: str) -> bool:
    answer = await http.get("/v3/things", headers={"x-api-key": tenant})
    assert answer.status_code in {200, 429}
    return answer.status_code == 200


async def until_degraded(desk: LimitDesk, *, degraded: bool) -> None:
    until = time.monotonic() + PATIENT_S
    while bool(desk.degraded) is not degraded:
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


async def until_let_in(http: httpx2.AsyncClient, tenant: str) -> None:
    """A newcomer's part of what strangers may begins empty, and comes back within a tenth of a second."""
    until = time.monotonic() + PATIENT_S
    while not await let_in(http, tenant):
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


async def all_let_in(http: httpx2.AsyncClient, tenant: str) -> int:
    count = 0
    while await let_in(http, tenant):
        count += 1
    return count


async def test_two_replicas_at_the_limit_let_in_what_one_would_and_no_other_tenant_is_refused(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with replica(tmp_path, redis, "a") as (one, _), replica(tmp_path, redis, "b") as (two, _):
        said = [await let_in(http, "acme") for _ in range(BURST) for http in (one, two)]
        # What the other holds may be missing to either, and in a busy minute one comes back.
        assert BURST - 4 <= sum(said) <= BURST + 2
        assert await let_in(one, "other")
        assert await let_in(two, "other")


async def test_with_redis_gone_two_replicas_let_in_what_they_had_borrowed_and_say_so(
    tmp_path: Path, redis: RedisServer
) -> None:
    """One had taken all there is; the other had never asked, and lets in nothing beyond it."""
    lender = Lender()
    async with (
        replica(tmp_path, redis, "a", lender) as (one, desk),
        replica(tmp_path, redis, "b", lender) as (two, other),
    ):
        assert await all_let_in(one, "acme") == BURST
        await until_let_in(two, "zeta")
        assert not [*desk.degraded, *other.degraded]
        redis.kill()
        # A chunk of two, of which one was used; and one of the limit may have come back.
        assert await all_let_in(two, "zeta") <= 2
        assert await all_let_in(one, "acme") + await all_let_in(two, "acme") <= 1
        assert await all_let_in(one, "zeta") <= 1
        assert list(desk.degraded) == list(other.degraded) == ["rate_limits"]


async def test_alone_and_without_redis_a_replica_has_all_of_every_limit(tmp_path: Path) -> None:
    async with replica(tmp_path, None, "a") as (http, desk):
        assert BURST <= await all_let_in(http, "acme") <= BURST + 1
        assert not list(desk.degraded)


async def test_two_replicas_without_redis_let_in_together_what_one_would(tmp_path: Path) -> None:
    """Also where one was there before the other, and when it is gone again."""
    lender = Lender()
    async with replica(tmp_path, None, "a", lender) as (one, _):
        assert await let_in(one, "acme")
        async with replica(tmp_path, None, "b", lender) as (two, _):
            first = await all_let_in(one, "acme")
            assert BURST // 2 <= first <= BURST // 2 + 1
            # What the first had of the limit may just have been used up: it comes back a minute later.
            assert await all_let_in(two, "acme") == 0
        assert await all_let_in(one, "acme") <= 1


async def test_a_replica_that_nobody_reckons_with_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_share, "START_S", 0.3)
    lender = Lender()
    lender.is_away = True
    with pytest.raises(ShareUnavailable):
        async with replica(tmp_path, None, "a", lender):
            pass


async def test_where_the_coordinator_is_silent_a_replica_falls_back_to_a_quarter_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shares, "HELD_S", 0.2)
    monkeypatch.setattr(own_share, "ASK_EVERY_S", 0.05)
    lender = Lender()
    async with replica(tmp_path, None, "a", lender) as (http, desk):
        lender.is_away = True
        await until_degraded(desk, degraded=True)
        assert BURST // 4 <= await all_let_in(http, "acme") <= BURST // 4 + 1
        lender.is_away = False
        await until_degraded(desk, degraded=False)
        # All of it again; what was given up comes back as the limit does.
        assert await all_let_in(http, "acme") <= 1
