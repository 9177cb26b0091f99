"""What an administrator holds, in the whole product: every replica obeys, and a crash forgets nothing."""

from typing import Any

import anyio
import httpx2

from tests.integration.talk import MESSAGE
from tests.product import Product

PATH = "/admin/platforms/breaker"
# As long as anything that was killed is waited for; on two quiet cores it takes some 8 s.
KNOWN_S = 120.0


async def forced(http: httpx2.AsyncClient, platform: str) -> bool:
    status = (await http.get("/v3/platforms/status")).json()
    row = next(row for row in status["platforms"] if row["name"] == platform)
    return all(target["forced"] for target in row["targets"])


async def until_forced(http: httpx2.AsyncClient, platform: str, *, is_forced: bool) -> None:
    with anyio.fail_after(KNOWN_S):
        while await forced(http, platform) is not is_forced:  # noqa: ASYNC110  asked over HTTP
            await anyio.sleep(0.05)


async def chosen(http: httpx2.AsyncClient) -> Any:
    body = {"message": MESSAGE, "platform": "anthropic", "dry_run": True}
    return (await http.post("/v3/platforms/route", json=body)).json()["decision"]["candidates"]


async def test_a_breaker_held_open_keeps_requests_away_also_after_the_coordinators_death(
    product: Product, healthy: httpx2.AsyncClient
) -> None:
    """Set over HTTP, obeyed by decisions, on disk before the answer, and given back."""
    body = {"target": "openai", "state": "open", "for_s": 600, "reason": "a drill"}
    answer = await healthy.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    held = answer.json()
    assert [row["target"] for row in held["overrides"]] == ["openai"]
    try:
        [coordinator] = product.processes("ray::Coordinator")
        coordinator.kill()
        with anyio.fail_after(KNOWN_S):
            while (again := await healthy.get(PATH)).status_code != 200:  # noqa: ASYNC110
                await anyio.sleep(0.2)
        assert again.json() == held
        await until_forced(healthy, "openai", is_forced=True)
        for candidate in await chosen(healthy):
            codes = [reason["code"] for reason in candidate["reasons"]]
            assert ("breaker_open" in codes) == (candidate["platform"] == "openai")
        figures = (await healthy.get("/v3/regions/figures")).json()
        assert figures["region"] == "local"
    finally:
        auto = {"target": "openai", "state": "auto", "reason": "it is over"}
        assert (await healthy.post(PATH, json=auto)).json() == {"overrides": []}
    await until_forced(healthy, "openai", is_forced=False)
