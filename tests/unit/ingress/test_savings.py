"""GET /v3/savings over a real store: what it answers, what it refuses, and whom."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from starlette.requests import Request

from actors.database import Savings, open_database
from deployments.ingress import api
from deployments.ingress.savings import SavingsRoutes
from deployments.ingress.savings_schema import SavingsBody
from deployments.security.principal import Principal
from routing.clock import ManualClock
from routing.savings import Alternative, Saving

NOW = ManualClock().now()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class _Nobody:
    """Something with every handler's name."""

    def __getattr__(self, name: str) -> object:
        return self


async def authenticate(request: Request) -> Principal:
    """The key is the tenant, and after a dot what it may do."""
    tenant, _, permission = request.headers["x-api-key"].partition(".")
    return Principal(tenant, "a test", permissions=frozenset({permission or "decisions:read"}))


def row(number: int, *, simulated: bool = False) -> Saving:
    return Saving(
        "acme", f"ans_{number}", NOW - 3600.0 * number, "a", "m", "latency", answered=True,
        routed=True, simulated=simulated, actual_pico_usd=6 * 10**9, default_target="a/m",
        default_pico_usd=10**10, cheapest_pico_usd=4 * 10**9, random_pico_usd=7 * 10**9,
        alternatives=(Alternative("a/m", 0.8, 10**10), Alternative("b/m", 0.5, None)),
    )  # fmt: skip


@pytest.fixture
async def http(tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    database = open_database(tmp_path / "x.db")
    await database.migrate()
    store = Savings(database)
    await store.put([*(row(n) for n in range(1, 31)), row(31, simulated=True)])
    nobody: Any = _Nobody()
    served = SavingsRoutes(store, ManualClock())
    table = api.operations(nobody, nobody, nobody, nobody, nobody, nobody, served)
    mine = [op for op in table if op.path == "/v3/savings"]
    app = api.application(mine, authenticate, frozenset({"decisions:read"}), 1_000)
    transport = httpx2.ASGITransport(app)
    try:
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://t", headers={"x-api-key": "acme"}
        ) as client:
            yield client
    finally:
        await database.aclose()


async def test_the_report_is_what_its_schema_says(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/v3/savings", params={"by": "day"})
    body = answer.json()
    Draft202012Validator(SavingsBody.model_json_schema(mode="serialization")).validate(body)
    real, simulated = body["reports"]
    assert (real["simulated"], real["answers"], real["actual_usd"]) == (False, 30, 0.18)
    assert (simulated["simulated"], simulated["answers"]) == (True, 1)
    default = real["baselines"]["default"]
    assert (default["target"], default["usd"], default["saved_usd"]) == ("a/m", 0.3, 0.12)
    assert (default["saved_share"], default["ci95"]) == (0.4, [0.4, 0.4])
    assert [(day["key"], day["answers"]) for day in real["by"]] == [
        ("2025-12-30", 6), ("2025-12-31", 24),
    ]  # fmt: skip


async def test_a_period_is_taken_as_it_is_said(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/v3/savings", params={"since": "2025-12-31T12:00:00Z"})
    body = answer.json()
    assert (body["since"], body["until"]) == (
        "2025-12-31T12:00:00.000Z", "2026-01-01T00:00:00.000Z",
    )  # fmt: skip
    assert body["reports"][0]["answers"] == 12
    assert body["reports"][0]["by"] == []


async def test_another_tenants_savings_are_not_to_be_seen(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/v3/savings", headers={"x-api-key": "other"})
    assert answer.json()["reports"] == []


async def test_who_may_not_see_decisions_may_not_see_what_they_saved(
    http: httpx2.AsyncClient,
) -> None:
    answer = await http.get("/v3/savings", headers={"x-api-key": "acme.chat:create"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("since=yesterday", "/since"),
        ("until=2026-02-30", "/until"),
        ("since=2026-01-02&until=2026-01-01", "/until"),
        ("since=", "/since"),
        ("since=%00", "/since"),
        ("since=1e400", "/since"),
        ("until=0001-01-01", "/until"),
        ("by=hour", "/by"),
        ("by=", "/by"),
        ("form=2026-01-01", "/form"),
    ],
)
async def test_what_cannot_be_read_is_a_problem_that_names_the_parameter(
    http: httpx2.AsyncClient, query: str, pointer: str
) -> None:
    answer = await http.get(f"/v3/savings?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
