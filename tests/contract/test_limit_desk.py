"""Two replicas' doors as the product composes them, over one Redis: together they let in what one would."""

from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.responses import Response

from config.settings import Settings
from deployments import limiting
from deployments.boot import Boot
from deployments.ingress import api, routes
from deployments.ingress.routes import Call, Operation
from deployments.ingress.schema import Health
from deployments.limiting import LimitDesk
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


@asynccontextmanager
async def replica(
    home: Path, redis: RedisServer | None, name: str
) -> "AsyncIterator[tuple[httpx2.AsyncClient, LimitDesk]]":
    settings: dict[str, Any] = {
        "limits": {"requests": {"tenant": {"read": {"per_minute": 1, "burst": BURST}}}}
    }
    if redis is not None:
        settings["redis"] = {"urls": [redis.url]}
    boot = Boot(home=home, profile="development")
    desk = LimitDesk(boot, Settings.model_validate(settings), name, SystemClock())
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


async def test_two_replicas_at_the_limit_let_in_what_one_would_and_no_other_tenant_is_refused(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with replica(tmp_path, redis, "a") as (one, _), replica(tmp_path, redis, "b") as (two, _):
        said = [await let_in(http, "acme") for _ in range(BURST) for http in (one, two)]
        # What the other holds may be missing to either, and in a busy minute one comes back.
        assert BURST - 4 <= sum(said) <= BURST + 2
        assert await let_in(one, "other")
        assert await let_in(two, "other")


async def test_with_redis_gone_each_replica_goes_on_with_its_share_and_says_so(
    tmp_path: Path, redis: RedisServer
) -> None:
    async with replica(tmp_path, redis, "a") as (http, desk):
        assert await let_in(http, "acme")
        assert not list(desk.degraded)
        redis.kill()
        said = [await let_in(http, "acme") for _ in range(BURST)]
        assert list(desk.degraded) == ["rate_limits"]
        # A quarter, less the one before and this replica's part of what Redis had lent; and the lease of two.
        assert BURST // 4 - 2 <= sum(said) <= BURST // 4 + 3


async def test_without_redis_a_replica_has_its_share_from_the_start(tmp_path: Path) -> None:
    async with replica(tmp_path, None, "a") as (http, desk):
        said = [await let_in(http, "acme") for _ in range(BURST)]
        assert BURST // 4 <= sum(said) <= BURST // 4 + 1
        assert not list(desk.degraded)
