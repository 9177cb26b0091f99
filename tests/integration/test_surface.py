"""What the product says about itself, and what it books: status, health, OpenAPI, ledger."""

import asyncio
import sqlite3
from contextlib import closing
from typing import Any

import httpx2
import pytest

from tests.integration.contract import Contract
from tests.integration.talk import MESSAGE, listen
from tests.product import Product
from tests.servers import Simulators

BOOKED_S = 20.0


def booked(product: Product, answer_id: str) -> list[dict[str, Any]]:
    """The ledger's rows of one answer, read as an auditor would: from the file."""
    with closing(sqlite3.connect(f"file:{product.home}/supportmax.sqlite?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        rows = db.execute("SELECT * FROM ledger WHERE answer_id = ? ORDER BY attempt", [answer_id])
        return [dict(row) for row in rows]


async def until_booked(product: Product, answer_id: str, attempts: int = 1) -> list[dict[str, Any]]:
    """The rows, once the replica's next report has reached the ledger."""
    async with asyncio.timeout(BOOKED_S):
        while len(rows := booked(product, answer_id)) < attempts:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.05)
    return rows


async def status_of(http: httpx2.AsyncClient, platform: str) -> dict[str, Any]:
    rows = (await http.get("/v3/platforms/status")).json()["platforms"]
    return next(dict(row) for row in rows if row["name"] == platform)


async def test_the_status_names_every_platform_and_why_it_is_as_it_is(
    healthy: httpx2.AsyncClient,
) -> None:
    """Its shape is the published one (every answer here is held against it)."""
    answer = await healthy.get("/v3/platforms/status")
    rows = {row["name"]: row for row in answer.json()["platforms"]}
    assert rows.keys() == {
        "openai", "anthropic", "azure_openai", "google_vertex", "copilot_studio",
    }  # fmt: skip
    for name in ("openai", "anthropic"):
        assert rows[name]["state"] in {"ready", "degraded"}
        assert (rows[name]["simulated"], rows[name]["configured"]) == (True, False)
        assert "not set" in rows[name]["detail"]
    assert all(row["detail"] for row in rows.values() if row["state"] == "disabled")
    assert answer.json()["region"] == "local"


@pytest.mark.parametrize(("platform", "window"), [("openai", None), ("anthropic", 1_000_000)])
async def test_the_status_tells_what_a_platform_offers_and_costs(
    healthy: httpx2.AsyncClient, platform: str, window: int | None
) -> None:
    """The models are the platform's own list, fetched in the background after the start."""
    async with asyncio.timeout(BOOKED_S):
        while (row := await status_of(healthy, platform))["models"] is None:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.05)
    models = {model["id"]: model for model in row["models"]}
    assert models[row["model"]]["context_window"] == window
    assert row["models_as_of"] is not None
    assert (row["models_unknown_since"], row["models_detail"]) == (None, None)
    assert any(model["retires_at"] for model in models.values())
    assert row["prices"]["output"] > row["prices"]["input"] > 0
    assert row["prices"]["source"]
    assert "streaming" in row["capabilities"]
    assert row["regions"] == ["eu", "us"]
    assert row["context_window"] > row["max_output_tokens"] > 0


async def test_an_answers_headroom_shows_in_the_status_and_shrinks(
    healthy: httpx2.AsyncClient,
) -> None:
    """From the vendor's headers by way of the replica and the coordinator."""

    async def headroom_after(moment: str) -> dict[str, Any]:
        await healthy.post("/v3/anthropic/chat", json={"message": MESSAGE})
        async with asyncio.timeout(BOOKED_S):
            while True:
                limits = (await status_of(healthy, "anthropic"))["rate_limits"]
                if limits is not None and limits["as_of"] > moment:
                    return dict(limits)
                await asyncio.sleep(0.05)

    first = await headroom_after("")
    second = await headroom_after(first["as_of"])
    if first["resets_at"] != second["resets_at"]:  # a new minute began between the two
        first, second = second, await headroom_after(second["as_of"])
    assert second["remaining_requests"] < first["remaining_requests"] < first["limit_requests"]
    assert second["remaining_tokens"] < first["remaining_tokens"] < first["limit_tokens"]
    assert first["resets_at"] > first["as_of"]


async def test_an_answer_shows_in_the_status_and_its_version_grows(
    healthy: httpx2.AsyncClient,
) -> None:
    """Latency, success and spend within a second or so of the answer; spend is a day's, of UTC."""
    before = await healthy.get("/v3/platforms/status")
    spent = (await status_of(healthy, "anthropic"))["cost_usd_today"]
    await healthy.post("/v3/anthropic/chat", json={"message": MESSAGE})
    async with asyncio.timeout(BOOKED_S):
        while (row := await status_of(healthy, "anthropic"))["cost_usd_today"] <= spent:
            if row["cost_usd_today"] < spent:  # a new day began between the two
                spent = row["cost_usd_today"]
                await healthy.post("/v3/anthropic/chat", json={"message": MESSAGE})
            await asyncio.sleep(0.05)
    assert row["latency_ms"]["p50"] > 0
    after = await healthy.get("/v3/platforms/status")
    assert after.json()["snapshot"] > before.json()["snapshot"]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_ledger_books_exactly_what_the_answer_said_it_cost(
    healthy: httpx2.AsyncClient, product: Product, *, stream: bool
) -> None:
    """The same tokens, the same pico-dollars, once."""
    if stream:
        answer = (await listen(healthy)).done
    else:
        answer = (await healthy.post("/v3/chat", json={"message": MESSAGE})).json()
    rows = await until_booked(product, answer["id"], attempts=len(answer["attempts"]))
    total = sum(row["cost_pico_usd"] for row in rows)
    assert total / 1e12 == pytest.approx(answer["cost_usd"], rel=1e-9)
    # Who was asked beside a late platform, or was late, has a row as well.
    [row] = [row for row in rows if not row["abandoned"]]
    assert row["input_tokens"] == answer["usage"]["input_tokens"]
    assert row["output_tokens"] == answer["usage"]["output_tokens"]
    assert (row["tenant"], row["platform"]) == ("northwind", answer["platform"])
    assert (row["simulated"], row["abandoned"], row["error"]) == (1, 0, None)


async def test_the_ledger_books_every_attempt_in_its_order(
    healthy: httpx2.AsyncClient, product: Product, simulators: Simulators
) -> None:
    """Who failed is there too, with its kind and without a price."""
    await simulators.script("openai", {"kind": "status", "status": 500})
    body = {"message": MESSAGE, "platform": "openai", "fallback_platforms": ["anthropic"]}
    answer = (await healthy.post("/v3/chat", json=body)).json()
    rows = await until_booked(product, answer["id"], attempts=2)
    assert [(r["platform"], r["error"]) for r in rows] == [
        ("openai", "overloaded"), ("anthropic", None),
    ]  # fmt: skip
    assert rows[0]["cost_pico_usd"] == 0  # it refused: nothing was billed
    assert rows[1]["cost_pico_usd"] / 1e12 == pytest.approx(answer["cost_usd"], rel=1e-9)


async def test_an_answer_repeated_under_its_key_is_booked_once(
    healthy: httpx2.AsyncClient, product: Product
) -> None:
    """A repeat is read from the store, not paid for."""
    headers = {"idempotency-key": f"book-{id(healthy)}"}
    sent = {"json": {"message": MESSAGE}, "headers": headers}
    first = (await healthy.post("/v3/chat", **sent)).json()  # type: ignore[arg-type]
    await until_booked(product, first["id"])
    again = (await healthy.post("/v3/chat", **sent)).json()  # type: ignore[arg-type]
    other = (await healthy.post("/v3/chat", json={"message": MESSAGE})).json()
    await until_booked(product, other["id"])
    assert again["id"] == first["id"]
    assert len(booked(product, first["id"])) == 1


async def test_health_needs_no_key_and_says_ok(product: Product, contract: Contract) -> None:
    """Probes have no secrets."""
    async with httpx2.AsyncClient(base_url=product.address, verify=False) as probe:
        probe.event_hooks = {"response": [contract.check]}
        for path in ("/healthz", "/readyz"):
            answer = await probe.get(path)
            assert (answer.status_code, answer.json()["status"]) == (200, "ok")


async def test_openapi_is_served_and_holds_the_whole_road(contract: Contract) -> None:
    """Generated from the code that runs: paths, permissions, problem documents."""
    assert contract.document["openapi"].startswith("3.1")
    assert contract.document["paths"].keys() >= {
        "/v3/chat", "/v3/openai/chat", "/v3/anthropic/chat", "/v3/platforms/status",
        "/v3/platforms/route", "/healthz", "/readyz", "/openapi.json",
    }  # fmt: skip
    for methods in contract.document["paths"].values():
        for row in methods.values():
            assert {"x-permission", "x-rate-class", "x-audit"} <= row.keys()
