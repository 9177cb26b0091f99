"""What the live product says it saved is what its ledger says it spent."""

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import Any

import httpx2
import pytest

from routing.clock import SystemClock, rfc3339
from tests.integration.talk import MESSAGE, listen
from tests.product import REPOSITORY, Product
from tests.servers import Simulators

WRITTEN_S = 20.0


def spent(product: Product, since: float, answers: list[str]) -> int:
    """What the ledger says these cost since then, read as an auditor would: from the file."""
    with closing(sqlite3.connect(f"file:{product.home}/supportmax.sqlite?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT answer_id, cost_pico_usd FROM ledger WHERE at >= ?", [since])
        return sum(cost for answer, cost in rows if answer in answers)


async def report(http: httpx2.AsyncClient, since: float, answers: int, **query: str) -> Any:
    """The report on all that was asked, once that many rows are written."""
    params = {"since": rfc3339(since), "until": rfc3339(since + 3600), **query}
    async with asyncio.timeout(WRITTEN_S):
        while True:
            found = await http.get("/v3/savings", params=params)
            assert found.status_code == 200, found.text
            reports = found.json()["reports"]
            if reports and reports[0]["answers"] + reports[0]["failed"] >= answers:
                return reports[0]
            await asyncio.sleep(0.05)


async def test_the_report_agrees_with_the_ledger_to_the_pico_dollar(
    product: Product, healthy: httpx2.AsyncClient, simulators: Simulators
) -> None:
    """Routed, fixed, cut in the middle and gone on with: every attempt is in the sum once."""
    since = SystemClock().now()
    ids, last = [], ""
    for strategy in ("cost_optimized", "latency", "capability"):
        body = {"message": MESSAGE, "strategy": strategy}
        answer = (await healthy.post("/v3/chat", json=body)).json()
        ids.append(answer["id"])
        last = answer["platform"]
    ids.append((await healthy.post("/v3/openai/chat", json={"message": MESSAGE})).json()["id"])
    await simulators.script(last, {"kind": "cut", "after_chunks": 3})
    resumed = (await listen(healthy, {"strategy": "capability"})).done
    ids.append(resumed["id"])
    assert len(resumed["attempts"]) == 2
    found = await report(healthy, since, len(ids), by="strategy")
    actual = round(found["actual_usd"] * 10**12)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WRITTEN_S):
            while spent(product, since, ids) != actual:  # noqa: ASYNC110  another process
                await asyncio.sleep(0.05)
    assert spent(product, since, ids) == actual
    assert (found["simulated"], found["answers"], found["fixed"]) == (True, 5, 1)
    groups = {group["key"]: group for group in found["by"]}
    assert sum(group["answers"] for group in groups.values()) == 5
    default = found["baselines"]["default"]
    assert default["target"].startswith("openai/")
    assert (default["compared"], default["unknown"], default["unfit"]) == (4, 0, 0)
    cheapest = found["baselines"]["cheapest_each"]
    assert cheapest["usd"] <= found["baselines"]["cheapest_single"]["usd"]


async def test_the_command_line_says_what_the_route_says(
    product: Product, healthy: httpx2.AsyncClient
) -> None:
    """While the product runs, and from the same rows."""
    since = SystemClock().now()
    assert (await healthy.post("/v3/chat", json={"message": MESSAGE})).status_code == 200
    found = await report(healthy, since, 1)
    command = [sys.executable, "-m", "deployments.cli", "savings", "--json"]
    period = ["--since", rfc3339(since), "--until", rfc3339(since + 3600)]
    said = await asyncio.to_thread(
        subprocess.run,
        [*command, *period],
        cwd=REPOSITORY,
        env=product.environment,
        capture_output=True,
        text=True,
        timeout=60.0,
        check=True,
    )
    assert json.loads(said.stdout)["reports"] == [found]


@pytest.mark.parametrize(
    "query", ["since=yesterday", "by=hour", "since=2026-02-01&until=2026-01-01"]
)
async def test_a_report_that_cannot_be_meant_is_a_problem(
    healthy: httpx2.AsyncClient, query: str
) -> None:
    answer = await healthy.get(f"/v3/savings?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
