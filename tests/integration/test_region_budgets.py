"""A product in a region whose budgets are at home in another, which is there, gone, and there again."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from actors.database import open_database
from config import SHIPPED
from routing.budget import Budget, Scope, to_pico
from routing.clock import SystemClock
from tests.integration.talk import MESSAGE
from tests.ports import free_port
from tests.product import Product, running
from tests.region_world import Region, served

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

LIMIT_USD = Decimal("0.006")
DAILY = Budget("daily", Scope.TENANT, to_pico(LIMIT_USD))
# To a coordinator that restarts and a courier that rests; on two busy cores.
SOON_S = 60.0
ASKED_MAX = 200


@pytest.fixture(scope="module")
def port() -> int:
    """Where the home will answer; nobody does so far."""
    return free_port()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Product]:
    path = tmp_path_factory.mktemp("regions") / "regions.yaml"
    path.write_text(
        "regions:\n  name: eu\n  budgets: {home: us}\n  peers:\n"
        f"    us: {{url: 'http://127.0.0.1:{port}', api_key: smk_region}}\n"
    )
    with running(*SHIPPED, path) as product:
        yield product


@pytest.fixture
async def us(tmp_path: Path) -> AsyncIterator[Region]:
    database = open_database(tmp_path / "us.db")
    await database.migrate()
    us = Region("us", database, SystemClock())
    await us.definitions.declare([DAILY])
    yield us
    await database.aclose()


async def ask(http: httpx2.AsyncClient) -> httpx2.Response:
    return await http.post("/v3/chat", json={"message": MESSAGE})


async def answered(http: httpx2.AsyncClient) -> httpx2.Response:
    """The first answer; until then refusals that say why."""
    async with asyncio.timeout(SOON_S):
        while (answer := await ask(http)).status_code != 200:
            assert answer.json()["code"] == "budget_unavailable", answer.text
            await asyncio.sleep(0.2)
    return answer


async def refused(http: httpx2.AsyncClient) -> Any:
    """The first refusal for want of money."""
    for _ in range(ASKED_MAX):
        answer = await ask(http)
        if answer.status_code != 200:
            return answer.json()
    raise AssertionError(f"{ASKED_MAX} answers, and still none is refused")


def spent(product: Product) -> Decimal:
    with sqlite3.connect(product.home / "supportmax.sqlite") as connection:
        rows = connection.execute("SELECT cost_pico_usd FROM ledger").fetchall()
    return Decimal(sum(cost for (cost,) in rows)).scaleb(-12)


async def test_a_region_spends_what_its_budgets_home_lends_and_nothing_else(
    product: Product, us: Region, port: int
) -> None:
    async with product.http() as http:
        unknown = (await ask(http)).json()
        assert unknown["code"] == "budget_unavailable"
        assert "region us, which did not tell" in unknown["detail"]
        async with served(us.app(), port):
            await answered(http)
            row = (await http.get("/v3/budgets/daily")).json()
            assert (row["home"], row["usd_per_day"]) == ("us", float(LIMIT_USD))
            assert 0 < row["leases"][0]["leased_usd"] < float(LIMIT_USD)
            changed = await http.put(
                "/admin/budgets/more", json={"scope": "tenant", "usd_per_day": 1}
            )
            assert (changed.status_code, changed.json()["region"]) == (421, "us")
        # The home is gone: what is held is spent, by a coordinator that was killed in between, too.
        [coordinator] = product.processes("ray::Coordinator")
        coordinator.kill()
        async with asyncio.timeout(SOON_S):
            while "cannot be asked" not in (why := (await refused(http))["detail"]):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        assert "The region eu holds" in why
        assert "budget daily, whose home us" in why
        alone = spent(product)
        assert alone <= LIMIT_USD
        async with served(us.app(), port):
            await answered(http)
            async with asyncio.timeout(SOON_S):
                while (problem := await refused(http))["code"] != "budget_exceeded":  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
            assert "of the region us has, in the region eu," in problem["detail"]
        assert alone < spent(product) <= LIMIT_USD
        assert spent(product) > LIMIT_USD / 2
