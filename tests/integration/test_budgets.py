"""A product with a budget of a cent: it is never overspent, whoever asks and whatever is killed."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from config import SHIPPED
from tests.integration.talk import MESSAGE, listen
from tests.product import Product, running

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

LIMIT_USD = Decimal("0.005")
# Answers asked for at once: their bounds together are several times the budget.
WAVE = 40
WAVES_MAX = 60
CONFIGURED = "config:tenant"
# To read it costs more than what a spent budget has left, which a short question may still get.
LONG = MESSAGE * 2_000
# A lease is taken for its holder's end of life after a minute; idle money comes back in ten seconds.
BACK_S = 90.0


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product whose tenant may spend a cent a day."""
    path = tmp_path_factory.mktemp("budgets") / "budgets.yaml"
    path.write_text(f"budgets:\n  - {{scope: tenant, usd_per_day: {LIMIT_USD}}}\n")
    with running(*SHIPPED, path) as product:
        yield product


@pytest.fixture
async def http(product: Product) -> AsyncIterator[httpx2.AsyncClient]:
    async with product.http() as http:
        yield http


def spent_usd(product: Product) -> Decimal:
    """What the ledger has booked; outcomes are told within a second."""
    with sqlite3.connect(product.home / "supportmax.sqlite") as connection:
        rows = connection.execute("SELECT cost_pico_usd FROM ledger").fetchall()
    assert all(cost is not None for (cost,) in rows)
    return Decimal(sum(cost for (cost,) in rows)).scaleb(-12)


async def budget(http: httpx2.AsyncClient, name: str = CONFIGURED) -> Any:
    return (await http.get(f"/v3/budgets/{name}")).json()


async def test_budgets_of_nobody_and_nonsense_are_refused(http: httpx2.AsyncClient) -> None:
    """Each with its place; nothing of them is kept."""
    for body, where in (
        ({"scope": "user", "usd_per_day": 0}, "/usd_per_day"),
        ({"scope": "user", "usd_per_day": -1}, "/usd_per_day"),
        ({"scope": "user", "usd_per_day": "1"}, "/usd_per_day"),
        ({"scope": "team", "usd_per_day": 1}, "/scope"),
        ({"scope": "user"}, "/usd_per_day"),
        ({"scope": "user", "usd_per_day": 1, "until": 5}, "/until"),
        ({"scope": "tenant", "subject": "other", "usd_per_day": 1}, "/subject"),
        ({"scope": "user", "subject": "", "usd_per_day": 1}, "/subject"),
    ):
        refused = await http.put("/admin/budgets/bad", json=body)
        assert refused.status_code == 422, (body, refused.text)
        assert [e["pointer"] for e in refused.json()["errors"]] == [where]
    good = {"scope": "user", "usd_per_day": 1}
    assert (await http.put("/admin/budgets/not.an.id", json=good)).status_code == 422
    assert (await http.put(f"/admin/budgets/{CONFIGURED}", json=good)).json()["code"] == (
        "budget_configured"
    )
    assert (await http.delete(f"/admin/budgets/{CONFIGURED}")).status_code == 409
    for unknown in (
        await http.get("/v3/budgets/none"),
        await http.delete("/admin/budgets/none"),
        await http.get("/v3/budgets/bad"),
    ):
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert [b["id"] for b in (await http.get("/v3/budgets")).json()["budgets"]] == [CONFIGURED]


async def test_a_budget_is_made_holds_and_is_taken_away(http: httpx2.AsyncClient) -> None:
    """It concerns one user alone, and in this process from the next request on."""
    body = {"scope": "user", "subject": "user_123", "usd_per_day": 0.0001}
    made = await http.put("/admin/budgets/small", json=body)
    assert made.status_code == 200, made.text
    assert made.json()["left_usd"] == 0.0001
    asked = {"message": MESSAGE, "user_id": "user_123"}
    refused = await http.post("/v3/chat", json=asked)
    assert refused.status_code == 429, refused.text
    problem = refused.json()
    assert (problem["code"], problem["budget"]) == ("budget_exceeded", "small")
    assert problem["left_usd"] == 0.0001
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    looked = await http.post(
        "/v3/platforms/route", json={**asked, "platform": "openai", "dry_run": True}
    )
    assert looked.json()["code"] == "budget_exceeded"
    other = await http.post("/v3/chat", json={"message": MESSAGE, "user_id": "user_9"})
    assert other.status_code == 200, other.text
    assert (await http.delete("/admin/budgets/small")).json() == {"id": "small", "deleted": True}
    assert (await http.post("/v3/chat", json=asked)).status_code == 200


async def test_a_spent_budget_refuses_exactly_and_is_never_overspent_with_the_coordinator_killed(
    product: Product, http: httpx2.AsyncClient
) -> None:
    """Waves of answers until nobody is given one: each is an answer or a refusal that says why."""
    given, statuses = 0, list[int]()
    for wave in range(WAVES_MAX):
        asking = [
            asyncio.create_task(http.post("/v3/chat", json={"message": MESSAGE}))
            for _ in range(WAVE - 10)
        ]
        streams = [asyncio.create_task(listen(http)) for _ in range(10)]
        if wave == 3:
            [coordinator] = product.processes("ray::Coordinator")
            coordinator.kill()
        answers = await asyncio.gather(*asking)
        heard = await asyncio.gather(*streams)
        for answer in answers:
            assert answer.status_code in {200, 429, 503}, answer.text
            if answer.status_code != 200:
                code = answer.json()["code"]
                assert code == (
                    "budget_exceeded" if answer.status_code == 429 else "budget_unavailable"
                )
        for one in heard:
            if one.done is None:
                assert one.status in {429, 503}, one.events
        statuses = [a.status_code for a in answers] + [h.status for h in heard]
        given += statuses.count(200)
        if set(statuses) == {429} and wave > 3:
            break
        # What was set aside and not spent, and was lent and not used, is told once a second.
        await asyncio.sleep(1.0)
    assert set(statuses) == {429}, (given, spent_usd(product))
    assert given > 20
    async with asyncio.timeout(BACK_S):
        while (row := await budget(http))["reserved_usd"]:  # noqa: ASYNC110  another process's doing
            await asyncio.sleep(0.5)
    spent = spent_usd(product)
    assert spent <= LIMIT_USD
    assert row["spent_usd"] == pytest.approx(float(spent), abs=1e-12)
    assert row["left_usd"] == pytest.approx(float(LIMIT_USD - spent), abs=1e-12)
    # What is left pays for no answer of the cheapest platform: a sixth of so small a budget.
    assert spent > LIMIT_USD * Decimal("0.8")


async def test_vendors_clients_are_told_in_their_own_words_and_do_not_try_again(
    product: Product,
) -> None:
    """OpenAI's class for a spent quota, Anthropic's for a rate limit; one request each."""
    base = product.address
    async with product.http() as told:
        asker = openai.AsyncOpenAI(base_url=f"{base}/v1", api_key=product.key, http_client=told)
        with pytest.raises(openai.RateLimitError) as spent:
            await asker.chat.completions.create(
                model="auto", messages=[{"role": "user", "content": LONG}]
            )
        assert (spent.value.code, spent.value.type) == ("insufficient_quota", "insufficient_quota")
        claude = anthropic.AsyncAnthropic(base_url=base, api_key=product.key, http_client=told)
        with pytest.raises(anthropic.RateLimitError, match="config:tenant"):
            await claude.messages.create(
                model="auto", max_tokens=800, messages=[{"role": "user", "content": LONG}]
            )
